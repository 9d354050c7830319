"""The ended runs, ranked: from the leaderboard's file, which the loop writes after each run.

Where that is missing, damaged, or has not heard of the last row of the history yet, the whole history is read; what was
read is read again only when it changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llm_loop.config import Config
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.result import Direction
from llm_loop.memory import history, leaderboard
from llm_loop.memory.history import HistoryRow, LoadedHistory, latest_of_each
from llm_loop.memory.history_index import HistoryIndex
from llm_loop.memory.journal_parts import lines_backwards
from llm_loop.memory.leaderboard import Entry, Leaderboard
from llm_loop.system import files
from llm_loop.views.decisions import LABEL_CHARACTERS
from llm_loop.views.snapshot import BestRun
from llm_loop.views.typed_values import fits
from llm_loop.views.untrusted import clean, dict_of, number_of, text_of
from llm_loop.views.watched_file import WatchedFile

PLACES = 5
_EMPTY = LoadedHistory()
_NO_FIT = (AttributeError, KeyError, TypeError, ValueError)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """Hold what the history comes to; ``last_seq`` is its last row's, ``damaged`` says what of it is unreadable."""

    last_seq: int = -1
    board: Leaderboard | None = None
    states: Mapping[str, int]
    best: BestRun | None = None
    damaged: str | None = None


_NOTHING = _Known(states={})


class Ranking:
    """Rank a workspace's history.

    ``metric`` and ``direction`` are those that the loop last ranked by, else the configured ones, else
    those of the last result; None while nothing tells. ``notes`` name what could not be read.
    """

    def __init__(self, paths: WorkspacePaths) -> None:
        self._end = WatchedFile(paths.history, _seq_at_end)
        self._history = WatchedFile(paths.history, history.load)
        self._board_file = WatchedFile(paths.leaderboard_json, read_object)
        self._judged: tuple[object, ...] = ()
        self._problem: str | None = None
        self._known = _NOTHING
        self.board: Leaderboard | None = None
        self.metric: str | None = None
        self.direction: Direction | None = None

    def look(self, config: Config | None) -> None:
        """Take up what has changed. Raises nothing."""
        written, last_seq = self._board_file.look(), self._end.look()
        configured = None if config is None else (config.selection_metric, config.selection_direction)
        if (written, last_seq, configured, self._end.changed_ns) == self._judged:
            return
        self._judged = written, last_seq, configured, self._end.changed_ns
        self._problem = None
        self.metric, self.direction = _ranked_by(dict_of(written)) or configured or (None, None)
        known = _of_file(dict_of(written))
        self._known = known if known is not None and known.last_seq == last_seq else self._of_history()
        board = self._known.board
        self.board = None if board is None else _shown(board)

    @property
    def notes(self) -> tuple[str, ...]:
        """One line for each thing that could not be read."""
        problems = [self._end.problem, self._board_file.problem, self._problem, self._known.damaged]
        return tuple(problem for problem in problems if problem is not None)

    @property
    def states(self) -> dict[str, int]:
        """How many runs ended in each state."""
        return dict(self._known.states)

    def best(self, beat: dict[str, Any]) -> BestRun | None:
        """Return the best run of the history, else the one that the heartbeat ``beat`` names."""
        return self._known.best or _best_run(dict_of(beat.get("best")))

    def _of_history(self) -> _Known:
        """Rank the whole history."""
        loaded = self._history.look() or _EMPTY
        damaged = None
        if loaded.damaged:
            damaged = f"{len(loaded.damaged)} unreadable in the history: {loaded.damaged[0]}"
        result = next((row.result for row in reversed(loaded.rows) if row.result is not None), None)
        if self.metric is None and result is not None:
            self.metric, self.direction = result.metric, result.direction
        if not loaded.rows or self.metric is None or self.direction is None:
            return replace(_NOTHING, damaged=damaged)
        try:
            return replace(_ranked(loaded, self.metric, self.direction), damaged=damaged)
        except _NO_FIT as error:  # a row changed by hand
            self._problem = f"{self._history.path}: cannot be ranked: {error}"
            return replace(_NOTHING, damaged=damaged)


def _ranked(loaded: LoadedHistory, metric: str, direction: Direction) -> _Known:
    index = HistoryIndex(metric, direction, loaded.rows)
    board = leaderboard.build(latest_of_each(loaded.rows), metric, direction, PLACES)
    best = index.best
    return _Known(
        board=board,
        states=index.states,
        best=None if best is None else _best_run({name: getattr(best, name) for name in best.__slots__}),
    )


def _of_file(written: Mapping[str, Any]) -> _Known | None:
    """Return what the leaderboard's file says of all runs; None where it is not whole."""
    try:
        board, last_seq, states = Leaderboard.from_json(written), written["last_seq"], written["states"]
        best = None if written["best"] is None else _best_run(written["best"])
    except _NO_FIT:
        return None
    known = _Known(last_seq=last_seq, board=board, states=states, best=best)
    return known if fits(known, _Known) and (best is None) == (written["best"] is None) else None


def _seq_at_end(path: Path) -> int | None:
    """Return the ``seq`` of a history's last line, None where that is no row; one that is being written does not count.

    Raises OSError.
    """
    lines = lines_backwards(path)
    if not files.read_tail(path, 1).endswith("\n"):
        next(lines, None)
    try:
        return int(HistoryRow.from_json(json.loads(next(lines, b""))).seq)
    except _NO_FIT:
        return None


def _best_run(said: Mapping[str, Any]) -> BestRun | None:
    value, metric = number_of(said.get("value")), text_of(said.get("metric"), 60)
    run_id, label = text_of(said.get("run_id"), 40), text_of(said.get("label"), LABEL_CHARACTERS)
    if value is None or metric is None or run_id is None or label is None:
        return None
    return BestRun(run_id=run_id, label=label, metric=metric, value=value)


def _ranked_by(written: Mapping[str, Any]) -> tuple[str, Direction] | None:
    metric = text_of(written.get("metric"), 60)
    if metric is None or written.get("direction") not in ("min", "max"):
        return None
    return metric, Direction(written["direction"])


def read_object(path: Path) -> dict[str, Any]:
    """Return a JSON file's object. Raises ValueError when it holds something else, and what ``read_json`` raises."""
    value = files.read_json(path)
    if not isinstance(value, dict):
        raise ValueError("it holds no JSON object")
    return value


def _shown(board: Leaderboard) -> Leaderboard:
    entries = tuple(_shown_entry(entry) for entry in board.entries[:PLACES])
    return replace(board, entries=entries, top_k=PLACES)


def _shown_entry(entry: Entry) -> Entry:
    return replace(
        entry,
        label=clean(entry.label, LABEL_CHARACTERS),
        model=text_of(entry.model, 60),
        proposer=clean(entry.proposer, 60),
    )
