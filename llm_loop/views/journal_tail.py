"""Follow the journal from its last megabyte on, without lock, whatever the daemon does to it meanwhile."""

from __future__ import annotations

from pathlib import Path

from llm_loop.memory.journal import Event
from llm_loop.memory.journal_parts import events_backwards
from llm_loop.system import files

TAIL_BYTES = 1_000_000
_NEVER = (-1, -1)

Lines = list[tuple[bytes, Event]]


class JournalTail:
    """Hand out the events of a journal once each, oldest first, beginning with its last ``tail_bytes``.

    ``after`` begins behind that event instead, however far back it is. Lines that are no events are left out; that
    the journal went on in a new file meanwhile makes no difference. ``restarted`` tells whether the journal was cut
    or moved away before the events that were handed out last: they are its tail, and begin anew.
    """

    def __init__(self, path: Path, tail_bytes: int = TAIL_BYTES, after: int | None = None) -> None:
        self._path = path
        self._tail_bytes = tail_bytes
        self._seen: tuple[int, int] | None = _NEVER
        self._seq = after
        self._line: bytes | None = None
        self.restarted = False

    def new_events(self) -> list[Event]:
        """Return the events since the last call; [] when there are none. Raises nothing."""
        return [event for _, event in self.new_lines()]

    def new_lines(self) -> Lines:
        """Return the events since the last call, each with its line as it stands there. Raises nothing."""
        self.restarted = False
        signature = files.signature(self._path)
        if signature == self._seen:
            return []
        try:
            found = self._tail() if self._seq is None else self._since(self._seq)
        except OSError:  # it may be had again at the next look
            return []
        self._seen = signature
        if found:
            self._line, self._seq = found[-1][0], found[-1][1]["seq"]
        return found

    def _since(self, seq: int) -> Lines:
        """Return what stands behind event ``seq``, or the tail of another journal in this one's place."""
        found: Lines = []
        for line, event in events_backwards(self._path):
            if event["seq"] <= seq:
                self.restarted = not self._is_last(line, event, seq, is_end=not found)
                break
            found.append((line, event))
        return self._tail() if self.restarted else found[::-1]

    def _is_last(self, line: bytes, event: Event, seq: int, *, is_end: bool) -> bool:
        """Tell whether the event is the one handed out last, and not another journal's in its place."""
        if event["seq"] == seq:
            return self._line is None or line == self._line
        return not is_end

    def _tail(self) -> Lines:
        return list(events_backwards(self._path, most_bytes=self._tail_bytes))[::-1]
