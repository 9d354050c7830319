"""Splits are stratified, disjoint, and the same everywhere."""

from __future__ import annotations

import pytest

np = pytest.importorskip("numpy")

from llm_loop.trainer.images import splits  # noqa: E402


def test_shares_follow_the_counts_and_add_up() -> None:
    assert splits.shares([50, 30, 20], 10) == [5, 3, 2]
    assert splits.shares([1, 1, 1], 2) == [1, 1, 0]
    assert sum(splits.shares([182, 178, 177, 183, 181, 180], 300)) == 300
    with pytest.raises(ValueError, match="places"):
        splits.shares([1, 2], 4)


def test_the_order_is_fixed_for_all_time() -> None:
    """The golden order: a change of it would silently move images between the splits of old results."""
    assert splits.hashed_order([str(n) for n in range(8)], "salt").tolist() == [5, 0, 1, 6, 4, 3, 7, 2]


def test_a_draw_is_disjoint_complete_and_stratified() -> None:
    labels = np.array([0] * 60 + [1] * 30)
    keys = [str(row) for row in range(90)]
    taken, rest = splits.draw_in_proportion(np.arange(90), labels, keys, 30, "x")
    assert sorted([*taken, *rest]) == list(range(90))
    assert np.bincount(labels[taken]).tolist() == [20, 10]


def test_a_smaller_draw_is_part_of_a_larger_one() -> None:
    labels, keys = np.zeros(50, dtype=np.int64), [str(row) for row in range(50)]
    small, _ = splits.draw_in_proportion(np.arange(50), labels, keys, 10, "x")
    large, _ = splits.draw_in_proportion(np.arange(50), labels, keys, 20, "x")
    other, _ = splits.draw_in_proportion(np.arange(50), labels, keys, 10, "y")
    assert set(small) < set(large)
    assert set(small) != set(other)
