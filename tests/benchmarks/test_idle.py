"""The idle benchmark's own arithmetic: what counts as idle, and what no loop could do better."""

from __future__ import annotations

import pytest

from benchmarks.idle import Row, Stay, idle_of, least_possible


def least(row: Row, runs: int) -> float:
    return idle_of(least_possible(row, [row.training_s] * runs))


def test_each_slot_counts_from_its_first_start_to_its_last_end() -> None:
    assert idle_of([Stay(1, 0, 4), Stay(1, 6, 10), Stay(2, 100, 110)]) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("row", "idle"),
    [
        (Row(model_s=10, training_s=20), 0.0),
        (Row(model_s=10, training_s=5), 1 - 60 / (11 * 10 + 5)),
        (Row(model_s=10, training_s=20, plan_ahead=False), 1 - 240 / (11 * 30 + 20)),
        (Row(model_s=10, training_s=30, slots=2), 0.0),
        (Row(model_s=10, training_s=15, slots=2), 1 - 180 / 230),
    ],
    ids=["training hides the model", "model slower", "one after the other", "two slots", "two slots, model slower"],
)
def test_the_least_that_is_possible(row: Row, idle: float) -> None:
    assert least(row, 12) == pytest.approx(idle)
