"""What each category of ideas came to: counts of what happened, not a controlled ablation."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from llm_loop.contract.result import Direction, higher_is_better
from llm_loop.memory.history import HistoryRow
from llm_loop.memory.leaderboard import Leaderboard
from llm_loop.report.search import Search


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryOutcome:
    """Hold one category of ideas.

    ``new_bests`` counts its runs that were better than all before them, ``gain`` sums by how much, in the metric's
    unit; the first run of all, which has nothing before it, is in neither.
    """

    category: str
    runs: int
    ranked: int
    failed: int
    best: float | None
    median: float | None
    new_bests: int
    gain: float


def outcomes_by_category(rows: Sequence[HistoryRow], board: Leaderboard, search: Search) -> tuple[CategoryOutcome, ...]:
    """Return the categories that were tried, the one that gained most first."""
    groups: dict[str, list[HistoryRow]] = {}
    for row in rows:
        groups.setdefault(row.idea_category.value, []).append(row)
    ranked = {point.run_id for point in search.points if point.value is not None}
    found = [_outcome(name, group, board, search, ranked) for name, group in groups.items()]
    return tuple(sorted(found, key=lambda one: (-one.gain, -one.runs, one.category)))


def _outcome(
    name: str, group: Sequence[HistoryRow], board: Leaderboard, search: Search, ranked: set[str]
) -> CategoryOutcome:
    values = [value for row in group if row.run_id in ranked and (value := row.value_of(board.metric)) is not None]
    gains = [
        turn.gain for turn in search.turning_points if turn.gain is not None and turn.row.idea_category.value == name
    ]
    return CategoryOutcome(
        category=name,
        runs=len(group),
        ranked=len(values),
        failed=sum(row.failure is not None for row in group),
        best=_best(values, board.direction),
        median=statistics.median(values) if values else None,
        new_bests=len(gains),
        gain=sum(gains),
    )


def _best(values: Sequence[float], direction: Direction) -> float | None:
    return max(values, key=lambda value: higher_is_better(value, direction), default=None)
