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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from ctypes import wintypes
from pathlib import Path
from typing import IO, Any

assert sys.platform == "win32"

_DETACHED_PROCESS = 0x00000008
_CREATE_NEW_PROCESS_GROUP = 0x00000200
_CREATE_NO_WINDOW = 0x08000000
_CREATE_BREAKAWAY_FROM_JOB = 0x01000000
_CREATE_SUSPENDED = 0x00000004
_CREATE_UNICODE_ENVIRONMENT = 0x00000400
_EXTENDED_STARTUPINFO_PRESENT = 0x00080000
_STARTF_USESTDHANDLES = 0x00000100
_ATTRIBUTE_HANDLE_LIST = 0x00020002
_ATTRIBUTE_JOB_LIST = 0x0002000D  # Windows 10 and later
_PROCESS_QUERY_LIMITED_INFORMATION = 0x1000
_SYNCHRONIZE = 0x00100000
_WAIT_TIMEOUT = 258
_JOB_ACCOUNTING = 1
_JOB_EXTENDED_LIMITS = 9
_JOB_KILL_ON_CLOSE = 0x2000
_JOB_BREAKAWAY_OK = 0x0800
_JOB_MAY_QUERY_AND_TERMINATE = 0x0004 | 0x0008
_TREE_PATIENCE_S = 5.0
_CONSOLE_EVENTS = {2: "closed", 5: "shutdown", 6: "shutdown"}  # CTRL_CLOSE, CTRL_LOGOFF, CTRL_SHUTDOWN
_CONSOLE_PATIENCE_S = 4.5
_CONSOLE_CALLBACK = ctypes.WINFUNCTYPE(wintypes.BOOL, wintypes.DWORD)
_KEPT_HANDLERS: list[Any] = []
_LOCKFILE_FAIL_IMMEDIATELY = 1
_ERROR_LOCK_VIOLATION = 33
_ERROR_IO_PENDING = 997
_FSCTL_SET_SPARSE = 0x000900C4
_FSCTL_SET_ZERO_DATA = 0x000980C8
_ES_CONTINUOUS = 0x80000000
_ES_SYSTEM_REQUIRED = 0x00000001
LONGEST_WORKING_FOLDER: int | None = 258  # MAX_PATH without the backslash and the zero that CreateProcess adds
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


class _StartupInfo(ctypes.Structure):
    _fields_ = [
        ("cb", wintypes.DWORD),
        *[(name, wintypes.LPWSTR) for name in ("lpReserved", "lpDesktop", "lpTitle")],
        *[(name, wintypes.DWORD) for name in ("dwX", "dwY", "dwXSize", "dwYSize", "dwXCountChars", "dwYCountChars")],
        ("dwFillAttribute", wintypes.DWORD),
        ("dwFlags", wintypes.DWORD),
        ("wShowWindow", wintypes.WORD),
        ("cbReserved2", wintypes.WORD),
        ("lpReserved2", ctypes.c_void_p),
        *[(name, wintypes.HANDLE) for name in ("hStdInput", "hStdOutput", "hStdError")],
        ("lpAttributeList", ctypes.c_void_p),
    ]


