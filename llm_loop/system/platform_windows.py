"""What Windows does its own way; ``platform_posix`` has the same names.

Standard library only: the keeper loads this file by path.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import msvcrt
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from ctypes import wintypes
from pathlib import Path
from typing import IO, Any

assert sys.platform == "win32"

_DETACHED_PROCESS = 0x00000008
_CREATE_NEW_PROCESS_GROUP = 0x00000200
_CREATE_NO_WINDOW = 0x08000000
_CREATE_BREAKAWAY_FROM_JOB = 0x01000000
_CREATE_SUSPENDED = 0x00000004
_PROCESS_QUERY_LIMITED_INFORMATION = 0x1000
_SYNCHRONIZE = 0x00100000
_WAIT_TIMEOUT = 258
_JOB_ACCOUNTING = 1
_JOB_EXTENDED_LIMITS = 9
_JOB_KILL_ON_CLOSE = 0x2000
_JOB_MAY_QUERY_AND_TERMINATE = 0x0004 | 0x0008
_TREE_PATIENCE_S = 5.0
_CONSOLE_EVENTS = {2: "closed", 5: "shutdown", 6: "shutdown"}  # CTRL_CLOSE, CTRL_LOGOFF, CTRL_SHUTDOWN
_CONSOLE_PATIENCE_S = 4.5
_CONSOLE_CALLBACK = ctypes.WINFUNCTYPE(wintypes.BOOL, wintypes.DWORD)
_KEPT_HANDLERS: list[Any] = []
_LOCKFILE_FAIL_IMMEDIATELY = 1
_ERROR_LOCK_VIOLATION = 33
_ERROR_IO_PENDING = 997
_ES_CONTINUOUS = 0x80000000
_ES_SYSTEM_REQUIRED = 0x00000001
_PROGRAM_ENDINGS = (".com", ".exe", ".bat", ".cmd")


class _IoCounters(ctypes.Structure):
    _fields_ = [(name, ctypes.c_ulonglong) for name in ("a", "b", "c", "d", "e", "f")]


class _BasicLimits(ctypes.Structure):
    _fields_ = [
        ("PerProcessUserTimeLimit", ctypes.c_longlong),
        ("PerJobUserTimeLimit", ctypes.c_longlong),
        ("LimitFlags", wintypes.DWORD),
        ("MinimumWorkingSetSize", ctypes.c_size_t),
        ("MaximumWorkingSetSize", ctypes.c_size_t),
        ("ActiveProcessLimit", wintypes.DWORD),
        ("Affinity", ctypes.c_size_t),
        ("PriorityClass", wintypes.DWORD),
        ("SchedulingClass", wintypes.DWORD),
    ]


class _ExtendedLimits(ctypes.Structure):
    _fields_ = [
        ("BasicLimitInformation", _BasicLimits),
        ("IoInfo", _IoCounters),
        ("ProcessMemoryLimit", ctypes.c_size_t),
        ("JobMemoryLimit", ctypes.c_size_t),
        ("PeakProcessMemoryUsed", ctypes.c_size_t),
        ("PeakJobMemoryUsed", ctypes.c_size_t),
    ]


class _Accounting(ctypes.Structure):
    _fields_ = [
        ("TotalUserTime", ctypes.c_longlong),
        ("TotalKernelTime", ctypes.c_longlong),
        ("ThisPeriodTotalUserTime", ctypes.c_longlong),
        ("ThisPeriodTotalKernelTime", ctypes.c_longlong),
        ("TotalPageFaultCount", wintypes.DWORD),
        ("TotalProcesses", wintypes.DWORD),
        ("ActiveProcesses", wintypes.DWORD),
        ("TotalTerminatedProcesses", wintypes.DWORD),
    ]


class _Overlapped(ctypes.Structure):
    _fields_ = [
        ("Internal", ctypes.c_void_p),
        ("InternalHigh", ctypes.c_void_p),
        ("Offset", wintypes.DWORD),
        ("OffsetHigh", wintypes.DWORD),
        ("hEvent", wintypes.HANDLE),
    ]


@functools.cache
def _kernel() -> Any:
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.CreateJobObjectW.restype = wintypes.HANDLE
    kernel.OpenJobObjectW.restype = wintypes.HANDLE
    kernel.OpenProcess.restype = wintypes.HANDLE
    handle = wintypes.HANDLE
    kernel.CreateJobObjectW.argtypes = [ctypes.c_void_p, wintypes.LPCWSTR]
    kernel.OpenJobObjectW.argtypes = [wintypes.DWORD, wintypes.BOOL, wintypes.LPCWSTR]
    kernel.OpenProcess.argtypes = [wintypes.DWORD, wintypes.BOOL, wintypes.DWORD]
    kernel.SetInformationJobObject.argtypes = [handle, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD]
    kernel.QueryInformationJobObject.argtypes = [handle, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD, ctypes.c_void_p]
    kernel.AssignProcessToJobObject.argtypes = [handle, handle]
    kernel.TerminateJobObject.argtypes = [handle, wintypes.UINT]
    kernel.WaitForSingleObject.argtypes = [handle, wintypes.DWORD]
    kernel.GetProcessTimes.argtypes = [handle] + [ctypes.POINTER(wintypes.FILETIME)] * 4
    kernel.SetThreadExecutionState.argtypes = [wintypes.DWORD]
    kernel.SetThreadExecutionState.restype = wintypes.DWORD
    kernel.CloseHandle.argtypes = [handle]
    return kernel


# ---------------------------------------------------------------- locks


def open_lock_file(path: str | Path) -> int:
    """Open (and make) a lock file; the descriptor is not inherited by children."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_BINARY | os.O_NOINHERIT, 0o644)


