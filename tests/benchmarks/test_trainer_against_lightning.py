"""The trainer's benchmark: trainings that can be, and what its table and exit code follow from."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from benchmarks.trainer_against_lightning import (
    BARE,
    COMPILED,
    CPU_CASES,
    CUDA_CASES,
    GATHERED,
    OURS,
    PEER,
    Case,
    below_target,
    rows,
    times_as_fast,
)


class Took(NamedTuple):
    cpu_s: float
    wall_s: float


FOUND = {
    OURS: [Took(1, 2), Took(2, 2), Took(1, 2)],
    PEER: [Took(1.5, 2), Took(2, 3), Took(0.5, 1)],
    GATHERED: [Took(1, 2)] * 3,
    BARE: [Took(1, 1.7)] * 3,
}


@pytest.mark.parametrize("case", [*CPU_CASES, *CUDA_CASES], ids=lambda case: case.name)
def test_each_case_is_a_training_of_full_batches(case: Case) -> None:
    device = "cpu" if case in CPU_CASES else "cuda"
    assert case.settings(2, device, compile=True).training.compile
    assert case.images % case.batch == 0


def test_ratios_are_those_of_a_round() -> None:
    assert times_as_fast(FOUND, PEER, "cpu_s") == [0.5, 1.0, 1.5]
    assert times_as_fast({**FOUND, COMPILED: [Took(0.5, 1)] * 3}, OURS, "wall_s", COMPILED) == [2.0, 2.0, 2.0]


def test_a_row_holds_median_rates_and_ratios_with_their_middle_half() -> None:
    case = CPU_CASES[0]
    (row,) = rows(case, FOUND, ["cpu_s"])
    assert f"| {case.epochs * case.images:,} |" in row
    assert "| 1.000 (0.750 to 1.250), fastest 0.500 |" in row


def test_on_the_cpu_cpu_seconds_count_and_lightning_alone() -> None:
    assert below_target(CPU_CASES[0], FOUND, "cpu") == []
    slower = {**FOUND, OURS: [Took(1.1, 1), Took(2.1, 1), Took(1.1, 1)]}
    assert [line.split(":")[0] for line in below_target(CPU_CASES[0], slower, "cpu")] == [CPU_CASES[0].name]


def test_on_cuda_the_bare_step_counts_too_and_what_compiling_brings() -> None:
    (said,) = below_target(CUDA_CASES[0], FOUND, "cuda")
    assert BARE in said
    compiled = {**FOUND, COMPILED: [Took(1, 1.5)] * 3}
    assert len(below_target(CUDA_CASES[0], compiled, "cuda")) == 2
    assert len(below_target(CUDA_CASES[1], compiled, "cuda")) == 1  # a batch of 64 is not bound by launches
