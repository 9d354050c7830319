"""The journal: ``events.jsonl``, one line for each thing that happened, with a rising ``seq``.

The journal is the truth; state, history and the markdown files are projections of it. Only the
daemon writes it, or a verb that holds the instance lock. A line is written in one piece; a last line
that a power cut tore is set aside at the next opening and named.

A live file that has grown to ``rotate_bytes`` is renamed to a part (see ``journal_parts``) before the next event is
appended. The rename is the whole of it: whatever instruction a crash comes at, each event stands in exactly one
file. Where the rename is refused, because on Windows somebody reads the live file, it grows on and a later append
tries again.
"""

from __future__ import annotations

import errno
import functools
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from llm_loop.errors import CorruptFileError, FileWriteError
from llm_loop.memory import journal_parts
from llm_loop.memory.journal_parts import BLOCK_BYTES, Event, events_backwards, lines_backwards
from llm_loop.system import files
from llm_loop.system.clock import Clock, utc_stamp, utc_text

__all__ = ["Event", "Journal", "last_events", "set_torn_line_aside"]

# An event of these kinds is worth nothing without the next one, whose fsync covers it.
_FOLLOWED_AT_ONCE = frozenset({"cycle_opened", "review_due", "attempt_started"})
_RENAME_PAUSES_S = (0.005, 0.01, 0.02, 0.02, 0.02, 0.02)  # a reader that holds on longer waits for a later append


class Journal:
    """Append events to one file and read back what was appended, from the older parts too.

    ``repaired`` names the file that holds a torn last line found at opening, or is None. ``rotate_bytes`` counts from
    the next append on; None never begins a new file. ``first_seq`` is that of the live file's first event, None while
    it holds none. Raises FileWriteError when the file cannot be opened or repaired.
    """

    def __init__(self, path: Path, clock: Clock, rotate_bytes: int | None = None) -> None:
        _make_folder(path.parent)  # once: one that goes away later is on a drive that may come back with it
        self._path = path
        self._clock = clock
        self.rotate_bytes = rotate_bytes
        self.repaired = _repair(path, utc_stamp(clock.utc_now()))
        last = next(events_backwards(path, _parse), None)
        self.seq: int = 0 if last is None else int(last[1]["seq"])
        first = journal_parts.first_event(path)
        self.first_seq: int | None = None if first is None else int(first["seq"])

    def append(self, kind: str, **fields: Any) -> Event:
        """Write one event and return it as written. Raises FileWriteError; then nothing happened."""
        event = {"seq": self.seq + 1, "ts_utc": utc_text(self._clock.utc_now()), "event": kind, **fields}
        text = files.json_text(event)
        self._rotate_when_due()
        files.append_line(self._path, text, durable=kind not in _FOLLOWED_AT_ONCE, make_folder=False)
        self.seq += 1
        self.first_seq = self.seq if self.first_seq is None else self.first_seq
        return event

    def go_on_behind(self, seq: int) -> None:
        """Number the next event behind ``seq``, where events up to it are known to have been here."""
        self.seq = max(self.seq, seq)

    def after(self, seq: int) -> list[Event]:
        """Return the events with a greater ``seq``, oldest first; reads only that end of the journal."""
        found = []
        for _, event in events_backwards(self._path, _parse):
            if event["seq"] <= seq:
                break
            found.append(event)
        return found[::-1]

    def back_to(self, kind: str, count: int) -> list[Event]:
        """Return the events from the ``count``-th last one of a kind on, oldest first; all where there are fewer."""
        found = []
        for _, event in events_backwards(self._path, _parse):
            found.append(event)
            count -= event["event"] == kind
            if count <= 0:
                break
        return found[::-1]

    def _rotate_when_due(self) -> None:
        """Make the live file a part when it is large enough; where that is refused, a later append tries again."""
        if self.rotate_bytes is None or self.first_seq is None:
            return
        with suppress(OSError):
            if self._path.stat().st_size >= self.rotate_bytes:
                _make_a_part(self._path, journal_parts.part_path(self._path, self.first_seq))
                self.first_seq = None
                _begin_live_file(self._path)


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


def _repair(live: Path, stamp: str) -> Path | None:
    """Set a torn last line aside, be it in the live file or, where that holds nothing yet, in the newest part."""
    aside = set_torn_line_aside(live, stamp)
    if aside is not None or (live.exists() and live.stat().st_size > 0):
        return aside
    parts = journal_parts.older_parts(live)
    return set_torn_line_aside(parts[-1].path, stamp) if parts else None


def last_events(path: Path, count: int, max_bytes: int = 1_000_000) -> list[Event]:
    """Return up to ``count`` of a single file's last events, oldest first, for readers without the lock.

    Lines that do not parse are left out: a reader may meet a line that is being written.
    """
    found: list[Event] = []
    read = 0
    for line in lines_backwards(path):
        read += len(line)
        if len(found) >= count or read > max_bytes:
            break
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found[::-1]


def _make_a_part(live: Path, part: Path) -> None:
    """Rename the live file, its last line on the disk for good.

    Raises OSError, also where the name is taken or the last line is torn, which the next opening repairs.
    """
    if part.exists():
        raise FileExistsError(part)
    with live.open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        if stream.read(1) != b"\n":
            raise OSError(errno.EILSEQ, "its last line is torn", str(live))
        os.fsync(stream.fileno())
    files.patiently(live, functools.partial(os.rename, live, part), _RENAME_PAUSES_S)


def _make_folder(folder: Path) -> None:
    """Make the journal's folder. Raises FileWriteError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileWriteError(folder, "make", error) from error


def _begin_live_file(live: Path) -> None:
    """Make an empty live file and both names durable. Raises OSError: the next append makes the file as well."""
    os.close(os.open(live, os.O_WRONLY | os.O_CREAT, 0o666))
    if os.name != "nt":
        handle = os.open(live.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _parse(path: Path, line: bytes) -> Event:
    try:
        event: Event = json.loads(line)
        int(event["seq"])
    except (ValueError, KeyError, TypeError) as error:
        why = f"a line is not an event: {line[:80]!r}; move the file away to start anew"
        raise CorruptFileError(path, why) from error
    return event


def _end_of_last_whole_line(stream: Any, end: int) -> int:
    """Return the offset behind the last line break: what stands after it was torn."""
    position = end
    while position > 0:
        step = min(BLOCK_BYTES, position)
        stream.seek(position - step)
        found = stream.read(step).rfind(b"\n")
        if found >= 0:
            return int(position - step + found + 1)
        position -= step
    return 0