def try_lock(descriptor: int) -> bool:
    """Take the exclusive lock without waiting; it is held until the descriptor closes."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EDEADLK, 0):
            return False
        raise
    return True


def is_locked(path: str | Path) -> bool:
    """Tell whether somebody holds the lock; a missing file is not locked.

    Asks for a shared lock and lets go of it at once. (A byte that is locked cannot be read on Windows,
    but that is no probe: Wine lets it be read.) Raises OSError where the file system has no locks.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_BINARY | os.O_NOINHERIT)
    except FileNotFoundError:
        return False
    try:
        kernel, handle = _kernel(), wintypes.HANDLE(msvcrt.get_osfhandle(descriptor))
        place = _Overlapped()
        if not kernel.LockFileEx(handle, _LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, ctypes.byref(place)):
            if (code := ctypes.get_last_error()) in (_ERROR_LOCK_VIOLATION, _ERROR_IO_PENDING):
                return True
            raise ctypes.WinError(code)
        kernel.UnlockFileEx(handle, 0, 1, 0, ctypes.byref(place))
        return False
    finally:
        os.close(descriptor)


# ---------------------------------------------------------------- identity


def process_identity(pid: int) -> str | None:
    """Return an opaque text for a living process, or None: pid and creation time.

    A reused pid never matches; the creation time stands as it was when a person sets the clock.
    """
    kernel = _kernel()
    handle = kernel.OpenProcess(_PROCESS_QUERY_LIMITED_INFORMATION | _SYNCHRONIZE, False, pid)
    if not handle:
        return None
    try:
        if kernel.WaitForSingleObject(handle, 0) != _WAIT_TIMEOUT:  # ended, but somebody still holds a handle
            return None
        times = [wintypes.FILETIME() for _ in range(4)]
        if not kernel.GetProcessTimes(handle, *[ctypes.byref(entry) for entry in times]):
            return None
        return f"{pid}:{(times[0].dwHighDateTime << 32) + times[0].dwLowDateTime}"
    finally:
        kernel.CloseHandle(handle)


# ---------------------------------------------------------------- starting


def program_names(name: str) -> list[str]:
    """Return the file names that a program's name may stand for, in the order in which they are sought.

    Only what Windows starts itself, and the batch files that stand in for it: a name without such an
    ending gets each of them.
    """
    return [name] if name.lower().endswith(_PROGRAM_ENDINGS) else [name + ending for ending in _PROGRAM_ENDINGS]


def keeper_python(executable: str) -> str:
    """Return the interpreter for a keeper: the real one, not a virtual environment's launcher."""
    return getattr(sys, "_base_executable", None) or executable


def start_detached(
    argv: Sequence[str], env: Mapping[str, str], output: IO[bytes] | int = subprocess.DEVNULL
) -> tuple[subprocess.Popen[bytes], str | None]:
    """Start a process away from this console and, where that is allowed, from this job.

    Returns the process and, when breaking away was refused, a notice that says so.
    """
    flags = _DETACHED_PROCESS | _CREATE_NEW_PROCESS_GROUP

    def start(extra: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            argv, env=dict(env), stdin=subprocess.DEVNULL, stdout=output, stderr=output, creationflags=flags | extra
        )

    try:
        return start(_CREATE_BREAKAWAY_FROM_JOB), None
    except PermissionError:
        why = "could not break away from the job of the program that started the loop: it may take runs along"
        return start(0), why


def start_in_window(argv: Sequence[str]) -> subprocess.Popen[bytes] | None:
    """Start a process in a console window of its own."""
    return subprocess.Popen(argv, creationflags=subprocess.CREATE_NEW_CONSOLE)


def listen(gestures: Callable[[str], None]) -> None:
    """Call ``gestures`` with ``interrupt`` (Ctrl-C, Ctrl-Break), ``shutdown`` (log-off too) or ``closed``.

    Windows ends the process when the handler of a closed window, a log-off or a shutdown returns, at
    the latest 5 seconds after the event; the handler, which has a thread of its own, waits that long.
    """
    signal.signal(signal.SIGINT, lambda _number, _frame: gestures("interrupt"))
    signal.signal(signal.SIGBREAK, lambda _number, _frame: gestures("interrupt"))
    handler = _console_handler(gestures, wait_s=_CONSOLE_PATIENCE_S)
    _KEPT_HANDLERS.append(handler)  # the system holds no reference
    _kernel().SetConsoleCtrlHandler(handler, True)


