"""The memory of a Windows machine and of process trees, by three calls of the system."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import wintypes
from functools import cache

assert sys.platform == "win32"

_SNAPSHOT_OF_PROCESSES = 0x00000002
_QUERY_LIMITED = 0x1000
_INVALID = ctypes.c_void_p(-1).value


class _MemoryStatus(ctypes.Structure):
    _fields_ = [("dwLength", wintypes.DWORD), ("dwMemoryLoad", wintypes.DWORD)] + [
        (name, ctypes.c_ulonglong)
        for name in (
            "ullTotalPhys",
            "ullAvailPhys",
            "ullTotalPageFile",
            "ullAvailPageFile",
            "ullTotalVirtual",
            "ullAvailVirtual",
            "ullAvailExtendedVirtual",
        )
    ]


class _ProcessEntry(ctypes.Structure):
    _fields_ = [
        ("dwSize", wintypes.DWORD),
        ("cntUsage", wintypes.DWORD),
        ("th32ProcessID", wintypes.DWORD),
        ("th32DefaultHeapID", ctypes.c_size_t),
        ("th32ModuleID", wintypes.DWORD),
        ("cntThreads", wintypes.DWORD),
        ("th32ParentProcessID", wintypes.DWORD),
        ("pcPriClassBase", wintypes.LONG),
        ("dwFlags", wintypes.DWORD),
        ("szExeFile", wintypes.WCHAR * 260),
    ]


class _ProcessMemory(ctypes.Structure):
    _fields_ = [("cb", wintypes.DWORD), ("PageFaultCount", wintypes.DWORD)] + [
        (name, ctypes.c_size_t)
        for name in (
            "PeakWorkingSetSize",
            "WorkingSetSize",
            "QuotaPeakPagedPoolUsage",
            "QuotaPagedPoolUsage",
            "QuotaPeakNonPagedPoolUsage",
            "QuotaNonPagedPoolUsage",
            "PagefileUsage",
            "PeakPagefileUsage",
        )
    ]


def total_and_available() -> tuple[int, int] | None:
    """Return the bytes of physical memory, and those to be had: the lesser of physical ones and the commit limit's."""
    status = _MemoryStatus(dwLength=ctypes.sizeof(_MemoryStatus))
    if not _kernel().GlobalMemoryStatusEx(ctypes.byref(status)):
        return None
    return int(status.ullTotalPhys), min(int(status.ullAvailPhys), int(status.ullAvailPageFile))


def tree_bytes(pid: int) -> int | None:
    """Return the working sets of a process and its descendants, in bytes; None when it is gone."""
    own = _working_set(pid)
    if own is None:
        return None
    children: dict[int, list[int]] = {}
    for process, parent in _processes():
        children.setdefault(parent, []).append(process)
    total, waiting, seen = own, [pid], {pid}
    while waiting:
        for child in children.get(waiting.pop(), []):
            if child not in seen:
                seen.add(child)
                waiting.append(child)
                total += _working_set(child) or 0
    return total


def _processes() -> Iterator[tuple[int, int]]:
    """Yield number and parent's number of every process."""
    kernel = _kernel()
    snapshot = kernel.CreateToolhelp32Snapshot(_SNAPSHOT_OF_PROCESSES, 0)
    if snapshot in (None, _INVALID):
        return
    try:
        entry = _ProcessEntry(dwSize=ctypes.sizeof(_ProcessEntry))
        there = kernel.Process32FirstW(snapshot, ctypes.byref(entry))
        while there:
            yield int(entry.th32ProcessID), int(entry.th32ParentProcessID)
            there = kernel.Process32NextW(snapshot, ctypes.byref(entry))
    finally:
        kernel.CloseHandle(snapshot)


def _working_set(pid: int) -> int | None:
    with _opened(pid) as handle:
        counters = _ProcessMemory(cb=ctypes.sizeof(_ProcessMemory))
        if not handle or not _kernel().K32GetProcessMemoryInfo(handle, ctypes.byref(counters), counters.cb):
            return None
        return int(counters.WorkingSetSize)


@contextmanager
def _opened(pid: int) -> Iterator[int | None]:
    handle = _kernel().OpenProcess(_QUERY_LIMITED, False, pid)
    try:
        yield handle
    finally:
        if handle:
            _kernel().CloseHandle(handle)


@cache
def _kernel() -> ctypes.WinDLL:
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    handle, number, place = wintypes.HANDLE, wintypes.DWORD, ctypes.c_void_p
    kernel.GlobalMemoryStatusEx.argtypes = [place]
    kernel.CreateToolhelp32Snapshot.argtypes, kernel.CreateToolhelp32Snapshot.restype = [number, number], handle
    kernel.Process32FirstW.argtypes = kernel.Process32NextW.argtypes = [handle, place]
    kernel.OpenProcess.argtypes, kernel.OpenProcess.restype = [number, wintypes.BOOL, number], handle
    kernel.K32GetProcessMemoryInfo.argtypes = [handle, place, number]
    kernel.CloseHandle.argtypes = [handle]
    return kernel
