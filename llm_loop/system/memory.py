"""How much memory this machine has and may still give, and what one process tree holds of it.

Nothing here waits: each function reads a few small kernel files, or makes a few calls of Windows.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

if sys.platform == "win32":
    from llm_loop.system import platform_windows_memory as platform
else:
    from llm_loop.system import platform_posix_memory as platform


@dataclass(frozen=True, slots=True, kw_only=True)
class HostMemory:
    """Hold the memory of this machine, in bytes, or of the container that bounds us where that is less.

    ``available_bytes`` is what programs can still get without the machine running out: on Linux without swap, on
    Windows the lesser of the physical memory and what may still be committed.
    """

    total_bytes: int
    available_bytes: int


def host_memory() -> HostMemory | None:
    """Return the memory of this machine; None on a system that does not say."""
    found = platform.total_and_available()
    if found is None or found[0] <= 0:
        return None
    total, available = found
    return HostMemory(total_bytes=total, available_bytes=min(max(0, available), total))


def tree_bytes(pid: int) -> int | None:
    """Return the memory that a process and its descendants hold, in bytes; None when the process is gone.

    Memory that several of them share is counted for each. A process that cannot be looked at counts as nothing.
    """
    return platform.tree_bytes(pid)
