"""What a training says of its progress: rows of metrics, from files and from printed lines.

Three sources, so that a foreign trainer works unchanged: ``metrics.jsonl`` (one JSON object a line),
``metrics.json`` with a ``history`` list, and printed lines that are a dict or a JSON object holding
``epoch`` and at least one ``val_*`` key. Everything here is untrusted: lines are bounded, what does not
parse is passed over, numbers may be NaN. What a look may cost is bounded by bytes: a JSON row takes about
10 microseconds, a printed dict many times that.
"""

from __future__ import annotations

import ast
import json
import math
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from llm_loop.contract.outside_file import open_outside, read_outside, tail_outside

MAX_LINE_BYTES = 20_000
MAX_DICT_BYTES = 2_000
MAX_DICTS_BYTES = 200_000
_FEED_BYTES = 32_768
_FEED_DICT_BYTES = 4_096
MAX_METRICS_JSON_BYTES = 20_000_000
_NOT_FINITE = re.compile(r"(?<![\w'\"])-?(nan|inf|NaN|Infinity)(?![\w'\"])")

Row = dict[str, Any]


class LogReader:
    """Read a growing file piece by piece; a file that shrank is read from its start."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.offset = 0

    def read(self, max_bytes: int) -> bytes:
        """Return what is new, at most ``max_bytes``; b"" when nothing is or the file is missing."""
        try:
            size = self._path.stat().st_size
            if size == self.offset:
                return b""
            if size < self.offset:
                self.offset = 0
            with open_outside(self._path) as stream:
                stream.seek(self.offset)
                piece = stream.read(max_bytes)
        except OSError:
            return b""
        self.offset += len(piece)
        return piece


class RowReader:
    """Collect metric rows from the whole lines of a growing stream of bytes."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> list[Row]:
        """Return the rows on the lines that ``piece`` completes: of a flood the last ones."""
        *lines, rest = (self._rest + piece).split(b"\n")
        self._rest = rest[-MAX_LINE_BYTES:]
        return _rows_from_the_last(lines, _FEED_BYTES, _FEED_DICT_BYTES)


class _Patience:
    """Hold how many bytes of printed dicts may still be read: they cost a hundred times what JSON costs."""

    def __init__(self, dict_bytes: int) -> None:
        self.left = dict_bytes

    def covers(self, line: bytes) -> bool:
        """Take a line's bytes; tell whether they are there."""
        self.left -= len(line)
        return self.left >= 0 and len(line) <= MAX_DICT_BYTES


def row_of(line: bytes, patience: _Patience | None = None) -> Row | None:
    """Return the metric row on one line, or None."""
    line = line.strip()
    if not line.startswith(b"{") or not line.endswith(b"}") or len(line) > MAX_LINE_BYTES or b"epoch" not in line:
        return None
    value = _parse(line, patience or _Patience(MAX_DICT_BYTES))
    if not isinstance(value, dict) or not isinstance(value.get("epoch"), int | float):
        return None
    return value if any(str(key).startswith("val_") for key in value) else None


def rows_of_metrics_json(path: Path) -> list[Row]:
    """Return the rows of a ``metrics.json`` with a ``history`` list; [] when it is missing or something else."""
    try:
        value = json.loads(read_outside(path, MAX_METRICS_JSON_BYTES).decode("utf-8-sig", "replace"))
    except (OSError, ValueError, RecursionError):
        return []
    history = value.get("history") if isinstance(value, dict) else None
    return [row for row in history if isinstance(row, dict)] if isinstance(history, list) else []


def rows_of_file(path: Path, max_bytes: int = 4_000_000) -> list[Row]:
    """Return the rows on the lines of a file, the last ``max_bytes`` of it; of printed dicts the last 200 kB."""
    lines = tail_outside(path, max_bytes).split(b"\n")
    return _rows_from_the_last(lines, max_bytes, MAX_DICTS_BYTES)


def _rows_from_the_last(lines: list[bytes], max_bytes: int, max_dict_bytes: int) -> list[Row]:
    """Return the rows on ``lines`` in their order, reading from the last line back until the bytes are spent."""
    patience, rows = _Patience(max_dict_bytes), []
    for line in reversed(lines):
        if b"epoch" not in line:
            continue
        max_bytes -= len(line)
        if max_bytes < 0:
            break
        if (row := row_of(line, patience)) is not None:
            rows.append(row)
    return rows[::-1]


def finite(value: Any) -> float | None:
    """Return a finite number as float, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # an integer of more than 308 digits
        return None
    return number if math.isfinite(number) else None


def is_finite_row(row: Row, metric: str) -> bool:
    """Tell whether the loss and the metric of a reported epoch are finite, as far as they are numbers at all."""
    values = (row.get(name) for name in ("train_loss", "loss", metric))
    return all(not isinstance(value, float) or math.isfinite(value) for value in values)


def best_row(rows: Iterable[Row], metric: str, direction: str) -> Row | None:
    """Return the row with the best finite value of ``metric``; the first of equals."""
    scored = [(value, row) for row in rows if (value := finite(row.get(metric))) is not None]
    if not scored:
        return None
    choose = min if direction == "min" else max
    return choose(scored, key=lambda pair: pair[0])[1]


def _parse(line: bytes, patience: _Patience) -> Any:
    text = line.decode("utf-8", "replace")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    if not patience.covers(line):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes in what others print
            return ast.literal_eval(_NOT_FINITE.sub("None", text))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
