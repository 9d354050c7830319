"""Split groups of pictures into train, val and test: deterministic, stratified by label, no group in two splits."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from llm_loop.trainer.failures import DataError
from llm_loop.trainer.images.splits import hashed_order

TRAIN, VAL, TEST = "train", "val", "test"


def split_groups(labels: Sequence[str], groups: Sequence[str], *, val: float, test: float, seed: int) -> list[str]:
    """Return the split of each picture.

    ``val`` and ``test`` are shares of the pictures of each label. Groups come in an order that depends on the seed and
    their names alone; each goes where it still fits, first test, then val, else train. Raises DataError when train or
    val would have no picture of a label, or test none of one that has three groups.
    """
    of_group: dict[str, Counter[str]] = defaultdict(Counter)
    for label, group in zip(labels, groups, strict=True):
        of_group[group][label] += 1
    names = sorted(of_group)
    counts = Counter(labels)
    room = {TEST: _sizes(counts, test), VAL: _sizes(counts, val)}
    where: dict[str, str] = {}
    for position in hashed_order(names, f"prepared split {seed}"):
        group = names[int(position)]
        where[group] = next((split for split in (TEST, VAL) if _take(room[split], of_group[group])), TRAIN)
    splits = [where[group] for group in groups]
    _check(labels, splits, has_test=test > 0)
    return splits


def _sizes(counts: Counter[str], share: float) -> Counter[str]:
    return Counter({label: max(1, round(share * count)) if share else 0 for label, count in counts.items()})


def _take(room: Counter[str], group: Counter[str]) -> bool:
    """Take a group into a split where each of its labels has room; tell whether it had."""
    fits = all(room[label] >= count for label, count in group.items())
    if fits:
        room.subtract(group)
    return fits


def _check(labels: Sequence[str], splits: Sequence[str], *, has_test: bool) -> None:
    seen = Counter(zip(labels, splits, strict=True))
    for label in sorted(set(labels)):
        for split in (TRAIN, VAL, TEST) if has_test else (TRAIN, VAL):
            if not seen[label, split]:
                raise DataError(
                    f"no picture with the label {label} is left for the split {split}: there are "
                    f"{Counter(labels)[label]} of them; add pictures, or change --val and --test"
                )