def _console_handler(gestures: Callable[[str], None], wait_s: float) -> Any:
    """Return the C callback for console events other than Ctrl-C and Ctrl-Break, which signals serve."""

    def handle(event: int) -> bool:
        name = _CONSOLE_EVENTS.get(event)
        if name is None:
            return False
        gestures(name)
        time.sleep(wait_s)
        return True

    return _CONSOLE_CALLBACK(handle)


def keep_awake(awake: bool) -> None:
    """Keep the machine from sleeping, or let go; the wish ends with the thread that has it."""
    _kernel().SetThreadExecutionState(_ES_CONTINUOUS | (_ES_SYSTEM_REQUIRED if awake else 0))


# ---------------------------------------------------------------- the keeper's tree


class ProcessTree:
    """Hold one command and whatever it starts in a job object that ends with its last handle.

    The keeper alone holds that handle: a killed keeper takes the tree along. The job bears the tag's
    name, so that who follows a killed keeper can see it empty (``sweep``).
    """

    def __init__(self, tag: str | None = None) -> None:
        self._kernel = _kernel()
        self._job = self._kernel.CreateJobObjectW(None, None if tag is None else _job_name(tag))
        self._checked(self._job)
        limits = _ExtendedLimits()
        limits.BasicLimitInformation.LimitFlags = _JOB_KILL_ON_CLOSE
        self._checked(
            self._kernel.SetInformationJobObject(
                self._job, _JOB_EXTENDED_LIMITS, ctypes.byref(limits), ctypes.sizeof(limits)
            )
        )
        self._command: subprocess.Popen[bytes] | None = None

    def start(self, argv: Sequence[str], cwd: str, stdin: IO[bytes] | int, stdout: IO[bytes], stderr: IO[bytes]) -> int:
        """Start the command suspended, put it into the job, let it go; return its pid. Raises OSError."""
        self._command = subprocess.Popen(
            argv,
            cwd=cwd,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            creationflags=_CREATE_SUSPENDED | _CREATE_NEW_PROCESS_GROUP | _CREATE_NO_WINDOW,
        )
        handle = wintypes.HANDLE(int(self._command._handle))  # type: ignore[attr-defined]
        try:
            self._checked(self._kernel.AssignProcessToJobObject(self._job, handle))
            if (status := ctypes.WinDLL("ntdll").NtResumeProcess(handle)) != 0:
                raise OSError(errno.EIO, f"the process could not be let go (status {status & 0xFFFFFFFF:#x})")
        except OSError:
            self._command.kill()
            self._command = None
            raise
        return self._command.pid

    def wait(self, seconds: float) -> bool:
        """Wait for the command's end, at most ``seconds``; tell whether it has ended."""
        assert self._command is not None
        try:
            self._command.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def exit_code(self) -> int | None:
        """Return the command's exit code."""
        assert self._command is not None
        return self._command.poll()

    def interrupt(self) -> None:
        """Ask politely: nothing beyond the STOP file, since the child has no console."""

    def end_all(self) -> None:
        """End the command and every descendant, and wait until they are gone."""
        _end_job(self._job)
        if self._command is not None:
            self.wait(_TREE_PATIENCE_S)

    def usage(self) -> tuple[float, int | None]:
        """Return the tree's CPU seconds and its peak memory in bytes (None where the system does not count it)."""
        accounting, limits = _Accounting(), _ExtendedLimits()
        self._kernel.QueryInformationJobObject(
            self._job, _JOB_ACCOUNTING, ctypes.byref(accounting), ctypes.sizeof(accounting), None
        )
        self._kernel.QueryInformationJobObject(
            self._job, _JOB_EXTENDED_LIMITS, ctypes.byref(limits), ctypes.sizeof(limits), None
        )
        cpu_s = (accounting.TotalUserTime + accounting.TotalKernelTime) / 1e7
        return cpu_s, int(limits.PeakJobMemoryUsed) or None

    @staticmethod
    def _checked(ok: int | None) -> None:
        if not ok:
            raise ctypes.WinError(ctypes.get_last_error())


def sweep(tag: str) -> int:
    """End what is left of the tree that carries ``tag``; return how many processes were.

    A killed keeper's job object ends its tree by itself, but not at the same instant, and not at all
    while another process holds the job open.
    """
    kernel = _kernel()
    job = kernel.OpenJobObjectW(_JOB_MAY_QUERY_AND_TERMINATE, False, _job_name(tag))
    if not job:
        return 0
    try:
        return _end_job(job)
    finally:
        kernel.CloseHandle(job)


def _job_name(tag: str) -> str:
    return f"Local\\llm_loop-{tag}"


def _end_job(job: int) -> int:
    """End every process of a job and wait, at most 5 s, until none is left; return how many there were."""
    found = _living(job)
    _kernel().TerminateJobObject(job, 1)
    give_up = time.monotonic() + _TREE_PATIENCE_S
    while _living(job) and time.monotonic() < give_up:
        time.sleep(0.01)
    return found


def _living(job: int) -> int:
    accounting = _Accounting()
    _kernel().QueryInformationJobObject(
        job, _JOB_ACCOUNTING, ctypes.byref(accounting), ctypes.sizeof(accounting), None
    )
    return int(accounting.ActiveProcesses)
