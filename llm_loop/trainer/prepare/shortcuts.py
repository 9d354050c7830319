"""Ask whether something that is no finding predicts the label alone: file size, picture size, grey bands, flags.

A number is judged by the area under its ROC curve, told as at least 0.5 (a small value may be the sign as well). It is
a shortcut from 0.65 on, where its interval lies above 0.5: 0.65 is about what a weak classifier reaches on X-rays, so
a training would gain from it, and below that real anatomy (a hand is a smaller picture than a hip) gives such values
too. A sign, which is there or not, is judged by the share of one label where it is there as well: a rare one can give
the label away for certain and still have an area near 0.5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FLAGGED_FROM = 0.65
_Z = 2.81  # 99.5 % on both sides: some ten features are looked at, and 95 % shall hold for all of them together
_Z_SIGN = 1.96  # a sign is not held against chance, but against half of the doubt, which chance does not reach
_LEAST_EACH = 5
_LEAST_SHOWN = 10
_SIGNS = 2

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortcut:
    """Hold one feature's verdict for one label against all others.

    ``auc`` is 0.5 to 1 with the interval ``low`` to ``high`` (99.5 %); ``n`` pictures, ``positive`` of them with the
    label. ``share`` is that of the label's side where a sign is there, ``shown`` times; None for a number.
    """

    feature: str
    label: str
    auc: float
    low: float
    high: float
    n: int
    positive: int
    flagged: bool
    share: float | None = None
    shown: int | None = None


def judge(feature: str, values: Values, labels: Sequence[str]) -> Shortcut | None:
    """Return the verdict on one feature (n) for the label that it predicts best.

    None where it is the same everywhere, or where no label has 5 pictures with it and 5 others.
    """
    names = sorted(set(labels))
    if len(names) == 2:
        names = names[1:]  # the other one is its mirror
    given = np.array(labels)
    if len(np.unique(values)) < _SIGNS:
        return None
    verdicts = [verdict for name in names if (verdict := _judge_label(feature, values, given == name, name))]
    return max(verdicts, key=lambda one: (one.flagged, one.auc), default=None)


def _judge_label(feature: str, values: Values, positive: NDArray[np.bool_], label: str) -> Shortcut | None:
    n, count = len(values), int(positive.sum())
    if min(count, n - count) < _LEAST_EACH:
        return None
    auc, deviation = area(values, positive)
    auc = max(auc, 1.0 - auc)
    low, high = max(0.0, auc - _Z * deviation), min(1.0, auc + _Z * deviation)
    share, shown, gives_away = _sign(values, positive)
    return Shortcut(
        feature=feature,
        label=label,
        auc=auc,
        low=low,
        high=high,
        n=n,
        positive=count,
        flagged=(auc >= FLAGGED_FROM and low > 0.5) or gives_away,
        share=share,
        shown=shown,
    )


def area(values: Values, positive: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the area under the ROC curve, ties counted half, and its standard error.

    DeLong's estimate by midranks (Sun and Xu 2014, IEEE Signal Processing Letters 21:1389), but never less than the
    error of an area of 0.5, for DeLong's is 0 where a few pictures are parted wholly.
    """
    first, second = values[positive], values[~positive]
    m, n = len(first), len(second)
    over = (_midranks(values)[positive] - _midranks(first)) / n
    under = (m - (_midranks(values)[~positive] - _midranks(second))) / m
    variance = over.var(ddof=1) / m + under.var(ddof=1) / n
    by_chance = math.sqrt((m + n + 1) / (12 * m * n))
    return float(over.mean()), max(math.sqrt(variance), by_chance)


def _midranks(values: Values) -> Values:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[place.ravel()]


def _sign(values: Values, positive: NDArray[np.bool_]) -> tuple[float | None, int | None, bool]:
    """Return the larger share of a side where a sign is there, how often it is, and whether it gives the side away.

    It does where the lower end of Wilson's interval (1927) leaves at most half of the doubt that there is without it.
    """
    if not np.isin(values, (0.0, 1.0)).all():
        return None, None, False
    there = values == 1.0
    shown = int(there.sum())
    if shown == 0:
        return None, None, False
    share = float(positive[there].mean())
    side, base = (
        (share, float(positive.mean())) if share >= positive.mean() else (1 - share, 1 - float(positive.mean()))
    )
    centre = (side + _Z_SIGN**2 / (2 * shown)) / (1 + _Z_SIGN**2 / shown)
    half = _Z_SIGN / (1 + _Z_SIGN**2 / shown) * math.sqrt(side * (1 - side) / shown + _Z_SIGN**2 / (4 * shown**2))
    return side, shown, shown >= _LEAST_SHOWN and centre - half >= 1 - (1 - base) / 2
