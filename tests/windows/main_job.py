"""The main job on Windows Python, as a user starts it: from nothing to three trainings; a killed daemon; a stop."""

from __future__ import annotations

import json
import math
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llm_loop.contract.paths import WorkspacePaths
from tests.windows.bench.problem import BenchFailure
from tests.windows.bench.session import PYTHON, Done, Session
from tests.windows.desk import INSIDE

_SET_UP_S = 900.0  # both environments from nothing, torch included
_RUN_S = 180.0  # one training, imports included
_VERB_S = 120.0
_GONE_S = 30.0
RUNS = ["R0001", "R0002", "R0003", "R0004", "R0005"]
_BOOTSTRAP = (PYTHON, "scripts\\bootstrap.py")
_END = "import os, sys; os.kill(int(sys.argv[1]), 9)"  # on Windows: TerminateProcess, as the task manager does


class MainJob:
    """Run the main job on a desk and count what held."""

    def __init__(self, windows: Session, desk: Path, say: Callable[[str], None]) -> None:
        self._windows = windows
        self._paths = WorkspacePaths(desk)
        self._logs = desk.parent
        self._say = say
        self.passed = 0

    def run(self) -> None:
        """Do all of it, the set-up left out. Raises BenchFailure with the first thing that did not hold."""
        self._three_cycles()
        self._killed_daemon_and_adoption()

    def set_up(self) -> None:
        """Make both environments, the first time from nothing, as a user does."""
        done = self._windows.run([*_BOOTSTRAP, "install"], folder=INSIDE, deadline_s=_SET_UP_S, show=True)
        self._holds("both environments are made", done.code == 0 and "are ready" in done.err, f"exit code {done.code}")

    def _three_cycles(self) -> None:
        loop = self._start("three", "--cycles", "3", "--plain")
        self._await("a training starts", lambda: self._events("attempt_started"), loop)
        status = self._status()
        self._holds("status is readable while it runs", status["daemon"]["condition"] == "running", status["daemon"])
        code, printed = self._wait(loop, 4 * _RUN_S)
        self._holds("start --cycles 3 ends with code 0", code == 0 and "3 cycles done" in printed, printed[-2000:])
        rows = self._history()
        states = [(row["run_id"], row["state"]) for row in rows]
        self._holds("three trainings completed", states == [(name, "completed") for name in RUNS[:3]], states)
        values = [row["result"]["value"] for row in rows]
        self._holds("each has a score", all(0 < value < math.inf for value in values), values)
        verdicts = [event["quality_gate"] for event in self._events("cycle")]
        self._holds("the gate judged each", len(verdicts) == 3 and not any(v["blocked"] for v in verdicts), verdicts)
        self._holds("no error was met", not self._events("error"), self._events("error"))
        self._nothing_runs()

    def _killed_daemon_and_adoption(self) -> None:
        first = self._start("killed", "--quiet")
        self._await("a fourth training starts", lambda: self._events("attempt_started")[3:], first)
        beat = json.loads(self._paths.heartbeat.read_text(encoding="utf-8"))
        self._windows.run([PYTHON, "-c", _END, str(beat["pid"])], folder="/desk", deadline_s=_VERB_S)
        self._wait(first, _VERB_S)
        self._holds("a killed daemon leaves the training", bool(self._trainings()), self._windows.programs())
        second = self._start("adopting", "--quiet")
        self._await("the run left behind is adopted", lambda: self._events("run_adopted"), second)
        self._await("it is recorded", lambda: self._history()[3:], second)
        row = self._history()[3]
        self._holds("it completed", (row["run_id"], row["state"]) == (RUNS[3], "completed"), row)
        self._await("the next training starts", lambda: self._events("attempt_started")[4:], second)
        stopped = self._windows.run([*_BOOTSTRAP, "stop"], folder=INSIDE, deadline_s=_VERB_S)
        self._holds("stop returns when all is gone", stopped.code == 0, stopped)
        code, printed = self._wait(second, _VERB_S)
        self._holds("the stopped loop ends with code 0", code == 0, printed[-2000:])
        starts = [event["run_id"] for event in self._events("attempt_started")]
        tries = [place.name for place in self._paths.runs.glob("*/attempt-*")]
        self._holds("nothing was started twice", starts == RUNS[:5] and set(tries) == {"attempt-1"}, (starts, tries))
        runs = [row["run_id"] for row in self._history()]
        self._holds("nothing was lost or recorded twice", runs == RUNS[:5], runs)
        self._nothing_runs()

    # ------------------------------------------------------------ looking and waiting

    def _holds(self, what: str, truth: bool, seen: object) -> None:
        if not truth:
            raise BenchFailure(f"main job: not so: {what}\n{seen}")
        self.passed += 1
        self._say(f"main job: {what}")

    def _await(self, what: str, look: Callable[[], object], loop: subprocess.Popen[bytes]) -> None:
        give_up = time.monotonic() + 2 * _RUN_S
        while not look():
            if loop.poll() is not None or time.monotonic() > give_up:
                raise BenchFailure(f"main job: never came: {what}\n{self._printed(loop)}")
            time.sleep(0.1)
        self.passed += 1
        self._say(f"main job: {what}")

    def _status(self) -> dict[str, Any]:
        done: Done = self._windows.run([*_BOOTSTRAP, "status", "--json"], folder=INSIDE, deadline_s=_VERB_S)
        try:
            value: dict[str, Any] = json.loads(done.out)
        except ValueError as error:
            raise BenchFailure(f"main job: status --json is no JSON: {error}\n{done}") from error
        return value

    def _nothing_runs(self) -> None:
        give_up = time.monotonic() + _GONE_S
        while (left := self._windows.programs()) and time.monotonic() < give_up:
            time.sleep(0.2)
        self._holds("no process is left", not left, left)

    def _trainings(self) -> list[str]:
        return [line for line in self._windows.programs() if "llm_loop.trainer" in line]

    def _events(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in _rows(self._paths.events) if event["event"] == kind]

    def _history(self) -> list[dict[str, Any]]:
        return _rows(self._paths.history)

    # ------------------------------------------------------------ a loop in a process of its own

    def _start(self, name: str, *flags: str) -> subprocess.Popen[bytes]:
        self._log = self._logs / f"start_{name}.log"
        return self._windows.start([*_BOOTSTRAP, "start", *flags], folder=INSIDE, log=self._log)

    def _wait(self, loop: subprocess.Popen[bytes], seconds: float) -> tuple[int, str]:
        try:
            code = loop.wait(seconds)
        except subprocess.TimeoutExpired:
            raise BenchFailure(f"main job: the loop did not end in {seconds:g} s\n{self._printed(loop)}") from None
        return code, self._printed(loop)

    def _printed(self, loop: subprocess.Popen[bytes]) -> str:
        texts = [
            file.read_text(encoding="utf-8", errors="replace") for file in (self._log, self._log.with_suffix(".err"))
        ]
        return "\n".join([f"exit code {loop.poll()}", *texts])


def _rows(path: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a JSONL file; none where it is not there yet."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines if line.endswith("}")]
