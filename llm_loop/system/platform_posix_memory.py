"""The memory of a Linux machine: ``/proc/meminfo``, the limits of our control groups, and of process trees."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

assert sys.platform != "win32"

_PROC = Path("/proc")
_GROUPS = Path("/sys/fs/cgroup")


def total_and_available(proc: Path = _PROC, groups: Path = _GROUPS) -> tuple[int, int] | None:
    """Return the bytes of memory in all, and those still to be had; None where ``/proc`` does not say.

    A control group with a limit, such as a container's, is a machine of its own: the tightest one counts.
    Sources: proc(5), and the kernel's documents on cgroup v1 memory and cgroup v2.
    """
    known = dict(_numbers(proc / "meminfo", unit=1024))
    if "MemTotal" not in known or "MemAvailable" not in known:
        return None
    total, available = known["MemTotal"], known["MemAvailable"]
    bounds = [bound for bound in _bounds(proc / "self" / "cgroup", groups) if bound[0] < total]
    for limit, left in bounds:
        total, available = min(total, limit), min(available, left)
    return total, available


def tree_bytes(pid: int, proc: Path = _PROC) -> int | None:
    """Return the resident bytes of a process and its descendants; None when it is gone."""
    own = _resident_pages(pid, proc)
    if own is None:
        return None
    pages = own + sum(_resident_pages(child, proc) or 0 for child in _descendants(pid, proc))
    return pages * os.sysconf("SC_PAGE_SIZE")


def _bounds(membership: Path, groups: Path) -> Iterator[tuple[int, int]]:
    """Yield limit and rest of each control group that bounds this process, the outer ones too."""
    for line in _text(membership).splitlines():
        _, controllers, path = line.split(":", 2) if line.count(":") >= 2 else ("", "-", "")
        if controllers == "":
            for root in (groups, groups / "unified"):
                for folder in _upwards(root, path):
                    yield from _bound(folder, "memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            for folder in _upwards(groups / "memory", path):
                yield from _bound(folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def _upwards(root: Path, path: str) -> Iterator[Path]:
    """Yield a group's folder and those around it. In a container ``path`` may not be there: its root is then ours."""
    parts = [part for part in path.split("/") if part not in ("", "..")]
    for count in range(len(parts), -1, -1):
        yield root.joinpath(*parts[:count])


def _bound(folder: Path, limit_name: str, used_name: str, cache_name: str) -> Iterator[tuple[int, int]]:
    """Yield limit and rest of one group, where it has a limit. File pages that can be dropped count as free."""
    limit, used = _text(folder / limit_name).strip(), _text(folder / used_name).strip()
    if limit.isdecimal() and used.isdecimal():
        cache = dict(_numbers(folder / "memory.stat")).get(cache_name, 0)
        yield int(limit), max(0, int(limit) - max(0, int(used) - cache))


def _numbers(path: Path, unit: int = 1) -> Iterator[tuple[str, int]]:
    """Yield name and number of each line such as ``MemTotal: 16 kB`` or ``anon 16``."""
    for line in _text(path).splitlines():
        words = line.split()
        if len(words) >= 2 and words[1].isdecimal():
            yield words[0].rstrip(":"), int(words[1]) * unit


def _descendants(pid: int, proc: Path) -> Iterator[int]:
    waiting, seen = [pid], {pid}
    while waiting:
        for child in _children(waiting.pop(), proc):
            if child not in seen:
                seen.add(child)
                waiting.append(child)
                yield child


def _children(pid: int, proc: Path) -> Iterator[int]:
    try:
        threads = list((proc / str(pid) / "task").iterdir())
    except OSError:
        return
    for thread in threads:
        yield from (int(word) for word in _text(thread / "children").split() if word.isdecimal())


def _resident_pages(pid: int, proc: Path) -> int | None:
    words = _text(proc / str(pid) / "statm").split()
    return int(words[1]) if len(words) > 1 and words[1].isdecimal() else None


def _text(path: Path) -> str:
    """Return a small kernel file; "" when it is not there or its process has gone."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
