"""The ended runs, ranked: read again only when the history changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from llm_loop.config import Config
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.result import Direction
from llm_loop.memory import history, leaderboard
from llm_loop.memory.history import LoadedHistory
from llm_loop.memory.history_index import HistoryIndex
from llm_loop.memory.leaderboard import Entry, Leaderboard
from llm_loop.system import files
from llm_loop.views.decisions import LABEL_CHARACTERS
from llm_loop.views.snapshot import BestRun
from llm_loop.views.untrusted import clean, dict_of, number_of, text_of
from llm_loop.views.watched_file import WatchedFile

PLACES = 5
_EMPTY = LoadedHistory()


class Ranking:
    """Rank a workspace's history.

    ``metric`` and ``direction`` are those that the loop last ranked by, else the configured ones, else
    those of the last result; None while nothing tells. ``notes`` name what could not be read.
    """

    def __init__(self, paths: WorkspacePaths) -> None:
        self._history = WatchedFile(paths.history, history.load)
        self._board_file = WatchedFile(paths.leaderboard_json, read_object)
        self._ranked: LoadedHistory | None = None
        self._problem: str | None = None
        self._index: HistoryIndex | None = None
        self.board: Leaderboard | None = None
        self.metric: str | None = None
        self.direction: Direction | None = None

    def look(self, config: Config | None) -> None:
        """Take up what has changed. Raises nothing."""
        loaded = self._history.look() or _EMPTY
        selection = self._selection(config, loaded)
        if loaded is self._ranked and selection == (self.metric, self.direction):
            return
        self._ranked, (self.metric, self.direction) = loaded, selection
        self._index, self.board, self._problem = None, None, None
        if loaded.rows and self.metric is not None and self.direction is not None:
            try:
                self._rank(loaded, self.metric, self.direction)
            except (TypeError, ValueError, AttributeError) as error:  # a row changed by hand
                self._problem = f"{self._history.path}: cannot be ranked: {error}"

    @property
    def notes(self) -> tuple[str, ...]:
        """One line for each thing that could not be read."""
        loaded = self._history.look() or _EMPTY
        problems = [self._history.problem, self._board_file.problem, self._problem]
        if loaded.damaged:
            problems.append(f"{len(loaded.damaged)} unreadable in the history: {loaded.damaged[0]}")
        return tuple(problem for problem in problems if problem is not None)

    @property
    def states(self) -> dict[str, int]:
        """How many runs ended in each state."""
        return {} if self._index is None else self._index.states

    def best(self, beat: dict[str, Any]) -> BestRun | None:
        """Return the best run of the history, else the one that the heartbeat ``beat`` names."""
        if self._index is not None and (best := self._index.best) is not None:
            label = clean(best.label, LABEL_CHARACTERS)
            return BestRun(run_id=clean(best.run_id, 40), label=label, metric=clean(best.metric, 60), value=best.value)
        said = dict_of(beat.get("best"))
        value, metric = number_of(said.get("value")), text_of(said.get("metric"), 60)
        run_id, label_said = text_of(said.get("run_id"), 40), text_of(said.get("label"), LABEL_CHARACTERS)
        if value is None or metric is None or run_id is None or label_said is None:
            return None
        return BestRun(run_id=run_id, label=label_said, metric=metric, value=value)

    def _rank(self, loaded: LoadedHistory, metric: str, direction: Direction) -> None:
        index = HistoryIndex(metric, direction, loaded.rows)
        board = leaderboard.build(index.rows, metric, direction, PLACES)
        self.board = replace(board, entries=tuple(_shown(entry) for entry in board.entries))
        self._index = index

    def _selection(self, config: Config | None, loaded: LoadedHistory) -> tuple[str | None, Direction | None]:
        board = dict_of(self._board_file.look())
        metric = text_of(board.get("metric"), 60)
        if metric is not None and board.get("direction") in ("min", "max"):
            return metric, Direction(board["direction"])
        if config is not None:
            return config.selection_metric, config.selection_direction
        result = next((row.result for row in reversed(loaded.rows) if row.result is not None), None)
        return (None, None) if result is None else (result.metric, result.direction)


def read_object(path: Path) -> dict[str, Any]:
    """Return a JSON file's object. Raises ValueError when it holds something else, and what ``read_json`` raises."""
    value = files.read_json(path)
    if not isinstance(value, dict):
        raise ValueError("it holds no JSON object")
    return value


def _shown(entry: Entry) -> Entry:
    return replace(
        entry,
        label=clean(entry.label, LABEL_CHARACTERS),
        model=text_of(entry.model, 60),
        proposer=clean(entry.proposer, 60),
    )
