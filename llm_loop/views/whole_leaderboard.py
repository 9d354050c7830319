"""The leaderboard of every ended run, to any number of places: ranked from the history, not from the loop's page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llm_loop.config import Config
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.result import Direction
from llm_loop.memory import history, leaderboard
from llm_loop.memory.history import HistoryRow, latest_of_each
from llm_loop.memory.leaderboard import Leaderboard
from llm_loop.views.ranking import Ranking


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeLeaderboard:
    """Hold the ranking with the rows behind it, one a run, oldest first.

    ``board`` is None while no run has ended or nothing tells by which metric to rank. ``notes`` name lines of the
    history that are not readable and left out.
    """

    board: Leaderboard | None
    rows: Sequence[HistoryRow]
    notes: tuple[str, ...]


def whole_leaderboard(paths: WorkspacePaths, config: Config | None, top_k: int) -> WholeLeaderboard:
    """Rank every ended run. Reads files alone; a loop may write them meanwhile. Raises OSError."""
    ranking = Ranking(paths)
    ranking.look(config)
    loaded = history.load(paths.history)
    rows = latest_of_each(loaded.rows)
    notes = tuple(str(damaged) for damaged in loaded.damaged)
    if ranking.metric is None or not rows:
        return WholeLeaderboard(board=None, rows=rows, notes=notes)
    board = leaderboard.build(rows, ranking.metric, ranking.direction or Direction.MIN, top_k)
    return WholeLeaderboard(board=board, rows=rows, notes=notes)