class _ProcessInformation(ctypes.Structure):
    _fields_ = [
        ("hProcess", wintypes.HANDLE),
        ("hThread", wintypes.HANDLE),
        ("dwProcessId", wintypes.DWORD),
        ("dwThreadId", wintypes.DWORD),
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
    kernel.TerminateProcess.argtypes = [handle, wintypes.UINT]
    kernel.WaitForSingleObject.argtypes = [handle, wintypes.DWORD]
    kernel.GetExitCodeProcess.argtypes = [handle, ctypes.POINTER(wintypes.DWORD)]
    kernel.GetProcessTimes.argtypes = [handle] + [ctypes.POINTER(wintypes.FILETIME)] * 4
    pointer, number, size = ctypes.c_void_p, wintypes.DWORD, ctypes.c_size_t
    kernel.InitializeProcThreadAttributeList.argtypes = [pointer, number, number, pointer]
    kernel.UpdateProcThreadAttribute.argtypes = [pointer, number, size, pointer, size, pointer, pointer]
    kernel.DeleteProcThreadAttributeList.argtypes = [pointer]
    kernel.CreateProcessW.argtypes = [wintypes.LPCWSTR, *[pointer] * 3, wintypes.BOOL, number, pointer]
    kernel.CreateProcessW.argtypes += [wintypes.LPCWSTR, pointer, pointer]
    kernel.SetThreadExecutionState.argtypes = [wintypes.DWORD]
    kernel.SetThreadExecutionState.restype = wintypes.DWORD
    kernel.QueryUnbiasedInterruptTime.argtypes = [ctypes.POINTER(ctypes.c_ulonglong)]
    kernel.GetTickCount64.restype = ctypes.c_ulonglong
    kernel.DeviceIoControl.argtypes = [handle, number, pointer, number, pointer, number, pointer, pointer]
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


# ---------------------------------------------------------------- time


def awake_seconds() -> float:
    """Return seconds that never step backwards and stand still while the machine sleeps (Python's go on then)."""
    units = ctypes.c_ulonglong()
    _kernel().QueryUnbiasedInterruptTime(ctypes.byref(units))
    return units.value / 1e7


def slept_seconds() -> float:
    """Return for how long the machine has slept since it was started, in seconds, to about 0.03."""
    return max(0.0, _kernel().GetTickCount64() / 1e3 - awake_seconds())


# ---------------------------------------------------------------- files


def free_range(path: str, begin: int, length: int) -> bool:
    """Give the disk back what a file holds in a range: it keeps its length and reads as zeros there.

    False where the file system cannot. Raises OSError when the file cannot be opened.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_BINARY | os.O_NOINHERIT)
    try:
        handle, answered = wintypes.HANDLE(msvcrt.get_osfhandle(descriptor)), wintypes.DWORD()
        span = (ctypes.c_longlong * 2)(begin, begin + length)
        control = functools.partial(_kernel().DeviceIoControl, handle)
        rest = (None, 0, ctypes.byref(answered), None)
        if not control(_FSCTL_SET_SPARSE, None, 0, *rest):
            return False
        return bool(control(_FSCTL_SET_ZERO_DATA, span, ctypes.sizeof(span), *rest))
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
) -> tuple[Child, str | None]:
    """Start a process away from this console and, where that is allowed, from this job.

    Returns the process and, when breaking away was refused, a notice that says so.
    """
    flags = _DETACHED_PROCESS | _CREATE_NEW_PROCESS_GROUP
    with open(os.devnull, "rb") as nothing, open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        printed = nowhere if isinstance(output, int) else output
        create = functools.partial(_create_process, argv, None, [nothing, printed, printed], env)
        try:
            return _whole(create, flags | _CREATE_BREAKAWAY_FROM_JOB), None
        except PermissionError:
            why = "could not break away from the job of the program that started the loop: it may take runs along"
            return _whole(create, flags), why


def _whole(create: Callable[[int, int | None], Child], flags: int) -> Child:
    """Create a process that lives from then on, or not at all. Raises OSError.

    Windows makes each process suspended and lets it go at the end of the call: who is killed in between would
    leave one that never runs and never ends. Until the call is over, a job object of ours ends it with us. That
    job stays on it, without a limit.
    """
    job = _new_job(None, _JOB_KILL_ON_CLOSE | _JOB_BREAKAWAY_OK)
    try:
        child = create(flags, job)
        _limit(job, _JOB_BREAKAWAY_OK)
        return child
    except OSError:  # also before Windows 10, which knows no jobs at this place
        return create(flags, None)
    finally:
        _kernel().CloseHandle(job)


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
        self._job = _new_job(None if tag is None else _job_name(tag), _JOB_KILL_ON_CLOSE)
        self._command: Child | None = None

    def start(
        self,
        argv: Sequence[str],
        cwd: str,
        stdin: IO[bytes],
        stdout: IO[bytes],
        stderr: IO[bytes],
        env: Mapping[str, str] | None = None,
    ) -> int:
        """Start the command inside the job and return its pid; ``env`` None: this process's own. Raises OSError.

        It is made in the job, so that whenever the keeper is killed, the command ends. Where that is refused
        (before Windows 10), it is made suspended, put into the job, and let go: a keeper that is killed
        between the first two leaves a process that never runs.
        """
        create = functools.partial(_create_process, argv, cwd, [stdin, stdout, stderr], env)
        flags = _CREATE_NEW_PROCESS_GROUP | _CREATE_NO_WINDOW
        try:
            self._command = create(flags, self._job)
        except OSError:
            suspended = create(flags | _CREATE_SUSPENDED, None)
            try:
                _checked(self._kernel.AssignProcessToJobObject(self._job, suspended.handle))
                suspended.let_go()
            except OSError:
                self._kernel.TerminateProcess(suspended.handle, 1)
                raise
            self._command = suspended
        return self._command.pid

    def wait(self, seconds: float) -> bool:
        """Wait for the command's end, at most ``seconds``; tell whether it has ended."""
        assert self._command is not None
        return self._command.wait(seconds)

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


def _create_process(
    argv: Sequence[str],
    cwd: str | None,
    streams: Sequence[IO[bytes]],
    env: Mapping[str, str] | None,
    flags: int,
    job: int | None,
) -> Child:
    """Start a process with these three streams and nothing else of ours, from its first instant in ``job``.

    Raises OSError. By the system's own call, because ``subprocess`` knows of no jobs.
    """
    line = subprocess.list2cmdline(argv)
    if "\0" in line + (cwd or ""):
        raise ValueError("embedded null character")
    handles = [msvcrt.get_osfhandle(stream.fileno()) for stream in streams]
    for handle in handles:
        os.set_handle_inheritable(handle, True)
    startup, made = _StartupInfo(), _ProcessInformation()
    startup.cb, startup.dwFlags = ctypes.sizeof(startup), _STARTF_USESTDHANDLES
    startup.hStdInput, startup.hStdOutput, startup.hStdError = handles
    flags |= _EXTENDED_STARTUPINFO_PRESENT | _CREATE_UNICODE_ENVIRONMENT
    kernel, text = _kernel(), ctypes.create_unicode_buffer(line)
    block = None if env is None else ctypes.create_unicode_buffer(_environment_block(env))
    lists = {_ATTRIBUTE_HANDLE_LIST: list(dict.fromkeys(handles))}
    if job is not None:
        lists[_ATTRIBUTE_JOB_LIST] = [job]
    with _attributes(lists) as startup.lpAttributeList:
        places = ctypes.byref(startup), ctypes.byref(made)
        _checked(kernel.CreateProcessW(None, text, None, None, True, flags, block, cwd, *places))
    kernel.CloseHandle(made.hThread)
    return Child(made.hProcess, made.dwProcessId)


class Child:
    """Hold a process that was started here, by its handle: as much of ``subprocess.Popen`` as is asked for."""

    def __init__(self, handle: int, pid: int) -> None:
        self.handle = handle
        self.pid = pid
        self._close = _kernel().CloseHandle

    def __del__(self) -> None:
        self._close(self.handle)

    def wait(self, seconds: float) -> bool:
        """Wait for its end, at most ``seconds``; tell whether it has ended."""
        return bool(_kernel().WaitForSingleObject(self.handle, int(seconds * 1000)) != _WAIT_TIMEOUT)

    def poll(self) -> int | None:
        """Return its exit code, None while it runs."""
        if not self.wait(0):
            return None
        code = wintypes.DWORD()
        _checked(_kernel().GetExitCodeProcess(self.handle, ctypes.byref(code)))
        return code.value

    def let_go(self) -> None:
        """Let one run that was made suspended. Raises OSError."""
        if (status := ctypes.WinDLL("ntdll").NtResumeProcess(wintypes.HANDLE(self.handle))) != 0:
            raise OSError(errno.EIO, f"the process could not be let go (status {status & 0xFFFFFFFF:#x})")


def _environment_block(env: Mapping[str, str]) -> str:
    """Write an environment as Windows wants it: sorted, each entry ended by a zero, a zero at the end."""
    entries = [f"{name}={env[name]}" for name in sorted(env, key=str.upper)]
    if any("\0" in entry for entry in entries):
        raise ValueError("embedded null character")
    return "".join(f"{entry}\0" for entry in entries) or "\0"


@contextmanager
def _attributes(values: Mapping[int, Sequence[int]]) -> Iterator[int]:
    """Give the address of an attribute list that holds these lists of handles. Raises OSError."""
    kernel, size = _kernel(), ctypes.c_size_t()
    kernel.InitializeProcThreadAttributeList(None, len(values), 0, ctypes.byref(size))
    place = ctypes.create_string_buffer(size.value)
    _checked(kernel.InitializeProcThreadAttributeList(place, len(values), 0, ctypes.byref(size)))
    kept = []  # the list refers to them
    try:
        for name, handles in values.items():
            kept.append((wintypes.HANDLE * len(handles))(*handles))
            _checked(kernel.UpdateProcThreadAttribute(place, 0, name, kept[-1], ctypes.sizeof(kept[-1]), None, None))
        yield ctypes.addressof(place)
    finally:
        kernel.DeleteProcThreadAttributeList(place)


def _checked(answer: Any) -> Any:
    """Return what a call answered. Raises OSError for 0, which says that it failed."""
    if not answer:
        raise ctypes.WinError(ctypes.get_last_error())
    return answer


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


def _new_job(name: str | None, limits: int) -> int:
    job: int = _checked(_kernel().CreateJobObjectW(None, name))
    _limit(job, limits)
    return job


def _limit(job: int, flags: int) -> None:
    limits = _ExtendedLimits()
    limits.BasicLimitInformation.LimitFlags = flags
    _checked(_kernel().SetInformationJobObject(job, _JOB_EXTENDED_LIMITS, ctypes.byref(limits), ctypes.sizeof(limits)))


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
    _kernel().QueryInformationJobObject(job, _JOB_ACCOUNTING, ctypes.byref(accounting), ctypes.sizeof(accounting), None)
    return int(accounting.ActiveProcesses)
