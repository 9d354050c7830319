"""Measure the loop's own time in a cycle on two Pythons of one machine, in turn, and print the ratio.

    .venv/bin/python benchmarks/windows_against_linux.py --other 'WRAPPER python.exe -X utf8' [--rounds 3] [--cycles 30]

``--other`` is the command line that starts the other Python (on a Linux machine with Wine: the wrapper that
runs Windows programs, and python.exe) with this repository as its current folder; each side is measured by this
file, started with ``--one``. What is compared is the time inside the ticks in which a cycle goes on. Left out and
shown apart: starting processes, which costs many times more under Wine than on Windows, and the ticks that only
wait for the process of the worker. Beside it: the CPU that an idle daemon uses while a run trains. Figures are
of this machine under its present load; the rounds alternate, so that the ratio is paired.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from benchmarks.loop_costs import TimedDaemon  # noqa: E402
from llm_loop.contract.paths import WorkspacePaths  # noqa: E402
from llm_loop.limits import Limits  # noqa: E402
from llm_loop.system import processes  # noqa: E402
from llm_loop.system.clock import SystemClock  # noqa: E402
from tests.conftest import make_workspace  # noqa: E402
from tests.loop_process import script  # noqa: E402

TARGET_RATIO = 3.0
TARGET_IDLE_PERCENT = 1.0


class Starts:
    """Add up the time that starting processes takes."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._start = processes.platform.start_detached

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        began = time.perf_counter()
        try:
            return self._start(*arguments, **named)
        finally:
            self.seconds += time.perf_counter() - began


class Daemon(TimedDaemon):
    """Note, for each closed cycle, how much of its time went into starting processes."""

    def __init__(self, starts: Starts, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._starts = starts
        self._before = 0.0
        self.start_s: list[float] = []
        self.waiting_s: list[float] = []

    def _tick(self) -> bool:
        before = self._context.ledger.state.seq
        over = super()._tick()
        if self._context.ledger.state.seq == before:  # it only waited for the worker's process
            self._spent -= self.tick_lengths[-1]
            self.waiting_s.append(self.tick_lengths[-1])
        if len(self.cycle_s) > len(self.start_s):
            self.start_s.append(self._starts.seconds - self._before)
            self._before = self._starts.seconds
        return over


def own_time(root: Path, cycles: int) -> dict[str, float]:
    """Return medians in ms: a cycle's own time, its process starts, and one tick that only waits."""
    script(root, {"action": "wait"})
    starts = Starts()
    processes.platform.start_detached = starts  # type: ignore[assignment]
    config = root / "config" / "daemon_config.json"
    daemon = Daemon(starts, WorkspacePaths(root), config, dict(os.environ), SystemClock(), Limits(cycles=cycles))
    daemon.run()
    pairs = list(zip(daemon.cycle_s, daemon.start_s, strict=True))[2:]
    return {
        "cycles": len(pairs),
        "own_ms": round(1000 * statistics.median(total - start for total, start in pairs), 2),
        "process_start_ms": round(1000 * statistics.median(start for _, start in pairs), 2),
        "waiting_tick_ms": round(1000 * statistics.median(daemon.waiting_s), 3),
    }


def idle_share(root: Path, seconds: float) -> dict[str, float]:
    """Return the CPU share in percent of a daemon whose one run trains and says nothing."""
    script(root, {"train": "silent"})
    config = root / "config" / "daemon_config.json"
    limits = Limits(run_minutes=(seconds + 6) / 60)
    daemon = TimedDaemon(WorkspacePaths(root), config, dict(os.environ), SystemClock(), limits)
    daemon._cycle.plan_lane.wake = lambda: None  # type: ignore[method-assign] - nothing wakes it
    marks: list[tuple[float, float]] = []
    sleep = daemon._clock.sleep

    def marked(pause_s: float) -> None:
        sleep(pause_s)
        marks.append((time.monotonic(), time.process_time()))

    daemon._clock.sleep = marked  # type: ignore[method-assign]
    daemon.run()
    quiet = [mark for mark in marks if marks[0][0] + 5 <= mark[0] <= marks[0][0] + 5 + seconds]
    spent, lasted = quiet[-1][1] - quiet[0][1], quiet[-1][0] - quiet[0][0]
    return {"seconds": round(lasted, 1), "daemon_cpu_percent": round(100 * spent / lasted, 2)}


def measure_one(cycles: int, idle_seconds: float) -> dict[str, Any]:
    """Measure the Python that runs this."""
    with tempfile.TemporaryDirectory() as folder:
        figures: dict[str, Any] = own_time(make_workspace(Path(folder) / "cycles"), cycles)
        if idle_seconds:
            figures["idle"] = idle_share(make_workspace(Path(folder) / "idle"), idle_seconds)
    return figures


def measured_by(command: list[str], arguments: argparse.Namespace, idle_seconds: float) -> dict[str, Any]:
    """Run this file by another command line and return its figures."""
    words = ["--one", "--cycles", str(arguments.cycles), "--idle-seconds", str(idle_seconds)]
    argv = [*command, "benchmarks/windows_against_linux.py", *words]
    environ = {**os.environ, "PYTHONUTF8": "1"}
    done = subprocess.run(argv, cwd=REPOSITORY, env=environ, stdin=subprocess.DEVNULL, capture_output=True, timeout=900)
    if done.returncode != 0:
        raise SystemExit(f"{argv} failed:\n{done.stderr.decode('utf-8', 'replace')[-3000:]}")
    figures: dict[str, Any] = json.loads(done.stdout.decode("utf-8").strip().splitlines()[-1])
    return figures


def main() -> int:
    """Measure in turn and print one JSON object; exit code 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--other", metavar="COMMAND", help="The command line that starts the other Python.")
    parser.add_argument("--rounds", type=int, default=3, help="Measurements of each Python (default 3).")
    parser.add_argument("--cycles", type=int, default=30, help="Cycles of wait in each measurement (default 30).")
    parser.add_argument("--idle-seconds", type=float, default=20, help="Seconds of idling, 0 for none (default 20).")
    parser.add_argument("--one", action="store_true", help="Measure this Python alone.")
    arguments = parser.parse_args()
    if arguments.one or arguments.other is None:
        print(json.dumps(measure_one(arguments.cycles, arguments.idle_seconds)))
        return 0
    sides = {"this": [sys.executable], "other": shlex.split(arguments.other)}
    found: dict[str, list[dict[str, Any]]] = {"this": [], "other": []}
    for number in range(arguments.rounds):
        for name, command in sides.items():
            found[name].append(measured_by(command, arguments, arguments.idle_seconds if number == 0 else 0))
    pairs = zip(found["other"], found["this"], strict=True)
    ratio = statistics.median(other["own_ms"] / this["own_ms"] for other, this in pairs)
    idle = found["other"][0].get("idle", {}).get("daemon_cpu_percent", 0.0)
    print(json.dumps({**found, "own_time_ratio": round(ratio, 2), "other_idle_cpu_percent": idle}, indent=2))
    return int(ratio > TARGET_RATIO or idle > TARGET_IDLE_PERCENT)


if __name__ == "__main__":
    sys.exit(main())
