"""What the history adds up to, kept up to date row by row: bests, trend, idea categories."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Self

from llm_loop.contract.decision import IdeaCategory
from llm_loop.contract.result import Direction, higher_is_better
from llm_loop.memory.history import COMPLETED, HistoryRow, latest_of_each

_SMALLER_IS_BETTER = ("loss", "error", "err", "brier", "ece", "nll", "mae", "mse", "rmse", "perplexity")


@dataclass(frozen=True, slots=True, kw_only=True)
class BestValue:
    """Hold the best value of one metric so far and the run that reached it."""

    metric: str
    direction: Direction
    value: float
    run_id: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryRecord:
    """Say how an idea category paid.

    ``tried`` counts ended runs, ``ranked`` those with an outcome, ``improved`` those that beat the best
    before them; ``gain`` is the sum of these improvements in the metric's unit (0 or more), ``best`` the
    category's best value. The very first run sets the mark and improves on nothing.
    """

    tried: int = 0
    ranked: int = 0
    improved: int = 0
    gain: float = 0.0
    best: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Extremes:
    """Hold the lowest and the highest value that a run reached of one metric; the first run of equal ones."""

    low: BestValue
    high: BestValue

    def best(self, direction: Direction) -> BestValue:
        """Return the better end."""
        return self.low if direction is Direction.MIN else self.high


class HistoryIndex:
    """Hold what the ended runs add up to, judged by one selection metric; not the runs themselves.

    Each run is added once. Results on other data are no measure: when a result names another ``data_hash`` than the
    one before, bests, trend and categories begin anew.
    """

    def __init__(self, metric: str, direction: Direction, rows: Iterable[HistoryRow] = ()) -> None:
        self.metric = metric
        self.direction = direction
        self.runs = 0
        self._states: Counter[str] = Counter()
        self._failures = 0
        self._data: str | None = None
        self._begin_anew()
        for row in latest_of_each(rows):
            self.add(row)

    @property
    def states(self) -> dict[str, int]:
        """How many runs ended in each state."""
        return dict(self._states)

    @property
    def best(self) -> BestValue | None:
        """The best value of the selection metric, None before the first run that ranks."""
        found = self._extremes.get(self.metric)
        return None if found is None else found.best(self.direction)

    @property
    def extremes(self) -> dict[str, Extremes]:
        """The lowest and the highest value of every metric seen at a best epoch."""
        return dict(self._extremes)

    @property
    def categories(self) -> dict[IdeaCategory, CategoryRecord]:
        """How each category that was tried has paid."""
        return dict(self._categories)

    @property
    def runs_since_improvement(self) -> int:
        """How many runs that rank have ended since the best one; waits and failures are none."""
        return self.runs_without_gain(0.0)

    @property
    def consecutive_failures(self) -> int:
        """How many of the last runs in a row did not complete; failures that say nothing of the idea do not count."""
        return self._failures

    def add(self, row: HistoryRow) -> None:
        """Take in an ended run."""
        self.runs += 1
        self._states[row.state] += 1
        if row.state == COMPLETED:
            self._failures = 0
        elif row.tells_of_idea:
            self._failures += 1
        before = self.best
        data = row.data_hash
        if row.ranks and data is not None and data != self._data:
            if self._data is not None:
                self._begin_anew()
                before = None
            self._data = data
        if row.ranks:
            self._count_bests(row)
        if row.tells_of_idea:  # a missing package says nothing of an idea
            self._count_category(row, before)

    def runs_without_gain(self, threshold: float) -> int:
        """Return how many runs that rank have ended since one last beat the best by more than ``threshold``.

        ``threshold`` is in the metric's unit, 0 or more. The first run counts as a gain.
        """
        mark, since = None, self._ranked
        for place, score in self._records:  # whatever beats a mark by some threshold is a record
            if mark is None or score > mark + threshold:
                mark, since = score, self._ranked - place
        return since

    def delta_to_best(self, value: float, data_hash: str | None = None) -> float | None:
        """Return ``value`` minus the best so far on the same data, in the metric's own unit; None without one."""
        if self.best is None or (data_hash is not None and self._data is not None and data_hash != self._data):
            return None
        return value - self.best.value

    def to_json(self) -> dict[str, Any]:
        """Return a form to go on from."""
        return {
            "runs": self.runs,
            "states": dict(self._states),
            "failures": self._failures,
            "data": self._data,
            "ranked": self._ranked,
            "records": self._records,
            "extremes": {name: asdict(found) for name, found in self._extremes.items()},
            "categories": {name.value: asdict(record) for name, record in self._categories.items()},
        }

    @classmethod
    def from_json(cls, metric: str, direction: Direction, value: dict[str, Any]) -> Self:
        """Go on from a form of before. Raises KeyError, TypeError, ValueError."""
        index = cls(metric, direction)
        index.runs, index._failures, index._data = int(value["runs"]), int(value["failures"]), value["data"]
        index._states = Counter(value["states"])
        index._ranked = int(value["ranked"])
        index._records = [(int(place), float(score)) for place, score in value["records"]]
        index._extremes = {
            name: Extremes(**{end: _best_value(found[end]) for end in ("low", "high")})
            for name, found in value["extremes"].items()
        }
        categories = value["categories"].items()
        index._categories = {IdeaCategory(name): CategoryRecord(**record) for name, record in categories}
        return index

    def _begin_anew(self) -> None:
        """Forget what is only comparable on the same data."""
        self._ranked = 0
        self._records: list[tuple[int, float]] = []  # how many ranked up to it, and a score better than all before
        self._extremes: dict[str, Extremes] = {}
        self._categories: dict[IdeaCategory, CategoryRecord] = {}

    def _direction_of(self, metric: str) -> Direction:
        return self.direction if metric == self.metric else usual_direction(metric)

    def _count_bests(self, row: HistoryRow) -> None:
        value = row.value_of(self.metric)
        if value is not None:
            self._ranked += 1
            score = higher_is_better(value, self.direction)
            if not self._records or score > self._records[-1][1]:
                self._records.append((self._ranked, score))
        for name in dict.fromkeys([self.metric, *(row.metrics or {})]):
            value = row.value_of(name)
            if value is None:
                continue
            known = self._extremes.get(name)
            if known is None or value < known.low.value or value > known.high.value:
                found = BestValue(
                    metric=name, direction=self._direction_of(name), value=value, run_id=row.run_id, label=row.label
                )
                low = found if known is None or value < known.low.value else known.low
                high = found if known is None or value > known.high.value else known.high
                self._extremes[name] = Extremes(low=low, high=high)

    def _count_category(self, row: HistoryRow, before: BestValue | None) -> None:
        old = self._categories.get(row.idea_category, CategoryRecord())
        value = row.value_of(self.metric) if row.ranks else None
        gain, best = 0.0, old.best
        if value is not None:
            score = higher_is_better(value, self.direction)
            if before is not None:
                gain = max(0.0, score - higher_is_better(before.value, self.direction))
            if best is None or score > higher_is_better(best, self.direction):
                best = value
        self._categories[row.idea_category] = CategoryRecord(
            tried=old.tried + 1,
            ranked=old.ranked + (value is not None),
            improved=old.improved + (gain > 0),
            gain=old.gain + gain,
            best=best,
        )


def _best_value(value: dict[str, Any]) -> BestValue:
    return BestValue(**{**value, "direction": Direction(value["direction"])})


def usual_direction(metric: str) -> Direction:
    """Return which way a metric is better, by its name: losses and errors are better small, the rest large.

    Only for metrics beside the selection metric, whose direction the configuration states.
    """
    words = metric.casefold().replace("-", "_").split("_")
    return Direction.MIN if any(word in _SMALLER_IS_BETTER for word in words) else Direction.MAX
