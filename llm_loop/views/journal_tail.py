"""Follow the journal from its last megabyte on, without lock, whatever the daemon does to it meanwhile."""

from __future__ import annotations

import json
from pathlib import Path

from llm_loop.memory.journal import Event
from llm_loop.runs.progress import LogReader

TAIL_BYTES = 1_000_000
_MOST_BYTES_A_LINE = 8_000_000


class JournalTail:
    """Hand out the events of a journal once each, oldest first, beginning with its last ``tail_bytes``.

    Lines that are no events are left out. ``restarted`` tells whether the journal was cut or moved away
    before the events that were handed out last.
    """

    def __init__(self, path: Path, tail_bytes: int = TAIL_BYTES) -> None:
        self._path = path
        self._tail_bytes = tail_bytes
        self._reader: LogReader | None = None
        self._rest = b""
        self._seq = 0
        self.restarted = False

    def new_events(self) -> list[Event]:
        """Return the events since the last call; [] when there are none. Raises nothing."""
        self.restarted = False
        if self._reader is None and not self._begin():
            return []
        assert self._reader is not None
        before = self._reader.offset
        piece = self._reader.read(self._tail_bytes)
        events = []
        while piece:
            if self._reader.offset - len(piece) < before:  # it shrank, and was read from its start
                self._rest = b""
            *lines, self._rest = (self._rest + piece).split(b"\n")
            events += [event for line in lines if (event := _event(line)) is not None]
            self._rest = self._rest if len(self._rest) <= _MOST_BYTES_A_LINE else b""
            before = self._reader.offset
            piece = self._reader.read(self._tail_bytes)
        return self._in_order(events)

    def _begin(self) -> bool:
        """Find the first whole line of the tail."""
        try:
            size = self._path.stat().st_size
        except OSError:
            return False
        self._reader = LogReader(self._path)
        if size > self._tail_bytes:
            self._reader.offset = size - self._tail_bytes
            self._rest = b"cut "  # so that the first line, which may be a half one, is no event
        return True

    def _in_order(self, events: list[Event]) -> list[Event]:
        for event in events:
            if event["seq"] <= self._seq:
                self.restarted = True
            self._seq = event["seq"]
        return events


def _event(line: bytes) -> Event | None:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    good = isinstance(event, dict) and isinstance(event.get("event"), str) and isinstance(event.get("seq"), int)
    return event if good else None
