"""The loop of a self-test, as a child: started, waited for, killed, stopped."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import llm_loop
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.errors import CorruptFileError, LoopError
from llm_loop.selftest.interruption import uninterrupted
from llm_loop.system import files

if sys.platform == "win32":
    from llm_loop.system import platform_windows as platform
else:
    from llm_loop.system import platform_posix as platform

_PACKAGE_ROOT = Path(llm_loop.__file__).resolve().parents[1]
_START_PATIENCE_S = 60.0
_POLL_S = 0.02


class LoopProcess:
    """Hold the daemon of one workspace, or none, and what its starts and ends told.

    ``adopted_s`` are the seconds from each start to the first heartbeat, which comes when everything that runs is
    taken over; ``bad_ends`` what was said by a daemon that ended without being asked to. ``run_minutes`` is the
    longest that a daemon lives, should this process vanish.
    """

    def __init__(self, paths: WorkspacePaths, run_minutes: float) -> None:
        self._paths, self._run_minutes = paths, run_minutes
        self._process: subprocess.Popen[bytes] | None = None
        self._beat_before: object = None
        self._began_s: float | None = None
        self._said = paths.root / "said.txt"
        self.adopted_s: list[float] = []
        self.bad_ends: list[str] = []

    @property
    def lives(self) -> bool:
        """Whether a daemon was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self, *, dies_at: str | None = None, program: Sequence[str] = ("-m", "llm_loop")) -> None:
        """Start the daemon; with ``dies_at`` one that kills itself at that moment (see ``dying_loop``)."""
        python = platform.keeper_python(sys.executable)  # a launcher between us could not be killed with it
        program = program if dies_at is None else ("-m", "llm_loop.selftest.dying_loop", dies_at)
        argv = [python, "-X", "utf8", *program, "--workspace", str(self._paths.root), "start", "--quiet"]
        argv += ["--run-minutes", f"{self._run_minutes:g}"]
        self._beat_before, self._began_s = self._beat_pid(), time.monotonic()
        with self._said.open("ab") as said, uninterrupted():
            self._process = subprocess.Popen(
                argv,
                env=_environment(python),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=sys.platform != "win32",  # Ctrl-C is ours to answer
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )

    def start_and_wait(self) -> None:
        """Start the daemon and wait for its first heartbeat. Raises LoopError when none comes."""
        self.start()
        if not self.wait_for_beat(_START_PATIENCE_S):
            said = files.read_tail(self._said, 500).strip()
            raise LoopError(f"the loop of the self-test gave no sign of life: {said or 'it said nothing'}")

    def wait_for_beat(self, seconds: float) -> bool:
        """Wait for the first heartbeat of a daemon that was just started; tell whether it came in time."""
        came = self.until(lambda: self._beat_pid() not in (None, self._beat_before), seconds)
        if came and self._began_s is not None:
            self.adopted_s.append(time.monotonic() - self._began_s)
            self._began_s = None
        return came

    def until(self, condition: Callable[[], object], seconds: float) -> bool:
        """Wait until something holds; False when the daemon ends first, or after ``seconds``."""
        give_up = time.monotonic() + seconds
        while not condition():
            if not self.lives or time.monotonic() >= give_up:
                return bool(condition())
            time.sleep(_POLL_S)
        return True

    def kill(self) -> None:
        """End the daemon at once, as a task manager does; nothing it started is touched."""
        if self._process is not None:
            self._process.kill()
            self._collect(was_killed=True)

    def wait(self, seconds: float, *, was_killed: bool = False) -> bool:
        """Wait for the daemon's end; tell whether it came. ``was_killed``: it was to die, not to end."""
        assert self._process is not None
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        self._collect(was_killed=was_killed)
        return True

    def stop(self, seconds: float) -> bool:
        """End the daemon as ``llm-loop stop`` does; tell whether it was gone in time."""
        files.replace_text(self._paths.stop_daemon, "")
        return self.wait(seconds)

    def _collect(self, *, was_killed: bool) -> None:
        assert self._process is not None
        code = self._process.wait()
        said = files.read_tail(self._said, 2000)
        files.remove(self._said)
        was_bad = "Traceback" in said or "llm-loop: " in said or (code != 0 and not was_killed)
        if was_bad:
            self.bad_ends.append(f"exit code {code}: {said.strip()[-500:] or 'no word'}")
        self._process = None

    def _beat_pid(self) -> object:
        try:
            return files.read_json(self._paths.heartbeat).get("pid")
        except (OSError, CorruptFileError, AttributeError):
            return None


def _environment(python: str) -> dict[str, str]:
    """Return the environment of the daemon: no setting of the loop's own, and this very package."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LLM_LOOP_")}
    if python != sys.executable:
        kept["__PYVENV_LAUNCHER__"] = sys.executable  # what the launcher itself says to the interpreter
    return kept | {"PYTHONPATH": str(_PACKAGE_ROOT), "PYTHONUTF8": "1"}
