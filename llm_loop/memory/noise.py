"""Say whether two values differ by more than the noise that is known."""

from __future__ import annotations

import math
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


def tied(better: Measured, other: Measured) -> tuple[bool | None, TieBasis]:
    """Say whether two entries are tied, and by what; None when no noise is known.

    - Both have a spread over seeds: tied when the difference of the means lies within Welch's 95 %
      interval (B. L. Welch, Biometrika 34, 1947; degrees of freedom rounded down).
    - One has: its spread is taken for the other's single run too.
    - None has: tied when the other's value lies within the better one's own 95 % interval (or, where
      only the other has an interval, the other way round). That interval holds the noise of the
      validation images only, not that of the seed.
    Equal values are tied whatever is known.
    """
    difference = abs(better.mean - other.mean)
    if better.sd is not None or other.sd is not None:
        return difference <= _half_width(better, other), TieBasis.SEEDS
    for one, second in ((better, other), (other, better)):
        if one.interval is not None:
            return difference == 0 or one.interval[0] <= second.mean <= one.interval[1], TieBasis.INTERVAL
    return (True if difference == 0 else None), TieBasis.UNKNOWN


def _half_width(first: Measured, second: Measured) -> float:
    if first.sd is None or second.sd is None:
        known, single = (second, first) if first.sd is None else (first, second)
        assert known.sd is not None
        return _t(known.n - 1) * known.sd * math.sqrt(1 / known.n + 1 / single.n)
    parts = first.sd**2 / first.n, second.sd**2 / second.n
    if sum(parts) == 0:
        return 0.0
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (first.n - 1) + parts[1] ** 2 / (second.n - 1))
    return _t(int(freedom)) * math.sqrt(sum(parts))


def _t(freedom: int) -> float:
    return _T_975[max(1, freedom) - 1] if freedom <= len(_T_975) else 1.96
