"""A loop in a process of its own, for tests: started, watched by its files, ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from llm_loop.contract.paths import WorkspacePaths
from tests.conftest import FAKES, command_line, eventually


class LoopProcess:
    """Run ``llm-loop start`` on a workspace; whatever happens, it and its keepers are gone at the end."""

    def __init__(self, workspace: Path, environ: dict[str, str], *flags: str) -> None:
        self.paths = WorkspacePaths(workspace)
        self._environ = environ
        self._flags = flags
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.interrupt()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.communicate()

    @property
    def process(self) -> subprocess.Popen[str]:
        assert self._process is not None
        return self._process

    def start(self) -> None:
        argv = [sys.executable, "-X", "utf8", "-m", "llm_loop", "--workspace", str(self.paths.root), "start", "--quiet"]
        self._process = subprocess.Popen(
            [*argv, *self._flags],
            env=self._environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def finish(self, seconds: float = 60.0) -> tuple[int, str, str]:
        """Wait for its end; return exit code, standard output, standard error."""
        out, err = self.process.communicate(timeout=seconds)
        return self.process.returncode, out, err

    def kill(self) -> None:
        """End the daemon alone, as a task manager does."""
        self.process.kill()
        self.process.communicate()

    def interrupt(self) -> None:
        """End it on purpose: Ctrl-C; on Windows, where a test has no console, by the file that `stop` leaves."""
        if os.name == "nt":
            self.paths.stop_daemon.touch()
        else:
            self.process.send_signal(signal.SIGINT)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Return what is in the journal, of one kind or all."""
        try:
            lines = self.paths.events.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        events = [json.loads(line) for line in lines if line.endswith("}")]
        return [event for event in events if kind in (None, event["event"])]

    def wait_for(self, kind: str, count: int = 1, seconds: float = 30.0) -> dict[str, Any]:
        """Wait until the journal holds ``count`` events of a kind; return the last of them."""

        def enough() -> list[dict[str, Any]]:
            found = self.events(kind)
            if len(found) < count and self.process.poll() is not None:
                raise AssertionError(f"the loop ended before {kind}: {self.process.communicate()}")
            return found if len(found) >= count else []

        found: list[dict[str, Any]] = eventually(enough, seconds)
        return found[count - 1]

    def until_trains(self, run_id: str, attempt: int = 1) -> None:
        """Wait for the first epoch of an attempt: from then on its trainer hears a polite word."""
        eventually((self.paths.attempt(run_id, attempt) / "metrics.jsonl").exists)

    def history(self) -> list[dict[str, Any]]:
        if not self.paths.history.exists():
            return []
        return [json.loads(line) for line in self.paths.history.read_text(encoding="utf-8").splitlines()]


def run_to_the_end(workspace: Path, environ: dict[str, str], *flags: str) -> tuple[LoopProcess, str]:
    """Run the loop until its limit and return it with what it printed."""
    with LoopProcess(workspace, environ, *flags) as loop:
        code, out, err = loop.finish()
    assert code == 0, err
    assert "Traceback" not in out + err
    return loop, out


def pid_is_alive(pid: int) -> bool:
    """Tell whether a process lives; a zombie does not."""
    import psutil

    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def script(workspace: Path, *entries: dict[str, Any], role: str = "worker") -> None:
    """Write what the fake worker (or mentor) answers."""
    name = "script.json" if role == "worker" else "mentor_script.json"
    (workspace / "config" / name).write_text(json.dumps(entries), encoding="utf-8")


def set_config(workspace: Path, **changes: Any) -> None:
    """Change the configuration of a workspace, as a person with an editor does."""
    path = workspace / "config" / "daemon_config.json"
    value = json.loads(path.read_text(encoding="utf-8")) | changes
    partial = path.with_suffix(".new")
    partial.write_text(json.dumps(value), encoding="utf-8")
    partial.replace(path)


def hold_an_answer(root: Path, number: int = 3) -> None:
    """Let the worker's answer of that number wait for the file ``config/go``; ``config/asked`` says that it does."""
    code = HELD % {"fake": str(FAKES / "fake_worker.py"), "number": number}
    (root / "config" / "held_worker.py").write_text(code, encoding="utf-8")
    set_config(root, worker_command=command_line(root / "config" / "held_worker.py"))


HELD = """\
import runpy, time
from pathlib import Path

config = Path("config")
counter = config / "calls_worker.txt"
if int(counter.read_text() if counter.exists() else 0) == %(number)d - 1:
    (config / "asked").touch()
    while not (config / "go").exists():
        time.sleep(0.02)
runpy.run_path(%(fake)r, run_name="__main__")
"""
