"""What POSIX systems do their own way; ``platform_windows`` has the same names.

Standard library only: the keeper loads this file by path. Linux is what is built and tested; other
POSIX systems lack the proc file system and open-file-description locks.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

assert sys.platform != "win32"

# struct flock of 64-bit Linux: type, whence, start, length, pid
_FLOCK = "hhqqi4x"
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PUNCH_HOLE_AND_KEEP_SIZE = 0x03
_TAG_VARIABLE = "LLM_LOOP_RUN"
_SWEEP_S = 5.0
LONGEST_WORKING_FOLDER: int | None = None  # no limit of its own


# ---------------------------------------------------------------- locks


def open_lock_file(path: str | Path) -> int:
    """Open (and make) a lock file; the descriptor is not inherited by children."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)


def try_lock(descriptor: int) -> bool:
    """Take the exclusive lock without waiting; it is held until the descriptor closes.

    Open-file-description locks: another open of the same file by this process neither shares nor
    drops them. Raises OSError where the file system has no locks.
    """
    request = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, request)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            return False
        raise
    return True


def is_locked(path: str | Path) -> bool:
    """Tell whether somebody holds the lock, without taking it; a missing file is not locked."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe would keep it waiting
    except FileNotFoundError:
        return False
    try:
        request = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, request)
        return bool(struct.unpack(_FLOCK, answer)[0] != fcntl.F_UNLCK)
    finally:
        os.close(descriptor)


# ---------------------------------------------------------------- time


def awake_seconds() -> float:
    """Return seconds that never step backwards and stand still while the machine sleeps."""
    return time.monotonic()


def slept_seconds() -> float:
    """Return for how long the machine has slept since it was started, in seconds; 0 where that is not told."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return 0.0 if clock is None else max(0.0, time.clock_gettime(clock) - time.clock_gettime(time.CLOCK_MONOTONIC))


# ---------------------------------------------------------------- files


def free_range(path: str, begin: int, length: int) -> bool:
    """Give the disk back what a file holds in a range: it keeps its length and reads as zeros there.

    False where the file system cannot. Raises OSError when the file cannot be opened.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "fallocate64"):
        return False
    libc.fallocate64.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        return bool(libc.fallocate64(descriptor, _PUNCH_HOLE_AND_KEEP_SIZE, begin, length) == 0)
    finally:
        os.close(descriptor)


# ---------------------------------------------------------------- identity


def _boot_id() -> str:
    """Return a text that changes with each start of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def process_identity(pid: int) -> str | None:
    """Return an opaque text for a living process, or None.

    pid, start ticks and boot id: a reused pid never matches, and no clock that people set is in it.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat[stat.rindex(")") + 2 :].split()
    return None if fields[0] in "ZX" else f"{pid}:{fields[19]}:{_boot_id()}"


# ---------------------------------------------------------------- starting


def program_names(name: str) -> list[str]:
    """Return the file names that a program's name may stand for: itself."""
    return [name]


def keeper_python(executable: str) -> str:
    """Return the interpreter for a keeper."""
    return executable


def start_detached(
    argv: Sequence[str], env: Mapping[str, str], output: IO[bytes] | int = subprocess.DEVNULL
) -> tuple[subprocess.Popen[bytes], str | None]:
    """Start a process in a session of its own, so that no terminal or parent takes it along.

    Returns the process and a notice when it could not be detached wholly (never here).
    """
    process = subprocess.Popen(
        argv, env=dict(env), stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
    )
    return process, None


def start_in_window(argv: Sequence[str]) -> subprocess.Popen[bytes] | None:
    """Start a process in a console window of its own: None, there is no such thing here."""
    return None


def listen(gestures: Callable[[str], None]) -> None:
    """Call ``gestures`` with ``interrupt`` (Ctrl-C), ``shutdown`` (SIGTERM) or ``closed`` (the window is gone)."""
    names = {signal.SIGINT: "interrupt", signal.SIGTERM: "shutdown", signal.SIGHUP: "closed"}
    for number in names:
        signal.signal(number, lambda received, _frame: gestures(names[signal.Signals(received)]))


def keep_awake(awake: bool) -> None:
    """Ask the machine to stay awake; on Linux that is left to the desktop's settings."""


# ---------------------------------------------------------------- the keeper's tree


