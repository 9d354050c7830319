"""How the best has come on, and what is still to be done: bounded, whatever lies behind a workspace."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

from llm_loop.contract.outside_file import read_outside
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.result import Direction, higher_is_better
from llm_loop.memory.history import HistoryRow
from llm_loop.memory.journal_parts import lines_backwards
from llm_loop.memory.todo_text import open_todos
from llm_loop.views.untrusted import clean
from llm_loop.views.watched_file import WatchedFile

MOST_RUNS = 100
MOST_TODOS = 3
_TODO_BYTES = 1_000_000
_TODO_CHARACTERS = 200
_NO_FIT = (AttributeError, KeyError, TypeError, ValueError, RecursionError)


class Course:
    """Look at the last runs and the shared TODO again and again; what stands as it was is not read anew."""

    def __init__(self, paths: WorkspacePaths) -> None:
        self._rows = WatchedFile(paths.history, _last_rows)
        self._todo = WatchedFile(paths.shared_todo, _open_entries)

    def best_so_far(self, metric: str | None, direction: Direction | None) -> tuple[float, ...]:
        """Return the best value after each of the last 100 ended runs that rank, oldest first. Raises nothing."""
        if metric is None or direction is None:
            return ()
        found: list[float] = []
        for row in self._rows.look() or ():
            value = row.value_of(metric) if row.ranks else None
            if value is not None:
                ahead = not found or higher_is_better(value, direction) > higher_is_better(found[-1], direction)
                found.append(value if ahead else found[-1])
        return tuple(found)

    def todo(self) -> tuple[int, tuple[str, ...]]:
        """Return how many entries of the shared TODO are open, and the first 3. Raises nothing."""
        entries = self._todo.look() or ()
        return len(entries), entries[:MOST_TODOS]


def _last_rows(path: Path) -> tuple[HistoryRow, ...]:
    rows = []
    for line in islice(lines_backwards(path), MOST_RUNS):
        try:
            rows.append(HistoryRow.from_json(json.loads(line)))
        except _NO_FIT:  # named by the ranking, which reads them all
            continue
    return tuple(reversed(rows))


def _open_entries(path: Path) -> tuple[str, ...]:
    text = read_outside(path, _TODO_BYTES).decode("utf-8-sig", "replace")
    todos = open_todos(text.replace("\r\n", "\n"))
    return tuple(f"[{todo.id}] {clean(todo.text, _TODO_CHARACTERS)}" for todo in todos)
