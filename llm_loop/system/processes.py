"""The one starter of processes: commands held by a keeper, and what became of them.

The daemon calls ``start`` once for a folder, ``poll`` at each tick and, after a restart, ``recover``.
Whatever instruction the daemon or the keeper dies at, nothing starts twice: only who holds the
keeper's lock may start the command, and a recovering daemon that finds the lock free either reads
the ending or writes ``void.json``, after which no keeper starts there any more.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Any, Protocol

from llm_loop.errors import CommandError, CorruptFileError
from llm_loop.system import files

if sys.platform == "win32":
    from llm_loop.system import platform_windows as platform
else:
    from llm_loop.system import platform_posix as platform

LONGEST_WORKING_FOLDER = platform.LONGEST_WORKING_FOLDER
_KEEPER = Path(__file__).with_name("keeper.py")
_PROBE_S = 1.0
_GONE_PATIENCE_S = 2.0
_STARTED = (("pid", int), ("keeper_pid", int), ("started_utc", str))


class EndCause(StrEnum):
    """How a held command ended, as its keeper recorded it (the last two: as a daemon found it)."""

    EXITED = "exited"
    SIGNALLED = "signalled"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"
    DEADLINE = "deadline"
    START_FAILED = "start_failed"
    KEEPER_ERROR = "keeper_error"
    LOST = "lost"
    VOID = "void"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldCommand:
    """Hold what a keeper needs to know. ``argv[0]`` is absolute; times in seconds.

    ``tag`` is the LLM_LOOP_RUN of the command's environment: by it, what outlives a killed keeper is found.
    ``log_max_bytes`` is the disk that ``stdout`` and ``stderr`` may take, each, where the file system can give up the
    middle of a file; None is no limit.
    """

    argv: tuple[str, ...]
    cwd: Path
    stdout: Path
    stderr: Path
    stop_file: Path
    grace_s: float
    deadline_s: float | None = None
    stdin: Path | None = None
    tag: str | None = None
    log_max_bytes: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the form of ``spec.json``; the environment is not part of it."""
        return {
            "schema_version": 1,
            "argv": list(self.argv),
            "cwd": str(self.cwd),
            "stdin": None if self.stdin is None else str(self.stdin),
            "stdout": str(self.stdout),
            "stderr": str(self.stderr),
            "stop_file": str(self.stop_file),
            "grace_s": self.grace_s,
            "deadline_s": self.deadline_s,
            "tag": self.tag,
            "log_max_bytes": self.log_max_bytes,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Hold how a command ended. ``cpu_s`` and ``peak_memory_bytes`` are the whole tree's.

    ``drive_refused`` is what its drive said to a further write, where it broke while that could not be written.
    """

    cause: EndCause
    exit_code: int | None = None
    detail: str | None = None
    started_utc: str | None = None
    ended_utc: str | None = None
    duration_s: float | None = None
    cpu_s: float | None = None
    peak_memory_bytes: int | None = None
    started_monotonic_s: float | None = None
    ended_monotonic_s: float | None = None
    drive_refused: str | None = None


_MOST_OF_ENDING = 1e18
_TEXTS_OF_ENDING = frozenset({"detail", "started_utc", "ended_utc", "drive_refused"})


def resolve_program(name: str, search_path: str, cwd: Path | None = None) -> str:
    """Return the absolute path of a program on ``search_path``.

    A name with a folder part is sought from ``cwd``, where the command will run. Raises CommandError
    when it is not there, or is a .cmd or .bat file: those run through a shell that would read the
    arguments as commands.
    """
    has_folder = os.path.dirname(name) != ""  # noqa: PTH120 - pathlib drops the "./" that says so
    folders = [str(cwd or Path())] if has_folder else [entry for entry in search_path.split(os.pathsep) if entry]
    found = next((found for folder in folders if (found := _program_in(Path(folder), name)) is not None), None)
    if found is None:
        raise CommandError(f"program {name!r} not found on the run's PATH")
    if Path(found).suffix.lower() in (".cmd", ".bat"):
        why = "a batch file, which would read its arguments as commands: name the program that it starts"
        raise CommandError(f"{found} is {why}")
    return str(Path(found).absolute())


def _program_in(folder: Path, name: str) -> str | None:
    """Return the program of that name in one folder; ``shutil.which`` would look into the current one first."""
    candidates = (folder.absolute() / file_name for file_name in platform.program_names(name))
    return next((str(file) for file in candidates if _is_program(file)), None)


def _is_program(file: Path) -> bool:
    try:
        return os.access(file, os.X_OK) and not os.path.isdir(file)  # noqa: PTH112 - Windows answers it ten times faster
    except ValueError:  # a name with a zero byte
        return False


class Started(Protocol):
    """What is asked of a process that was started here."""

    @property
    def pid(self) -> int:
        """Its number."""

    def poll(self) -> int | None:
        """Return its exit code, None while it runs."""


class Keepers:
    """Start keepers, and look after them: one folder, one command, one ending."""

    def __init__(self) -> None:
        self._own: dict[Path, Started] = {}
        self._next_probe: dict[Path, float] = {}

    def prepare(self, folder: Path, command: HeldCommand) -> None:
        """Write ``spec.json``; nothing is started yet. Raises FileWriteError."""
        files.replace_json(folder / "spec.json", command.to_json(), durable=False)

    def start(self, folder: Path, env: Mapping[str, str]) -> str | None:
        """Start the keeper of a prepared folder; return a notice when it is not wholly detached.

        ``env`` becomes the command's environment. Raises CommandError when no process can be made.
        """
        argv = [platform.keeper_python(sys.executable), "-I", "-S", "-X", "utf8", str(_KEEPER), str(folder)]
        try:
            process, notice = platform.start_detached(argv, env)
        except OSError as error:
            raise CommandError(f"cannot start a keeper for {folder}: {error}") from error
        self._own[folder] = process
        return notice

    def poll(self, folder: Path, now_s: float) -> Ending | None:
        """Return the ending of a command, or None while it runs. ``now_s`` is monotonic.

        A keeper of our own is asked itself, which costs no look at the disk but once a second; an adopted
        one by its ending, and once a second by its lock. Raises OSError when something else than a file
        lies where an ending would.
        """
        own = self._own.get(folder)
        if own is not None and own.poll() is None:
            if now_s >= self._next_probe.get(folder, now_s):
                self._next_probe[folder] = now_s + _PROBE_S
                read_ending(folder)  # raises when something else lies where the keeper writes
            return None
        if (ending := read_ending(folder)) is not None:
            self._forget(folder)
            return ending
        if own is None and now_s < self._next_probe.get(folder, now_s):
            return None
        if own is None and platform.is_locked(folder / "keeper.lock"):
            self._next_probe[folder] = now_s + _PROBE_S
            return None
        self._forget(folder)
        return recover(folder)

    def reap(self) -> None:
        """Collect keepers that have ended since (they write their ending before they go)."""
        for folder in [folder for folder, process in self._own.items() if process.poll() is not None]:
            if read_ending(folder) is not None or (folder / "void.json").exists():
                del self._own[folder]

    def _forget(self, folder: Path) -> None:
        """Look no more; a keeper that is still on its way out is left to ``reap``, nobody waits for it."""
        self._next_probe.pop(folder, None)
        if (process := self._own.get(folder)) is not None and process.poll() is not None:
            del self._own[folder]


def recover(folder: Path) -> Ending | None:
    """Say what became of a command whose keeper may be gone; None: a keeper lives, adopt it.

    Takes the keeper's lock if it is free. Then the ending is read; without one, ``void.json`` is
    written, what still carries the command's tag is ended, and the command was ``lost`` (it had
    started) or is ``void`` (nothing shows that it did). Raises FileWriteError; then nothing is decided.
    """
    if not folder.is_dir():
        return Ending(cause=EndCause.VOID, detail="its folder is missing")
    descriptor = platform.open_lock_file(folder / "keeper.lock")
    try:
        if not platform.try_lock(descriptor):
            return None
        if (ending := read_ending(folder)) is not None:
            return ending
        files.replace_json(folder / "void.json", {"schema_version": 1})
    finally:
        os.close(descriptor)
    if (tag := _tag_of(folder)) is not None:
        sweep(tag)
    if not (folder / "started.json").exists():
        return Ending(cause=EndCause.VOID, detail="it never started")
    _wait_until_gone(folder)
    return Ending(cause=EndCause.LOST, detail="its keeper is gone without an ending")


def read_ending(folder: Path) -> Ending | None:
    """Return the ending that a keeper wrote, or None."""
    try:
        value = files.read_json(folder / "exit.json")
        known = {name: value.get(name) for name in Ending.__slots__ if name != "cause"}
        if all(_is_sound(name, one) for name, one in known.items()):
            return Ending(cause=EndCause(value["cause"]), **known)
    except (FileNotFoundError, PermissionError):  # Windows refuses a reader while the file is put in place
        return None
    except (CorruptFileError, AttributeError, KeyError, TypeError, ValueError):
        pass
    return Ending(cause=EndCause.KEEPER_ERROR, detail=f"{folder / 'exit.json'} is no ending")


def _is_sound(name: str, value: Any) -> bool:
    """Tell whether a field of an ending is what a keeper writes: a run could have written it in its stead."""
    if value is None or name in _TEXTS_OF_ENDING:
        return value is None or isinstance(value, str)
    if isinstance(value, bool) or not isinstance(value, int if name == "exit_code" else int | float):
        return False
    return abs(value) < _MOST_OF_ENDING


def read_started(folder: Path) -> dict[str, Any] | None:
    """Return pid and identity of a command and its keeper as the keeper wrote them, or None."""
    try:
        value = files.read_json(folder / "started.json")
    except (FileNotFoundError, PermissionError, CorruptFileError):
        return None
    if not isinstance(value, dict) or not all(isinstance(value.get(name), kind) for name, kind in _STARTED):
        return None
    return value


def _wait_until_gone(folder: Path) -> None:
    """Wait for the end of a command that is being ended; a process that has got its pid since is not waited for."""
    started = read_started(folder) or {}
    pid, identity = started.get("pid"), started.get("identity")
    give_up = time.monotonic() + _GONE_PATIENCE_S
    while pid and identity and platform.process_identity(pid) == identity and time.monotonic() < give_up:
        time.sleep(0.01)


def _tag_of(folder: Path) -> str | None:
    try:
        value = files.read_json(folder / "spec.json")
    except (FileNotFoundError, PermissionError, CorruptFileError):
        return None
    tag = value.get("tag") if isinstance(value, dict) else None
    return tag if isinstance(tag, str) and tag else None


def sweep(tag: str) -> int:
    """End whatever still carries the tag after a keeper's death; return how many processes."""
    return platform.sweep(tag)


def identity_of(pid: int) -> str | None:
    """Return an opaque text for a living process of this machine, None for none: a reused pid never matches."""
    return platform.process_identity(pid)


def start_detached(argv: Sequence[str], env: Mapping[str, str], output: IO[bytes]) -> tuple[Started, str | None]:
    """Start a process that outlives this terminal; return it and a notice when it is not wholly detached."""
    return platform.start_detached(argv, env, output)


def start_in_window(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a process in a console window of its own. Raises CommandError where there is no such thing."""
    process = platform.start_in_window(argv)
    if process is None:
        raise CommandError("a console window of its own exists on Windows only; use --detach")
    return process


def listen(gestures: Callable[[str], None]) -> None:
    """Call ``gestures`` with ``interrupt``, ``shutdown`` or ``closed`` when a person or the machine says so."""
    platform.listen(gestures)
