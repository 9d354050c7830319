"""Say whether two values differ by more than the noise that is known."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

# Student's t, 97.5 % quantile, for 1 to 30 degrees of freedom; 1.96 beyond
_T_975 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


class TieBasis(StrEnum):
    """What a tie was judged by."""

    SEEDS = "seeds"
    INTERVAL = "interval"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Hold a mean over ``n`` seeds, their sample standard deviation and the interval, where known."""

    mean: float
    n: int = 1
    sd: float | None = None
    interval: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledSpread:
    """Hold the standard deviation over seeds, pooled over all configurations that were repeated."""

    sd: float
    freedom: int


def pooled_spread(groups: Iterable[Sequence[float]]) -> PooledSpread | None:
    """Return the spread pooled over ``groups`` of values by seed, None when none has two.

    Takes it that all configurations are alike noisy.
    """
    squares, freedom = 0.0, 0
    for values in groups:
        more, free = squares_of(values)
        squares, freedom = squares + more, freedom + free
    return spread_of(squares, freedom)


def squares_of(values: Sequence[float]) -> tuple[float, int]:
    """Return the sum of squares around the mean and the degrees of freedom; nothing for a single value."""
    return (statistics.variance(values) * (len(values) - 1), len(values) - 1) if len(values) > 1 else (0.0, 0)


def spread_of(squares: float, freedom: int) -> PooledSpread | None:
    """Return the spread that sums of squares come to, None without a degree of freedom."""
    return PooledSpread(sd=math.sqrt(max(0.0, squares) / freedom), freedom=freedom) if freedom else None


def tied(better: Measured, other: Measured, pooled: PooledSpread | None = None) -> tuple[bool | None, TieBasis]:
    """Say whether two entries are tied, and by what; None when no noise is known.

    - Both have a spread over seeds: tied when the difference of the means lies within Welch's 95 %
      interval (B. L. Welch, Biometrika 34, 1947; degrees of freedom rounded down).
    - One has: the spread pooled over the whole board is taken for both, from 2 degrees of freedom on.
    - Else: tied when one's value lies within the other's own 95 % interval, the better one's where both
      have one. That interval holds the noise of the validation images only, not that of the seed.
    Equal values are tied whatever is known.
    """
    difference = abs(better.mean - other.mean)
    if better.sd is not None and other.sd is not None:
        return difference <= _welch_half_width(better, other), TieBasis.SEEDS
    spread = _spread_of_one(better, other, pooled)
    if spread is not None:
        half_width = _t(spread.freedom) * spread.sd * math.sqrt(1 / better.n + 1 / other.n)
        return difference <= half_width, TieBasis.SEEDS
    for one, second in ((better, other), (other, better)):
        if one.interval is not None:
            return difference == 0 or one.interval[0] <= second.mean <= one.interval[1], TieBasis.INTERVAL
    return (True if difference == 0 else None), TieBasis.UNKNOWN


def _spread_of_one(better: Measured, other: Measured, pooled: PooledSpread | None) -> PooledSpread | None:
    """Return the spread that stands for both when only one was repeated; one degree of freedom says too little."""
    known = better if better.sd is not None else other
    if known.sd is None:
        return None
    own = PooledSpread(sd=known.sd, freedom=known.n - 1)
    spread = own if pooled is None else pooled
    return spread if spread.freedom >= 2 else None


def _welch_half_width(first: Measured, second: Measured) -> float:
    assert first.sd is not None and second.sd is not None
    parts = first.sd**2 / first.n, second.sd**2 / second.n
    if sum(parts) == 0:
        return 0.0
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (first.n - 1) + parts[1] ** 2 / (second.n - 1))
    return _t(int(freedom)) * math.sqrt(sum(parts))


def _t(freedom: int) -> float:
    return _T_975[max(1, freedom) - 1] if freedom <= len(_T_975) else 1.96
