"""What ends a run before it breaks, or before it breaks the machine."""

from __future__ import annotations

import pytest

from llm_loop.stages.hazards import (
    DISK_FULL,
    DIVERGED,
    HOST_MEMORY,
    LOOKS,
    NAN,
    Candidate,
    LastLooks,
    Look,
    hazard_of_run,
    hazards_of,
    is_disk_nearly_full,
    is_memory_nearly_full,
    to_be_ended,
)
from llm_loop.system.memory import HostMemory

MIB = 1024**2
FULL = Look(memory=HostMemory(total_bytes=16_000 * MIB, available_bytes=100 * MIB), disk_free_bytes=10**12)
FINE = Look(memory=HostMemory(total_bytes=16_000 * MIB, available_bytes=9_000 * MIB), disk_free_bytes=10**12)
NO_DISK = Look(memory=FINE.memory, disk_free_bytes=100_000_000)


@pytest.mark.parametrize(
    ("total_mib", "available_mib", "is_full"),
    [(128_000, 511, True), (128_000, 513, False), (10_000, 199, True), (10_000, 201, False), (10_000, 0, True)],
)
def test_memory_is_nearly_full_below_two_percent_or_512_mib(total_mib: int, available_mib: int, is_full: bool) -> None:
    memory = HostMemory(total_bytes=total_mib * MIB, available_bytes=available_mib * MIB)
    assert is_memory_nearly_full(memory) is is_full


def test_the_disk_is_nearly_full_below_a_quarter_of_what_is_wanted() -> None:
    assert is_disk_nearly_full(124_999_999, 500) and not is_disk_nearly_full(125_000_000, 500)
    assert not is_disk_nearly_full(0, 0) and not is_disk_nearly_full(None, 500)


@pytest.mark.parametrize(("look", "cause"), [(FULL, HOST_MEMORY), (NO_DISK, DISK_FULL), (FINE, None), (Look(), None)])
def test_three_looks_in_a_row_are_a_cause(look: Look, cause: str | None) -> None:
    assert hazards_of([look] * LOOKS, 500) == cause
    assert hazards_of([look] * (LOOKS - 1), 500) is None


def test_a_moment_of_relief_begins_the_count_anew() -> None:
    assert hazards_of([FULL, FULL, FINE, FULL, FULL], 500) is None
    assert hazards_of([FULL, NO_DISK, FULL], 500) is None, "not one and the same hazard"
    assert hazards_of([FINE, FULL, FULL, FULL], 500) == HOST_MEMORY


def test_memory_comes_before_the_disk() -> None:
    both = Look(memory=FULL.memory, disk_free_bytes=0)
    assert hazards_of([both] * LOOKS, 500) == HOST_MEMORY


def test_looks_are_forgotten_once_something_was_done() -> None:
    last = LastLooks()
    for _ in range(LOOKS + 5):
        last.add(FULL)
    assert len(last.looks) == LOOKS and hazards_of(last.looks, 500) == HOST_MEMORY
    last.begin_anew()
    assert hazards_of(last.looks, 500) is None


def test_numbers_that_stay_not_finite_end_a_run() -> None:
    assert [hazard_of_run(count) for count in (0, 1, 2, 3, 9)] == [None, None, None, NAN, NAN]


def test_the_largest_run_ends_for_memory_the_youngest_for_the_disk() -> None:
    old = Candidate(run_id="R1", memory_bytes=5, age_s=900)
    big = Candidate(run_id="R2", memory_bytes=50, age_s=800)
    young = Candidate(run_id="R3", memory_bytes=None, age_s=10)
    assert to_be_ended(HOST_MEMORY, [old, big, young]) == "R2"
    assert to_be_ended(DISK_FULL, [old, big, young]) == "R3"
    assert to_be_ended(HOST_MEMORY, [young, Candidate(run_id="R4", age_s=99)]) == "R3"
    assert to_be_ended(HOST_MEMORY, []) is None


@pytest.mark.parametrize(("not_finite", "exploded", "cause"), [(3, 3, NAN), (2, 3, DIVERGED), (2, 2, None)])
def test_nan_comes_before_a_loss_that_exploded(not_finite: int, exploded: int, cause: str | None) -> None:
    assert hazard_of_run(not_finite, exploded) == cause
