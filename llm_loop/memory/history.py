"""``history.jsonl``: one row an ended run, a projection of the journal."""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from llm_loop.contract.decision import IdeaCategory
from llm_loop.contract.procedure import Failure
from llm_loop.contract.result import Direction, Result
from llm_loop.errors import CorruptFileError, FileWriteError
from llm_loop.memory.journal import set_torn_line_aside
from llm_loop.memory.journal_parts import lines_backwards
from llm_loop.system import files

SCHEMA_VERSION = 1
COMPLETED = "completed"


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    """Hold one ended run.

    ``seq`` is that of the journal event behind the row; a run that is resumed and ends again has a
    later row, which stands for it. ``params`` is the flat configuration as
    decided, where the decision carried one; ``result`` is None for a run without one. ``metrics`` holds every
    metric at the best epoch (of a run without a result: the best that was logged). ``config_hash``
    names what was trained, whatever the seed; it is worked out when it is not given. ``code_version`` is the code that
    ran, ``repository_version`` the training repository's own at that time. ``failure`` is why it failed; None for a run
    that has not, or of before that was told. A failed run without attempts was never launched.
    """

    seq: int
    run_id: str
    label: str
    label_decided: str
    cycle: int
    cycle_trace_id: str
    state: str
    cause: str | None
    proposer: str
    idea_category: IdeaCategory
    started_utc: str | None
    ended_utc: str
    run_seconds: float | None
    attempts: int
    command: str
    params: dict[str, Any] | None = None
    result: Result | None = None
    metrics: dict[str, float] | None = None
    code_version: str | None = None
    repository_version: str | None = None
    peak_memory_bytes: int | None = None
    device_peak_bytes: int | None = None
    cpu_seconds: float | None = None
    failure: Failure | None = None
    config_hash: str | None = None
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        if self.config_hash is None and self.result is not None:
            object.__setattr__(self, "config_hash", config_hash(self.result, self.code_version))
        if self.metrics is not None:
            finite = {name: value for name, value in self.metrics.items() if math.isfinite(value)}
            object.__setattr__(self, "metrics", finite)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Build a row from its JSON form, which only the loop writes. Raises KeyError, TypeError, ValueError."""
        if value["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"schema_version {value['schema_version']} is not known to this version of llm_loop")
        row = dict(value)
        row["idea_category"] = IdeaCategory(row["idea_category"])
        row["params"] = _with_shared_names(row.get("params"))
        if row.get("failure") is not None:
            row["failure"] = Failure(**row["failure"])
        if row["result"] is not None:
            result = dict(row["result"])
            result["params"] = _with_shared_names(result.get("params"))
            result["direction"] = Direction(result["direction"])
            result["interval"] = None if result["interval"] is None else tuple(result["interval"])
            row["result"] = Result(**result)
        return cls(**row)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, every field in it."""
        value = {field.name: getattr(self, field.name) for field in fields(self)}
        value["failure"] = None if self.failure is None else asdict(self.failure)
        value["idea_category"] = self.idea_category.value
        value["result"] = None if self.result is None else self.result.to_json()
        return value

    @property
    def ranks(self) -> bool:
        """Whether the run counts as an experiment with an outcome: completed, or ended early with a marked result."""
        return self.result is not None and (self.state == COMPLETED or self.result.stopped_early)

    @property
    def tells_of_idea(self) -> bool:
        """Whether the run says something of what was tried: a missing package, say, does not."""
        return self.failure is None or self.failure.is_of_idea

    @property
    def data_hash(self) -> str | None:
        """The hash of the data that the result was measured on, where it is known."""
        return None if self.result is None else self.result.data_hash

    def value_of(self, metric: str) -> float | None:
        """Return a metric's finite value at the best epoch, or None."""
        if self.result is not None and self.result.metric == metric:
            return self.result.value if math.isfinite(self.result.value) else None
        return (self.metrics or {}).get(metric)