class ProcessTree:
    """Hold one command and whatever it starts; used by the keeper alone.

    The keeper is a child subreaper, so that orphans come to it, and its child dies with it. ``tag``
    needs no care here: it is in the environment of every process, where ``sweep`` finds it.
    """

    def __init__(self, tag: str | None = None) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._command: subprocess.Popen[bytes] | None = None
        self._descriptor: int | None = None
        self._peak_bytes = 0
        self._sampled_at = -10.0

    def start(
        self,
        argv: Sequence[str],
        cwd: str,
        stdin: IO[bytes] | int,
        stdout: IO[bytes],
        stderr: IO[bytes],
        env: Mapping[str, str] | None = None,
    ) -> int:
        """Start the command and return its pid; ``env`` None: the environment of this process. Raises OSError."""
        keeper = os.getpid()

        def die_with_keeper() -> None:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # a loop started with nohup or & passes on that it is ignored
            self._libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != keeper:  # the keeper died before the line above
                os._exit(127)

        self._command = subprocess.Popen(
            argv,
            cwd=cwd,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=None if env is None else dict(env),
            start_new_session=True,
            preexec_fn=die_with_keeper,
        )
        try:
            self._descriptor = os.pidfd_open(self._command.pid)
        except (AttributeError, OSError):
            self._descriptor = None
        return self._command.pid

    def wait(self, seconds: float) -> bool:
        """Wait for the command's end, at most ``seconds``; tell whether it has ended."""
        assert self._command is not None
        self._sample_memory()
        if self._descriptor is not None:
            select.select([self._descriptor], [], [], seconds)
        else:
            time.sleep(min(seconds, 0.05))
        return self._command.poll() is not None

    def exit_code(self) -> int | None:
        """Return the command's exit code; a signal's number is negative."""
        assert self._command is not None
        return self._command.poll()

    def interrupt(self) -> None:
        """Ask politely: SIGINT to the command's process group."""
        assert self._command is not None
        try:
            os.killpg(self._command.pid, signal.SIGINT)
        except (ProcessLookupError, PermissionError):
            return

    def end_all(self) -> None:
        """End the command and every descendant, those that changed their session too.

        Whole groups are ended in one call, those of zombies too: what forks and dies all the time outruns any list.
        """
        clean_passes = 0  # behind the first look, the child of one that died meanwhile may have come to us
        for _ in range(200):
            family = _family(os.getpid())
            living = [one.pid for one in family if one.lives]
            clean_passes = 0 if living else clean_passes + 1
            for group in {one.group for one in family} - {0, 1, os.getpgrp()}:  # to these two it means: to all
                _kill(group, os.killpg)
            for pid in living:
                _kill(pid)
            self._reap()
            if clean_passes == 2:
                break
            time.sleep(0.01 if living else 0)

    def usage(self) -> tuple[float, int | None]:
        """Return the tree's CPU seconds and its peak memory in bytes (sampled each second)."""
        import resource

        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime, max(self._peak_bytes, used.ru_maxrss * 1024)

    def _reap(self) -> None:
        """Collect ended children; the command's own exit code stays with ``Popen``."""
        own = None if self._command is None else self._command.pid
        if self._command is not None:
            self._command.poll()
        for pid in _children(os.getpid()):
            if pid == own:
                continue
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                continue

    def _sample_memory(self) -> None:
        now = time.monotonic()
        if now - self._sampled_at < 1.0:
            return
        self._sampled_at = now
        self._reap()
        page = os.sysconf("SC_PAGE_SIZE")
        total = sum(_resident_pages(one.pid) for one in _family(os.getpid()) if one.lives) * page
        self._peak_bytes = max(self._peak_bytes, total)


def sweep(tag: str) -> int:
    """Kill every process that carries ``LLM_LOOP_RUN=tag``, until two passes find none.

    Needed after a keeper's death: what it held may have changed session and parent. Gives up after
    5 s on what cannot be killed, such as a process stuck in a driver. Returns how many were killed.
    """
    needle = f"{_TAG_VARIABLE}={tag}".encode()
    killed: set[int] = set()
    clean_passes = 0
    give_up = time.monotonic() + _SWEEP_S
    while clean_passes < 2 and time.monotonic() < give_up:
        found = [pid for pid in _all_pids() if pid != os.getpid() and needle in _environment(pid)]
        for pid in found:
            _kill(pid)
        killed.update(found)
        clean_passes = 0 if found else clean_passes + 1
        time.sleep(0.02)
    return len(killed)


def _all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - names, not paths


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
            text = Path(f"/proc/{pid}/task/{thread}/children").read_text(encoding="ascii")
            found += [int(word) for word in text.split()]
    except OSError:
        return found
    return found


class _Relative(NamedTuple):
    """Hold a descendant: its process id and group, and whether it lives (else it is a zombie)."""

    pid: int
    group: int
    lives: bool


def _family(pid: int) -> list[_Relative]:
    """Return the descendants of a process, children first."""
    found: list[_Relative] = []
    queue: Iterable[int] = _children(pid)
    while queue:
        level = list(queue)
        found += filter(None, map(_relative, level))
        queue = [grandchild for child in level for grandchild in _children(child)]
    return found


def _relative(pid: int) -> _Relative | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, _, group, *_ = stat[stat.rindex(")") + 2 :].split()
    return _Relative(pid, int(group), state not in "ZX")


def _resident_pages(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return 0


def _kill(number: int, kill: Callable[[int, int], None] = os.kill) -> None:
    try:
        kill(number, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
