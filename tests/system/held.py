"""A command held by a real keeper, with what tests want to ask of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from llm_loop.system import processes
from llm_loop.system.processes import Ending, HeldCommand, Keepers
from tests.conftest import FAKES, eventually


class Held:
    """Hold one folder, its command and the keepers that were started for it."""

    def __init__(self, folder: Path, *argv: str, **changes: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.tag = f"tag-{os.getpid()}-{abs(hash(folder))}"
        command = HeldCommand(
            argv=argv,
            cwd=folder,
            stdout=folder / "out.log",
            stderr=folder / "err.log",
            stop_file=folder / "STOP",
            grace_s=5.0,
            tag=self.tag,
        )
        self.command = replace(command, **changes)
        self.keepers = Keepers()
        self.keepers.prepare(folder, self.command)

    def start(self, keepers: Keepers | None = None) -> Held:
        env = {**bare_environment(), "LLM_LOOP_RUN": self.tag, "LLM_LOOP_RUN_DIR": str(self.folder)}
        (keepers or self.keepers).start(self.folder, env)
        return self

    def running(self) -> dict[str, Any]:
        """Wait until the command runs; return pids and identities."""
        return eventually(lambda: processes.read_started(self.folder))

    def stop(self) -> None:
        (self.folder / "STOP").touch()

    def ended(self, seconds: float = 20.0) -> Ending:
        return eventually(lambda: self.keepers.poll(self.folder, 0.0), seconds)

    def clear_away(self) -> None:
        """End what a failed test left, and wait for the keepers themselves."""
        self.stop()
        started = processes.read_started(self.folder)
        if started is not None and not (self.folder / "exit.json").exists():
            kill(started["keeper_pid"])
        processes.sweep(self.tag)
        eventually(lambda: self.keepers.poll(self.folder, 0.0) or not (self.folder / "keeper.lock").exists())
        eventually(lambda: not processes.platform.is_locked(self.folder / "keeper.lock"))
        eventually(lambda: self.keepers.reap() or not self.keepers._own)


@contextmanager
def held(folder: Path, *argv: str, **changes: Any) -> Iterator[Held]:
    """Prepare a command in ``folder``; nothing is started. Whatever runs at the end of the block is ended."""
    one = Held(folder, *argv, **changes)
    try:
        yield one
    finally:
        one.clear_away()


def trainer(mode: str, number: float = 0.5) -> tuple[str, ...]:
    """Return the argv of the fake trainer."""
    return (sys.executable, "-I", "-S", "-X", "utf8", str(FAKES / "fake_trainer.py"), mode, str(number))


def python(text: str, *words: str) -> tuple[str, ...]:
    """Return the argv of a small program; on Windows it goes through the virtual environment's launcher."""
    return (sys.executable, "-I", "-S", "-X", "utf8", "-c", text, *words)


SLEEP = python("import time; time.sleep(600)")
NOTHING = python("")
REAL_PYTHON = getattr(sys, "_base_executable", None) or sys.executable  # ended by its own pid, unlike a launcher
REAL_SLEEP = (REAL_PYTHON, *SLEEP[1:])
MARK = "import pathlib; pathlib.Path('mark').touch()\n"
UNTIL_STOPPED = "import os, sys, time, signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
UNTIL_STOPPED += "open('ready', 'w').close()\n"
UNTIL_STOPPED += "while not os.path.exists('STOP'): time.sleep(0.02)\n"


def bare_environment() -> dict[str, str]:
    """Return what a process needs at least."""
    return {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "TEMP") if name in os.environ}


def family_of(pid: int) -> list[int]:
    """Return a process and its living descendants."""
    process = psutil.Process(pid)
    return [pid, *(child.pid for child in process.children(recursive=True) if is_alive(child.pid))]


def under_wine() -> bool:
    """Tell Wine, which is the bench of these tests, from Windows."""
    if sys.platform != "win32":
        return False
    import ctypes

    return hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")


UNDER_WINE = under_wine()


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


def kill(pid: int) -> None:
    try:
        psutil.Process(pid).kill()
    except psutil.NoSuchProcess:
        return


def keeper_exit_code(folder: Path) -> int:
    """Run a keeper in ``folder`` to its end."""
    argv = [sys.executable, "-I", "-S", "-X", "utf8", str(processes._KEEPER), str(folder)]
    return subprocess.run(argv, stderr=subprocess.DEVNULL, timeout=20, check=False).returncode
