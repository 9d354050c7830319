"""The course of the search: every run at its time, the best so far, and the runs at which it turned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from llm_loop.contract.result import higher_is_better
from llm_loop.memory.comparison import Comparer, Comparison
from llm_loop.memory.history import HistoryRow
from llm_loop.memory.leaderboard import Leaderboard
from llm_loop.report.facts import new_bests
from llm_loop.report.work_time import WorkTime
from llm_loop.system.clock import parse_utc


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Hold one ended run. ``value`` is None for one that does not rank; ``hours`` are those at work until its end."""

    run_id: str
    label: str
    state: str
    hours: float
    value: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TurningPoint:
    """Hold a run that was better than all before it.

    ``gain`` is by how much, in the metric's unit, None for the first run. ``comparison`` judges its configuration
    against the one that led before by all that is known by now, seeds that came later among it; None for the first, and
    for a repeat of the same configuration.
    """

    row: HistoryRow
    value: float
    hours: float
    gain: float | None
    comparison: Comparison | None

    @property
    def is_more_than_noise(self) -> bool:
        """Whether the two configurations differ by more than the noise."""
        return self.comparison is not None and self.comparison.tied is False and self.comparison.gain > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Hold the points and turning points, oldest first, and how many runs ranked since the last of those."""

    points: tuple[Point, ...] = ()
    turning_points: tuple[TurningPoint, ...] = ()
    ranked_since: int = 0


def course_of(rows: tuple[HistoryRow, ...], board: Leaderboard, work_time: WorkTime) -> Search:
    """Return the course of the search over all ended runs."""
    ranked = {run_id for entry in board.entries for run_id in entry.run_ids}
    hours = {row.run_id: _hours(row, work_time) for row in rows}
    points = tuple(
        Point(
            run_id=row.run_id,
            label=row.label,
            state=row.state,
            hours=hours[row.run_id],
            value=row.value_of(board.metric) if row.run_id in ranked else None,
        )
        for row in rows
    )
    turns = _turning_points(rows, board, hours)
    order = [point.run_id for point in points if point.value is not None]
    since = len(order) - 1 - order.index(turns[-1].row.run_id) if turns else 0
    return Search(points=points, turning_points=turns, ranked_since=since)


def _turning_points(
    rows: tuple[HistoryRow, ...], board: Leaderboard, hours: Mapping[str, float]
) -> tuple[TurningPoint, ...]:
    entries = {run_id: entry for entry in board.entries for run_id in entry.run_ids}
    comparer, found = Comparer(board), list[TurningPoint]()
    for row in new_bests(rows, board):
        value = row.value_of(board.metric)
        assert value is not None  # it ranks
        gain, comparison = None, None
        if found:
            before = found[-1]
            gain = higher_is_better(value, board.direction) - higher_is_better(before.value, board.direction)
            one, other = entries[before.row.run_id], entries[row.run_id]
            comparison = None if one is other else comparer.compare(one, other)
        turn = TurningPoint(row=row, value=value, hours=hours[row.run_id], gain=gain, comparison=comparison)
        found.append(turn)
    return tuple(found)


def _hours(row: HistoryRow, work_time: WorkTime) -> float:
    try:
        return work_time.hours_at(parse_utc(row.ended_utc))
    except (TypeError, ValueError, OverflowError):
        return 0.0
