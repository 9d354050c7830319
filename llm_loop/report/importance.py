"""How much each parameter goes along with the score, over the configurations that ranked.

Scores are taken by rank, so that one diverged run weighs no more than its place. The share is the variance of the
score's rank that lies between the levels of a parameter (the correlation ratio; R. A. Fisher, 1925), adjusted for their
number as R squared is, 1 - (1 - R2)(n - 1)/(n - k), and never below 0. Numbers are cut into up to four levels of about
the same size, so that a best value in the middle counts too. What chance alone gives is measured: the scores are
shuffled and the largest share of any parameter noted.

A search changes several parameters at once and looks where it is good: shares are no causes and do not sum up to 1.
"""

from __future__ import annotations

import math
import random
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from operator import mul
from typing import Any

from llm_loop.contract.result import Direction, higher_is_better
from llm_loop.views.untrusted import number_of

LEAST_CONFIGS = 8
MOST_CONFIGS = 1_000
_MOST_PARAMETERS = 60
_MOST_LEVELS_OF_A_NUMBER = 4
_LEAST_A_LEVEL = 3  # configurations a level, on average: with fewer each level is nearly its own run
_SHUFFLES = 100
_SEED = 20_240_229
METHOD = (
    "Share of the variance of the score's rank that lies between the levels of each parameter alone (correlation ratio,"
    " adjusted for the number of levels; numbers are cut into up to four levels of about the same size)."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """Hold one parameter: its share (0..1), and of a number whether larger values went with better scores (-1..1)."""

    name: str
    share: float
    trend: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportanceStudy:
    """Hold the parameters that varied, the one with the largest share first.

    ``configs`` were compared. ``chance`` is the share that the luckiest parameter has in 1 of 20 shuffles, 0..1.
    ``too_little`` says why nothing was studied, None where it was.
    """

    configs: int
    found: tuple[Importance, ...] = ()
    chance: float = 0.0
    too_little: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parameter:
    """Hold a parameter that varied: which configurations are on each level, and of a number their ranks."""

    name: str
    levels: tuple[tuple[int, ...], ...]
    ranks: Sequence[float] | None = None

    def share(self, scores: Sequence[float]) -> float:
        """Return the adjusted share of the variance of ``scores`` (centred) between the levels."""
        between = math.fsum(sum(scores[place] for place in level) ** 2 / len(level) for level in self.levels)
        left = 1 - between / _dot(scores, scores)
        return max(0.0, 1 - left * (len(scores) - 1) / (len(scores) - len(self.levels)))

    def trend(self, scores: Sequence[float]) -> float | None:
        """Return the rank correlation of a number with ``scores`` (C. Spearman, 1904), None of a choice."""
        if self.ranks is None:
            return None
        return _dot(self.ranks, scores) / math.sqrt(_dot(self.ranks, self.ranks) * _dot(scores, scores))


def study_importance(measured: Sequence[tuple[Mapping[str, Any], float]], direction: Direction) -> ImportanceStudy:
    """Study configurations: flat parameters and the value that they came to, the best first.

    Of more than 1,000 configurations an evenly spread part is taken.
    """
    taken = _spread([pair for pair in measured if pair[0]], MOST_CONFIGS)
    if len(taken) < LEAST_CONFIGS:
        why = f"too few runs: {len(taken)} ranked configurations tell their parameters, {LEAST_CONFIGS} are needed"
        return ImportanceStudy(configs=len(taken), too_little=why)
    scores = _centred_ranks([higher_is_better(value, direction) for _, value in taken])
    parameters = _parameters([params for params, _ in taken])
    if not parameters or not any(scores):
        why = "nothing to compare: no parameter varied often enough, or all scores are equal"
        return ImportanceStudy(configs=len(taken), too_little=why)
    found = [Importance(name=one.name, share=one.share(scores), trend=one.trend(scores)) for one in parameters]
    found.sort(key=lambda one: (-one.share, one.name))
    return ImportanceStudy(configs=len(taken), found=tuple(found), chance=_chance(parameters, scores))


def _chance(parameters: Sequence[_Parameter], scores: Sequence[float]) -> float:
    """Return the 95th percentile of the largest share over shuffles, the same in every report."""
    dice, shuffled, largest = random.Random(_SEED), list(scores), []
    for _ in range(_SHUFFLES):
        dice.shuffle(shuffled)
        largest.append(max(one.share(shuffled) for one in parameters))
    return sorted(largest)[round(_SHUFFLES * 0.95) - 1]


def _parameters(configs: Sequence[Mapping[str, Any]]) -> list[_Parameter]:
    """Return the parameters that varied, without seeds, and without choices that are nearly another one each time."""
    names = sorted({name for params in configs for name in params if name.rpartition(".")[2] != "seed"})
    found = (_parameter(name, [params.get(name) for params in configs]) for name in names)
    return [one for one in found if len(one.levels) > 1][:_MOST_PARAMETERS]


def _parameter(name: str, values: Sequence[Any]) -> _Parameter:
    numbers = [number for value in values if (number := number_of(value)) is not None]
    if len(numbers) < len(values):
        levels = _grouped([str(value) for value in values])
        return _Parameter(name=name, levels=levels if len(levels) <= len(values) / _LEAST_A_LEVEL else ())
    ranks, most = _centred_ranks(numbers), min(_MOST_LEVELS_OF_A_NUMBER, len(values) // _LEAST_A_LEVEL)
    shares = [0.5 + rank / len(values) for rank in ranks]  # where in the order it stands, over 0 and under 1
    return _Parameter(name=name, levels=_grouped([int(share * most) for share in shares]), ranks=ranks)


def _grouped(levels: Sequence[Hashable]) -> tuple[tuple[int, ...], ...]:
    """Return the places of each level."""
    places: dict[Hashable, list[int]] = {}
    for place, level in enumerate(levels):
        places.setdefault(level, []).append(place)
    return tuple(map(tuple, places.values()))


def _centred_ranks(values: Sequence[float]) -> list[float]:
    """Return the ranks around their mean; equal values share the mean of theirs."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks, start = [0.0] * len(values), 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for place in order[start:end]:
            ranks[place] = (start + end - 1) / 2 - (len(values) - 1) / 2
        start = end
    return ranks


def _dot(first: Sequence[float], second: Sequence[float]) -> float:
    return math.fsum(map(mul, first, second))


def _spread(items: Sequence[tuple[Mapping[str, Any], float]], most: int) -> list[tuple[Mapping[str, Any], float]]:
    if len(items) <= most:
        return list(items)
    return [items[place * len(items) // most] for place in range(most)]