def _with_shared_names(params: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return parameters under names that all rows share in memory: they are the same in hundreds of rows."""
    return None if params is None else {sys.intern(name): value for name, value in params.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedHistory:
    """Hold the rows of a history file, and a message for each whole line that is none."""

    rows: tuple[HistoryRow, ...] = ()
    damaged: tuple[CorruptFileError, ...] = ()


def load(path: Path) -> LoadedHistory:
    """Read a whole history file; a missing one has no rows. Changes nothing. Raises OSError."""
    found = [row for _, row in read_rows(path)]
    return LoadedHistory(
        rows=tuple(row for row in found if isinstance(row, HistoryRow)),
        damaged=tuple(row for row in found if isinstance(row, CorruptFileError)),
    )


def read_rows(path: Path, offset: int = 0) -> Iterator[tuple[int, HistoryRow | CorruptFileError]]:
    """Yield each whole line from byte ``offset`` on, with where it begins: its row, or why it is none.

    Raises OSError.
    """
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        return
    with stream:
        stream.seek(offset)
        for line in stream:
            if line.endswith(b"\n") and line.strip():
                yield offset, _row_of(path, offset, line)
            offset += len(line)


def latest_of_each(rows: Iterable[HistoryRow]) -> tuple[HistoryRow, ...]:
    """Return one row a run, oldest first: a later one (the run was resumed) stands in for the earlier."""
    found: dict[str, HistoryRow] = {}
    for row in rows:
        found.pop(row.run_id, None)
        found[row.run_id] = row
    return tuple(found.values())


class History:
    """Hold the history file for its one writer, who knows a row by the byte at which it begins.

    ``torn`` is the file beside it to which a torn last line was moved, or None. Raises FileWriteError when that cannot
    be done or the file not be read.
    """

    def __init__(self, path: Path, stamp: str) -> None:
        self.path = path
        self.torn = set_torn_line_aside(path, stamp)
        try:
            self.last_seq = last_seq(path)
        except OSError as error:
            raise FileWriteError(path, "read", error) from error

    def append(self, row: HistoryRow) -> int | None:
        """Append a row and return where it begins; None when a row of its ``seq`` or a later one is there.

        Raises FileWriteError.
        """
        if row.seq <= self.last_seq:
            return None
        begins = self.size()
        files.append_line(self.path, files.json_text(row.to_json()))
        self.last_seq = row.seq
        return begins

    def size(self) -> int:
        """Return the file's size in bytes, 0 when there is none. Raises FileWriteError."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise FileWriteError(self.path, "look at", error) from error

    def row_at(self, offset: int) -> HistoryRow:
        """Return the row that begins at ``offset``. Raises CorruptFileError when there is none, FileWriteError."""
        try:
            _, row = next(read_rows(self.path, offset), (0, None))
        except OSError as error:
            raise FileWriteError(self.path, "read", error) from error
        if isinstance(row, HistoryRow):
            return row
        raise row or CorruptFileError(self.path, f"no row begins at byte {offset}; the file was changed")


def _row_of(path: Path, offset: int, line: bytes) -> HistoryRow | CorruptFileError:
    try:
        return HistoryRow.from_json(json.loads(line.removeprefix(b"\xef\xbb\xbf")))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        return CorruptFileError(path, f"at byte {offset} is not a history row ({error}); it is left out")


def last_seq(path: Path) -> int:
    """Return the ``seq`` of a history file's last row, -1 for none; reads its end alone. Raises OSError."""
    for line in lines_backwards(path):
        if isinstance(row := _row_of(path, 0, line), HistoryRow):
            return row.seq
    return -1


def config_hash(result: Result, code_version: str | None) -> str | None:
    """Return 12 hex digits that name what was trained, or None when the parameters are not known.

    In it: parameters without seeds, model, budget, code version, trainer version, data hash, split and
    number of images. Runs that share it differ by seed alone.
    """
    if result.params is None:
        return None
    named = asdict(result)
    identity = {name: named[name] for name in ("model", "budget", "trainer_version", "data_hash", "split", "n")}
    identity["params"] = {key: value for key, value in result.params.items() if key.rpartition(".")[2] != "seed"}
    identity["code_version"] = code_version
    text = json.dumps(identity, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:12]
