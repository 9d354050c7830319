"""Groups are never torn, shares are held, and the split follows from names and seed alone."""

from __future__ import annotations

from collections import Counter

import pytest

np = pytest.importorskip("numpy")

from llm_loop.trainer.failures import DataError  # noqa: E402
from llm_loop.trainer.prepare.splitting import split_groups  # noqa: E402


def drawn(seed: int, count: int = 400) -> tuple[list[str], list[str]]:
    draws = np.random.default_rng(seed)
    labels = ["1" if value < 0.2 else "0" for value in draws.random(count)]
    groups = [
        f"{label}-{int(number)}" for label, number in zip(labels, draws.integers(0, count // 2, count), strict=True)
    ]
    return labels, groups


@pytest.mark.parametrize("seed", range(10))
def test_groups_stay_whole_and_shares_hold(seed: int) -> None:
    labels, groups = drawn(seed)
    splits = split_groups(labels, groups, val=0.15, test=0.2, seed=seed)
    assert all(
        len(set(of)) == 1
        for of in ({s for s, g in zip(splits, groups, strict=True) if g == one} for one in set(groups))
    )
    counts, total = Counter(zip(labels, splits, strict=True)), Counter(labels)
    for label in "01":
        for split, share in (("val", 0.15), ("test", 0.2)):
            assert abs(counts[label, split] - share * total[label]) <= 1


def test_the_order_of_the_rows_does_not_matter_and_the_seed_does() -> None:
    labels, groups = drawn(0)
    first = dict(zip(groups, split_groups(labels, groups, val=0.2, test=0.2, seed=3), strict=True))
    turned = split_groups(labels[::-1], groups[::-1], val=0.2, test=0.2, seed=3)
    assert dict(zip(groups[::-1], turned, strict=True)) == first
    assert dict(zip(groups, split_groups(labels, groups, val=0.2, test=0.2, seed=4), strict=True)) != first


def test_groups_of_two_labels_stay_whole() -> None:
    groups = [str(number // 2) for number in range(200)]
    splits = split_groups(["0", "1"] * 100, groups, val=0.2, test=0.2, seed=0)
    assert Counter(splits) == {"train": 120, "val": 40, "test": 40}
    assert all(one == other for one, other in zip(splits[::2], splits[1::2], strict=True))


def test_no_test_split_where_none_is_wanted() -> None:
    labels, groups = drawn(1)
    assert set(split_groups(labels, groups, val=0.2, test=0.0, seed=0)) == {"train", "val"}


def test_too_few_pictures_of_a_label_are_named() -> None:
    with pytest.raises(DataError, match="label 1 is left for the split train: there are 2 of them"):
        split_groups(["0"] * 50 + ["1"] * 2, [str(number) for number in range(52)], val=0.2, test=0.2, seed=0)
    with pytest.raises(DataError, match="label 1 is left"):
        split_groups(["0"] * 50 + ["1"] * 20, [*map(str, range(50)), *["one"] * 20], val=0.2, test=0.2, seed=0)
