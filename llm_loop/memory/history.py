"""``history.jsonl``: one row an ended run, a projection of the journal."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from llm_loop.contract.decision import IdeaCategory
from llm_loop.contract.result import Direction, Result
from llm_loop.errors import CorruptFileError, FileWriteError
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
    ran, ``repository_version`` the training repository's own at that time.
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
        if row["result"] is not None:
            result = dict(row["result"])
            result["direction"] = Direction(result["direction"])
            result["interval"] = None if result["interval"] is None else tuple(result["interval"])
            row["result"] = Result(**result)
        return cls(**row)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, every field in it."""
        value = {field.name: getattr(self, field.name) for field in fields(self)}
        value["idea_category"] = self.idea_category.value
        value["result"] = None if self.result is None else self.result.to_json()
        return value

    @property
    def ranks(self) -> bool:
        """Whether the run counts as an experiment with an outcome: completed, or ended early with a marked result."""
        return self.result is not None and (self.state == COMPLETED or self.result.stopped_early)

    @property
    def data_hash(self) -> str | None:
        """The hash of the data that the result was measured on, where it is known."""
        return None if self.result is None else self.result.data_hash

    def value_of(self, metric: str) -> float | None:
        """Return a metric's finite value at the best epoch, or None."""
        if self.result is not None and self.result.metric == metric:
            return self.result.value if math.isfinite(self.result.value) else None
        return (self.metrics or {}).get(metric)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedHistory:
    """Hold the rows of a history file and what could not be read of it.

    ``torn`` is a last line that was cut short (its text, undecodable bytes replaced), ``damaged`` one
    message for each other line that does not parse. ``sound_bytes`` is the size without the torn line.
    """

    rows: tuple[HistoryRow, ...] = ()
    torn: str | None = None
    damaged: tuple[CorruptFileError, ...] = ()
    sound_bytes: int = 0


def load(path: Path) -> LoadedHistory:
    """Read a history file; a missing one has no rows. Changes nothing. Raises OSError."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return LoadedHistory()
    sound, _, torn = data.rpartition(b"\n")
    rows, damaged = [], []
    for number, line in enumerate(sound.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            rows.append(HistoryRow.from_json(json.loads(line)))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            damaged.append(CorruptFileError(path, f"line {number} is not a history row ({error}); it is left out"))
    return LoadedHistory(
        rows=tuple(rows),
        torn=torn.decode("utf-8", "replace") if torn else None,
        damaged=tuple(damaged),
        sound_bytes=len(data) - len(torn),
    )


class History:
    """Hold the history file for its one writer.

    ``loaded`` says what was found at the start; a torn last line is moved to ``<name>.torn-<stamp>``
    before anything is appended. Raises FileWriteError when that cannot be done or the file not be read.
    """

    def __init__(self, path: Path, stamp: str) -> None:
        self.path = path
        try:
            self.loaded = load(path)
        except OSError as error:
            raise FileWriteError(path, "read", error) from error
        self._last_seq = max((row.seq for row in self.loaded.rows), default=-1)
        if self.loaded.torn is not None:
            sound = path.read_bytes()[: self.loaded.sound_bytes]
            files.replace_text(path.with_name(f"{path.name}.torn-{stamp}"), self.loaded.torn)
            files.replace_text(path, sound.decode("utf-8-sig", "replace"))

    def append(self, row: HistoryRow) -> bool:
        """Append a row; False when a row of its ``seq`` or a later one is there. Raises FileWriteError."""
        if row.seq <= self._last_seq:
            return False
        files.append_line(self.path, files.json_text(row.to_json()))
        self._last_seq = row.seq
        return True


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
