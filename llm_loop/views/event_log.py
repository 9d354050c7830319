"""Events of the whole journal, picked and told, each on one line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from llm_loop.memory.journal import Event
from llm_loop.memory.journal_parts import event_of, events_backwards, first_event, lines_forwards, older_parts
from llm_loop.system.clock import parse_utc
from llm_loop.views.event_lines import EventLines
from llm_loop.views.untrusted import clean, text_of
from llm_loop.views.wording import local_moment

_CLOCK_SLACK = timedelta(days=1)  # by so much a wall clock may have been set back between two events
_EARLIEST = datetime.min.replace(tzinfo=UTC)
_LOCAL_TIME_WIDTH = 9
_LINE_CHARACTERS, _VALUE_CHARACTERS, _FIELDS = 600, 80, 8
_UNTOLD = frozenset({"seq", "ts_utc", "event", "cycle_trace_id"})

Picked = tuple[bytes, Event]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """Say which events are wanted: from a number or a moment on, of some kinds; None wants all."""

    from_seq: int | None = None
    from_utc: datetime | None = None
    kinds: frozenset[str] | None = None

    def takes(self, event: Event) -> bool:
        """Tell whether the event is wanted."""
        if self.kinds is not None and event["event"] not in self.kinds:
            return False
        if self.from_seq is not None and event["seq"] < self.from_seq:
            return False
        return self.from_utc is None or moment_of(event) >= self.from_utc

    def ends_before(self, event: Event) -> bool:
        """Tell whether no event before this one can be wanted."""
        if self.from_seq is not None:
            return bool(event["seq"] < self.from_seq)
        return self.from_utc is not None and self._is_long_before(event)

    def first_seq(self, journal: Path) -> int:
        """Return an event number before which nothing is wanted. Raises OSError."""
        if self.from_seq is not None or self.from_utc is None:
            return self.from_seq or 0
        begins = [(part.first_seq, first_event(part.path)) for part in older_parts(journal)]
        return max((seq for seq, event in begins if event is not None and self._is_long_before(event)), default=0)

    def _is_long_before(self, event: Event) -> bool:
        moment = moment_of(event)  # one without a moment says nothing of those before it
        return self.from_utc is not None and _EARLIEST < moment < self.from_utc - _CLOCK_SLACK


def moment_of(event: Event) -> datetime:
    """Return when an event was written; the earliest of all moments where it does not say."""
    try:
        return parse_utc(event["ts_utc"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return _EARLIEST


def last_events(journal: Path, pick: Pick, limit: int) -> list[Picked]:
    """Return the last ``limit`` wanted events with their lines, oldest first; reads back no further than that.

    Raises OSError.
    """
    found: list[Picked] = []
    for line, event in events_backwards(journal):
        if len(found) >= limit or pick.ends_before(event):
            break
        if pick.takes(event):
            found.append((line, event))
    return found[::-1]


def all_events(journal: Path, pick: Pick) -> Iterator[Picked]:
    """Yield the wanted events with their lines, oldest first. Raises OSError."""
    for line in lines_forwards(journal, pick.first_seq(journal)):
        event = event_of(journal, line)
        if event is not None and pick.takes(event):
            yield line, event


def last_seq(journal: Path) -> int:
    """Return the number of the journal's last event, 0 for none. Raises OSError."""
    return next((int(event["seq"]) for _, event in events_backwards(journal)), 0)


class EventLog:
    """Tell each event on one line: local time, number, and what happened."""

    def __init__(self) -> None:
        self._words = EventLines()

    def line(self, event: Event) -> str:
        """Return an event's line: in words where the loop has some, else its kind and its plain fields."""
        at_utc = text_of(event.get("ts_utc"), _VALUE_CHARACTERS)
        told = [line[_LOCAL_TIME_WIDTH:] for line in self._words.of(event | {"ts_utc": at_utc})]
        text = "; ".join(told) or " ".join([clean(event["event"], _VALUE_CHARACTERS), *_fields(event)])
        return f"{local_moment(at_utc)} {event['seq']:>7} {clean(text, _LINE_CHARACTERS)}"


def _fields(event: Event) -> Iterable[str]:
    said = [name for name, value in event.items() if name not in _UNTOLD and isinstance(value, str | int | float)]
    for name in said[:_FIELDS]:
        yield f"{clean(name, _VALUE_CHARACTERS)}={clean(str(event[name]), _VALUE_CHARACTERS)}"
