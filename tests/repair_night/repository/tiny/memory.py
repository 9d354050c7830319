"""The memory of a training: a limit of its own, and batches that need it for real."""

from __future__ import annotations

from pathlib import Path


def limit_memory(megabytes: int) -> None:
    """Let the system refuse this process more than so many megabytes beyond what it has; 0 = no limit."""
    if not megabytes:
        return
    try:
        import resource
    except ImportError:  # Windows: ``hold_batch`` sees to it
        global _self_made_limit
        _self_made_limit = megabytes * 1_000_000
        return
    held = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + megabytes * 1_000_000, resource.RLIM_INFINITY))


def hold_batch(images: int, image_kb: int) -> bytearray:
    """Return the memory of a batch. Raises MemoryError when the system has not as much."""
    if _self_made_limit and images * image_kb * 1000 > _self_made_limit:
        raise MemoryError
    return bytearray(images * image_kb * 1000)


_self_made_limit = 0
