"""What the history adds up to, kept up to date row by row: bests, trend, idea categories."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from llm_loop.contract.decision import IdeaCategory
from llm_loop.contract.result import Direction, higher_is_better
from llm_loop.memory.history import COMPLETED, HistoryRow

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


class HistoryIndex:
    """Hold the ended runs in memory, judged by one selection metric.

    A later row of a run (it was resumed) stands in for the earlier one. Results on other data are no
    measure: when a result names another ``data_hash`` than the one before, bests, trend and categories
    begin anew.
    """

    def __init__(self, metric: str, direction: Direction, rows: Iterable[HistoryRow] = ()) -> None:
        self.metric = metric
        self.direction = direction
        self._rows: dict[str, HistoryRow] = {}
        self._states: Counter[str] = Counter()
        self._failures = 0
        self._data: str | None = None
        self._begin_anew()
        for row in rows:
            self.add(row)

    @property
    def rows(self) -> tuple[HistoryRow, ...]:
        """The ended runs, oldest first, one row a run."""
        return tuple(self._rows.values())

    @property
    def comparable_rows(self) -> tuple[HistoryRow, ...]:
        """The ended runs on the data of the latest result, oldest first; runs without a result among them."""
        return tuple(row for row in self._rows.values() if row.data_hash in (None, self._data))

    @property
    def states(self) -> dict[str, int]:
        """How many runs ended in each state."""
        return dict(self._states)

    @property
    def best(self) -> BestValue | None:
        """The best value of the selection metric, None before the first run that ranks."""
        return self._bests.get(self.metric)

    @property
    def bests(self) -> dict[str, BestValue]:
        """The best value of every metric seen at a best epoch."""
        return dict(self._bests)

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
        """How many of the last runs in a row did not complete."""
        return self._failures

    def add(self, row: HistoryRow) -> None:
        """Take in an ended run."""
        if row.run_id in self._rows:
            kept = [other for other in self._rows.values() if other.run_id != row.run_id]
            self._rows, self._states, self._failures, self._data = {}, Counter(), 0, None
            self._begin_anew()
            for other in kept:
                self.add(other)
        self._rows[row.run_id] = row
        self._states[row.state] += 1
        self._failures = 0 if row.state == COMPLETED else self._failures + 1
        before = self.best
        data = row.data_hash
        if row.ranks and data is not None and data != self._data:
            if self._data is not None:
                self._begin_anew()
                before = None
            self._data = data
        if row.ranks:
            self._count_bests(row)
        self._count_category(row, before)

    def runs_without_gain(self, threshold: float) -> int:
        """Return how many runs that rank have ended since one last beat the best by more than ``threshold``.

        ``threshold`` is in the metric's unit, 0 or more. The first run counts as a gain.
        """
        mark, since = None, 0
        for score in self._scores:
            if mark is None or score > mark + threshold:
                mark, since = score, 0
            else:
                since += 1
        return since

    def delta_to_best(self, value: float, data_hash: str | None = None) -> float | None:
        """Return ``value`` minus the best so far on the same data, in the metric's own unit; None without one."""
        if self.best is None or (data_hash is not None and self._data is not None and data_hash != self._data):
            return None
        return value - self.best.value

    def _begin_anew(self) -> None:
        """Forget what is only comparable on the same data."""
        self._scores: list[float] = []
        self._bests: dict[str, BestValue] = {}
        self._categories: dict[IdeaCategory, CategoryRecord] = {}

    def _count_bests(self, row: HistoryRow) -> None:
        value = row.value_of(self.metric)
        if value is not None:
            self._scores.append(higher_is_better(value, self.direction))
        for name in dict.fromkeys([self.metric, *(row.metrics or {})]):
            value = row.value_of(name)
            if value is None:
                continue
            direction = self.direction if name == self.metric else usual_direction(name)
            best = self._bests.get(name)
            if best is None or higher_is_better(value, direction) > higher_is_better(best.value, direction):
                self._bests[name] = BestValue(
                    metric=name, direction=direction, value=value, run_id=row.run_id, label=row.label
                )

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


def usual_direction(metric: str) -> Direction:
    """Return which way a metric is better, by its name: losses and errors are better small, the rest large.

    Only for metrics beside the selection metric, whose direction the configuration states.
    """
    words = metric.casefold().replace("-", "_").split("_")
    return Direction.MIN if any(word in _SMALLER_IS_BETTER for word in words) else Direction.MAX
