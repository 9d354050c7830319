"""Two configurations against each other: every seed counts, and noise is no gain."""

from __future__ import annotations

import pytest

from llm_loop.contract.result import Direction
from llm_loop.memory.comparison import Comparison, compare
from llm_loop.memory.history import HistoryRow
from llm_loop.memory.noise import TieBasis
from tests.memory.test_leaderboard import run


def compared(rows: list[HistoryRow], first: str, second: str) -> Comparison:
    found = compare(rows, "val_log_loss", Direction.MIN, first, second)
    assert found is not None
    return found


def seeds(number: int, lr: float, *values: float) -> list[HistoryRow]:
    return [run(number + place, value, lr=lr, seed=place) for place, value in enumerate(values)]


def test_a_gain_outside_the_noise_counts_whichever_is_named_first() -> None:
    rows = [*seeds(1, 0.1, 0.50, 0.51, 0.52), *seeds(4, 0.2, 0.30, 0.31, 0.32)]
    found = compared(rows, "R0002", "R0004")
    assert found.gain == pytest.approx(0.20) and found.tied is False and found.tie_basis is TieBasis.SEEDS
    turned = compared(rows, "R0004", "R0002")
    assert turned.gain == pytest.approx(-0.20) and turned.tied is False


def test_a_gain_inside_the_noise_is_a_tie() -> None:
    found = compared([*seeds(1, 0.1, 0.50, 0.60, 0.70), *seeds(4, 0.2, 0.49, 0.58, 0.68)], "R0001", "R0006")
    assert found.gain > 0 and found.tied is True


def test_the_spread_of_a_third_configuration_judges_two_single_runs() -> None:
    repeated = seeds(1, 0.1, 0.50, 0.60, 0.70)
    found = compared([*repeated, run(4, 0.59, lr=0.2)], "R0001", "R0004")
    assert found.tied is True and found.tie_basis is TieBasis.SEEDS
    alone = compared([*repeated, run(4, 0.5, lr=0.2), run(5, 0.49, lr=0.3)], "R0004", "R0005")
    assert alone.tied is None and alone.tie_basis is TieBasis.UNKNOWN


def test_two_seeds_of_one_configuration_are_the_same() -> None:
    found = compared(seeds(1, 0.1, 0.5, 0.6), "R0001", "R0002")
    assert found.is_same and found.gain == 0 and found.first.seeds == 2


def test_what_does_not_rank_is_not_compared() -> None:
    rows = [run(1, 0.5), run(2, None, state="failed")]
    assert compare(rows, "val_log_loss", Direction.MIN, "R0001", "R0002") is None
    assert compare(rows, "val_log_loss", Direction.MIN, "R0001", "R0009") is None
