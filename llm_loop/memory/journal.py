"""The journal: ``events.jsonl``, one line for each thing that happened, with a rising ``seq``.

The journal is the truth; state, history and the markdown files are projections of it. Only the
daemon writes it, or a verb that holds the instance lock. A line is written in one piece; a last line
that a power cut tore is set aside at the next opening and named.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llm_loop.errors import CorruptFileError, FileWriteError
from llm_loop.system import files
from llm_loop.system.clock import Clock, utc_stamp, utc_text

Event = dict[str, Any]
_BLOCK_BYTES = 65536
# An event of these kinds is worth nothing without the next one, whose fsync covers it.
_FOLLOWED_AT_ONCE = frozenset({"cycle_opened", "review_due", "attempt_started"})


class Journal:
    """Append events to one file and read back what was appended.

    ``repaired`` names the file that holds a torn last line found at opening, or is None. Raises
    FileWriteError when the file cannot be opened or repaired.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self.repaired = set_torn_line_aside(path, utc_stamp(clock.utc_now()))
        last = next(_lines_backwards(path), None)
        self.seq: int = 0 if last is None else int(_parse(path, last)["seq"])

    def append(self, kind: str, **fields: Any) -> Event:
        """Write one event and return it as written. Raises FileWriteError; then nothing happened."""
        event = {"seq": self.seq + 1, "ts_utc": utc_text(self._clock.utc_now()), "event": kind, **fields}
        files.append_line(self._path, files.json_text(event), durable=kind not in _FOLLOWED_AT_ONCE)
        self.seq += 1
        return event

    def after(self, seq: int) -> list[Event]:
        """Return the events with a greater ``seq``, oldest first; reads only that end of the file."""
        found = []
        for line in _lines_backwards(self._path):
            event = _parse(self._path, line)
            if event["seq"] <= seq:
                break
            found.append(event)
        return found[::-1]


def set_torn_line_aside(path: Path, stamp: str) -> Path | None:
    """Move what stands behind the last line break to ``<name>.torn-<stamp>``; return that, or None for nothing.

    Raises FileWriteError.
    """
    try:
        with path.open("r+b") as stream:
            end = stream.seek(0, os.SEEK_END)
            keep = _end_of_last_whole_line(stream, end)
            if keep == end:
                return None
            stream.seek(keep)
            aside = path.with_name(f"{path.name}.torn-{stamp}")
            aside.write_bytes(stream.read())
            stream.truncate(keep)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FileWriteError(path, "repair", error) from error
    return aside


def last_events(path: Path, count: int, max_bytes: int = 1_000_000) -> list[Event]:
    """Return up to ``count`` of the last events, oldest first, for readers without the lock.

    Lines that do not parse are left out: a reader may meet a line that is being written.
    """
    found: list[Event] = []
    read = 0
    for line in _lines_backwards(path):
        read += len(line)
        if len(found) >= count or read > max_bytes:
            break
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found[::-1]


def _parse(path: Path, line: bytes) -> Event:
    try:
        event: Event = json.loads(line)
        int(event["seq"])
    except (ValueError, KeyError, TypeError) as error:
        why = f"a line is not an event: {line[:80]!r}; move the file away to start anew"
        raise CorruptFileError(path, why) from error
    return event


def _lines_backwards(path: Path) -> Iterator[bytes]:
    """Yield whole lines from the last to the first, reading blocks from the end."""
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        return
    with stream:
        position = stream.seek(0, os.SEEK_END)
        rest = b""
        while position > 0:
            step = min(_BLOCK_BYTES, position)
            position -= step
            stream.seek(position)
            parts = (stream.read(step) + rest).split(b"\n")
            rest = parts[0]
            yield from (line for line in reversed(parts[1:]) if line.strip())
        if rest.strip():
            yield rest


def _end_of_last_whole_line(stream: Any, end: int) -> int:
    """Return the offset behind the last line break: what stands after it was torn."""
    position = end
    while position > 0:
        step = min(_BLOCK_BYTES, position)
        stream.seek(position - step)
        found = stream.read(step).rfind(b"\n")
        if found >= 0:
            return int(position - step + found + 1)
        position -= step
    return 0
