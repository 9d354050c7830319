"""The ended runs: the history file, and what it adds up to, at a cost that does not grow with their number.

Rows stay on the disk; in memory is what is asked for all the time, a few bytes a run, and the rows that were looked at
last. ``history_index.json`` keeps the former from start to start, so that a start reads the rows behind it alone. It
is worth nothing by itself: where it is missing, or the history is not the one that it was made of, the whole history
is read once. The same happens, rarely, when results on other data come to be the measure.
"""

from __future__ import annotations

import hashlib
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.result import Direction
from llm_loop.errors import CorruptFileError, FileWriteError
from llm_loop.memory.history import History, HistoryRow, read_rows
from llm_loop.memory.history_index import HistoryIndex
from llm_loop.memory.leaderboard import Leaderboard
from llm_loop.memory.run_names import RunNames
from llm_loop.memory.shown_runs import ShownRuns
from llm_loop.memory.standings import Standings
from llm_loop.system import files

T = TypeVar("T")

SCHEMA_VERSION = 1
KEPT_EVERY_RUNS = 50
_KEPT_ROWS = 360
_TAIL_BYTES = 4096
_NO_FIT = (AttributeError, IndexError, KeyError, TypeError, ValueError)


class PastRuns:
    """Hold what is known of the ended runs, judged by one selection metric.

    ``torn`` is where a torn last line of the history was moved, or None; ``damaged`` names lines that were met and are
    none. Raises FileWriteError where the history cannot be read or written.
    """

    def __init__(self, paths: WorkspacePaths, stamp: str, metric: str, direction: Direction) -> None:
        self._kept = paths.history_index
        self._metric, self._direction = metric, direction
        self._history = History(paths.history, stamp)
        self.torn = self._history.torn
        self.damaged: tuple[CorruptFileError, ...] = ()
        self._rows: OrderedDict[int, HistoryRow] = OrderedDict()
        self._begin_anew(None)
        begins = self._take_up()
        if begins is None:
            self._read_all()
        else:
            self._take_all(self._read(begins))
        if begins is None or self._since_kept > KEPT_EVERY_RUNS:
            self._keep()

    # ------------------------------------------------------------ what is known

    @property
    def last_seq(self) -> int:
        """The ``seq`` of the last row, -1 for none."""
        return self._history.last_seq

    def best_row(self) -> HistoryRow | None:
        """Return the row of the best run so far, None before the first one that ranks."""
        best = self._best
        return None if best is None else self._sure(lambda: self._row_at(best))

    def comparable_rows(self) -> tuple[HistoryRow, ...]:
        """Return runs that compare with each other: the latest 300, and the best 50 before them; oldest first."""
        return self._sure(lambda: tuple(map(self._row_at, self.comparable.offsets())))

    def latest_rows(self, count: int) -> tuple[HistoryRow, ...]:
        """Return the last runs, at most 300, oldest first."""
        return self._sure(lambda: tuple(map(self._row_at, self.latest.latest(count))))

    def board(self, top_k: int) -> Leaderboard:
        """Return the leaderboard."""
        return self._sure(lambda: self.standings.board(top_k, self._row_at))

    # ------------------------------------------------------------ learning

    def append(self, row: HistoryRow) -> bool:
        """Take in a run that ended; False when the history has it already. Raises FileWriteError."""
        begins = self._history.append(row)
        if begins is None:
            return False
        self._remember(begins, row)
        self._take_all([(begins, row)])
        if self._since_kept >= KEPT_EVERY_RUNS:
            self._keep()
        return True

    def use(self, metric: str, direction: Direction) -> None:
        """Judge by another selection metric from now on, which reads the whole history."""
        if (metric, direction) != (self._metric, self._direction):
            self._metric, self._direction = metric, direction
            self._read_all()
            self._keep()

    def _begin_anew(self, data: str | None) -> None:
        self.index = HistoryIndex(self._metric, self._direction)
        self.names = RunNames()
        self.standings = Standings(self._metric, self._direction, data)
        self.latest, self.comparable = ShownRuns(), ShownRuns()
        self._best: int | None = None
        self._since_kept = 0

    def _take_all(self, rows: Iterable[tuple[int, HistoryRow]]) -> None:
        """Take in rows that follow on those that are known; all anew where one of them changes what those mean."""
        for offset, row in rows:
            if self.names.has_ended(row.run_id) or self.standings.turns_to_other_data(row):
                self._read_all()
                return
            self._take(offset, row)

    def _take(self, offset: int, row: HistoryRow) -> None:
        self.index.add(row)
        self.standings.add(offset, row)
        self.names.add(row.run_id, row.label, has_result=row.result is not None)
        self.latest.add(offset, row)
        if row.data_hash in (None, self.standings.data):
            self.comparable.add(offset, row)
        best = self.index.best
        if best is None or best.run_id == row.run_id:
            self._best = None if best is None else offset
        self._since_kept += 1

    def _read_all(self) -> None:
        """Take in the whole history: one row a run, the later one, judged by the data of the latest result."""
        self.damaged = ()
        last: dict[str, tuple[int, str | None]] = {}
        for offset, row in self._read(0):
            last[row.run_id] = offset, row.data_hash if row.ranks else None
        in_order = sorted(last.values(), key=lambda found: found[0])
        self._begin_anew(next((data for _, data in reversed(in_order) if data is not None), None))
        damaged, wanted = self.damaged, {offset for offset, _ in in_order}
        for offset, row in self._read(0):
            if offset in wanted:
                self._take(offset, row)
        self.damaged = damaged

    # ------------------------------------------------------------ rows on the disk

    def _read(self, begins: int) -> Iterable[tuple[int, HistoryRow]]:
        try:
            for offset, row in read_rows(self._history.path, begins):
                if isinstance(row, HistoryRow):
                    yield offset, row
                else:
                    self.damaged += (row,)
        except OSError as error:
            raise FileWriteError(self._history.path, "read", error) from error

    def _row_at(self, offset: int) -> HistoryRow:
        row = self._rows.get(offset)
        if row is None:
            row = self._history.row_at(offset)
        self._remember(offset, row)
        return row

    def _remember(self, offset: int, row: HistoryRow) -> None:
        self._rows[offset] = row
        self._rows.move_to_end(offset)
        if len(self._rows) > _KEPT_ROWS:
            self._rows.popitem(last=False)

    def _sure(self, act: Callable[[], T]) -> T:
        """Return ``act()``; where somebody changed the history meanwhile, once more after reading it anew."""
        try:
            return act()
        except CorruptFileError:
            self._rows.clear()
            self._read_all()
            return act()

    # ------------------------------------------------------------ from start to start

    def _keep(self) -> None:
        """Write down what is known; where that cannot be, the next start reads more."""
        self._since_kept = 0
        value = {
            "schema_version": SCHEMA_VERSION,
            "byte_order": sys.byteorder,
            "metric": self._metric,
            "direction": self._direction.value,
            "best": self._best,
            "index": self.index.to_json(),
            "names": self.names.to_json(),
            "standings": self.standings.to_json(),
            "latest": self.latest.to_json(),
            "comparable": self.comparable.to_json(),
        }
        with suppress(FileWriteError, OSError, ValueError):
            end = self._history.size()
            if end == 0:
                files.remove(self._kept)
                return
            value |= {"bytes": end, "tail": _tail(self._history.path, end)}
            files.replace_text(self._kept, files.json_text(value) + "\n", durable=False)

    def _take_up(self) -> int | None:
        """Go on from what was written down; return where the history goes on behind it, None where that is no use."""
        try:
            value: dict[str, Any] = files.read_json(self._kept)
            known = value["schema_version"], value["byte_order"], value["metric"], value["direction"]
            if known != (SCHEMA_VERSION, sys.byteorder, self._metric, self._direction.value):
                return None
            begins = int(value["bytes"])
            if value["tail"] != _tail(self._history.path, begins):
                return None
            self.index = HistoryIndex.from_json(self._metric, self._direction, value["index"])
            self.names = RunNames.from_json(value["names"])
            self.standings = Standings.from_json(self._metric, self._direction, value["standings"])
            self.latest = ShownRuns.from_json(value["latest"])
            self.comparable = ShownRuns.from_json(value["comparable"])
            self._best = None if value["best"] is None else int(value["best"])
        except (OSError, CorruptFileError, *_NO_FIT):
            return None
        return begins


def _tail(path: Path, end: int) -> str:
    """Return a digest of the last bytes before ``end``, of which there are so many. Raises OSError."""
    with path.open("rb") as stream:
        stream.seek(max(0, end - _TAIL_BYTES))
        return f"{end} {hashlib.blake2b(stream.read(min(end, _TAIL_BYTES)), digest_size=16).hexdigest()}"
