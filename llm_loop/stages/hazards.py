"""Hazards: what ends a run before it breaks, or before it breaks the machine. Each has a cause of its own.

All functions are pure; who looks, and who asks a run to end, is the caller's business.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from llm_loop.contract.stop_reasons import DISK_FULL, DIVERGED, HOST_MEMORY, NAN
from llm_loop.system.memory import HostMemory

LOOKS = 3
NOT_FINITE_EPOCHS = 3
EXPLODED_EPOCHS = 3
_LEAST_SHARE = 0.02
_LEAST_BYTES = 512 * 1024**2
_DISK_SHARE = 0.25
_MB = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Hold one look at the machine; None for what could not be told."""

    memory: HostMemory | None = None
    disk_free_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Hold a running run that may be asked to end: what it holds of memory and how long it has trained."""

    run_id: str
    memory_bytes: int | None = None
    age_s: float = 0.0


@dataclass(kw_only=True)
class LastLooks:
    """Hold the last looks in a row, oldest first."""

    looks: deque[Look] = field(default_factory=lambda: deque(maxlen=LOOKS))

    def add(self, look: Look) -> None:
        """Take one more look."""
        self.looks.append(look)

    def begin_anew(self) -> None:
        """Forget the looks: something was done about what they showed."""
        self.looks.clear()


def hazards_of(looks: Sequence[Look], min_free_disk_mb: int) -> str | None:
    """Return the cause for which one run should end now, None where nothing threatens.

    ``looks`` are the last ones, oldest first, about a second apart: three in a row have to show the same hazard.
    """
    if len(looks) < LOOKS:
        return None
    last = list(looks)[-LOOKS:]
    if all(is_memory_nearly_full(look.memory) for look in last):
        return HOST_MEMORY
    return DISK_FULL if all(is_disk_nearly_full(look.disk_free_bytes, min_free_disk_mb) for look in last) else None


def hazard_of_run(not_finite_in_a_row: int, exploded_in_a_row: int = 0) -> str | None:
    """Return the cause for which a run should end by its own numbers, None while they give none.

    ``not_finite_in_a_row`` counts the epochs reported last whose loss or metric was no finite number,
    ``exploded_in_a_row`` those whose loss had exploded.
    """
    if not_finite_in_a_row >= NOT_FINITE_EPOCHS:
        return NAN
    return DIVERGED if exploded_in_a_row >= EXPLODED_EPOCHS else None


def is_memory_nearly_full(memory: HostMemory | None) -> bool:
    """Tell whether less than 2 % of the memory, or less than 512 MiB where that is less, can still be had."""
    if memory is None:
        return False
    return memory.available_bytes < min(int(memory.total_bytes * _LEAST_SHARE), _LEAST_BYTES)


def is_disk_nearly_full(free_bytes: int | None, min_free_disk_mb: int) -> bool:
    """Tell whether less than a quarter of ``min_free_disk_mb`` is free; never where that is 0."""
    return free_bytes is not None and free_bytes < min_free_disk_mb * _MB * _DISK_SHARE


def to_be_ended(cause: str, candidates: Iterable[Candidate]) -> str | None:
    """Return the run that ends for a hazard of the machine; None without candidates.

    Memory: the largest, of those of unknown size the youngest. Disk: the youngest, which loses least.
    """
    known = list(candidates)
    if cause == HOST_MEMORY and any(one.memory_bytes for one in known):
        return max(known, key=lambda one: (one.memory_bytes or 0, -one.age_s)).run_id
    return min(known, key=lambda one: one.age_s).run_id if known else None
