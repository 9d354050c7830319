"""What a person is needed for now: the state's open reasons, what the journal says since, and the heartbeat's own."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from llm_loop.memory import interventions
from llm_loop.memory.interventions import NEEDED, NO_LONGER, Intervention, Interventions
from llm_loop.memory.journal import Event
from llm_loop.memory.state import LoopState
from llm_loop.views.condition import DaemonStatus
from llm_loop.views.untrusted import dict_of, list_of, text_of

_KINDS = frozenset({NEEDED, NO_LONGER, "daemon_started"})
_MOST = 32
_CHARACTERS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanReason:
    """Hold one reason for which a person is needed: its id, the phase, why, what was tried, what to do, since when."""

    id: str
    phase: str
    why: str
    attempted: str | None
    failure: str | None
    what_to_do: str | None
    since_utc: str | None
    is_global: bool


class CallsForPeople:
    """Follow the journal behind the state's snapshot, which is older where another process called a person."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque(maxlen=_MOST)

    def clear(self) -> None:
        """Forget what was followed: the journal begins anew."""
        self._events.clear()

    def follow(self, event: Event) -> None:
        """Take one event."""
        if event["event"] in _KINDS:
            self._events.append(event)

    def open(self, loop: LoopState, beat: dict[str, Any], daemon: DaemonStatus) -> tuple[HumanReason, ...]:
        """Return the open reasons, oldest first; a living daemon may know of one that it could not journal."""
        found = loop.interventions
        for event in self._events:
            if event["seq"] > loop.seq:
                found = _after(found, event)
        known = [_reason_of(one.to_json()) for one in found.reasons]
        said = [_reason_of(dict_of(one)) for one in list_of(beat.get("human_intervention_reasons"))[:_MOST]]
        ids = {one.id for one in known}
        unwritten = [one for one in said if one.id == Intervention.NOW and one.id not in ids] if daemon.lives else []
        return (*known, *unwritten)


def _after(found: Interventions, event: Event) -> Interventions:
    try:
        return interventions.apply(found, event)
    except (KeyError, TypeError, ValueError):  # an event of another version
        return found


def _reason_of(value: dict[str, Any]) -> HumanReason:
    return HumanReason(
        id=text_of(value.get("id"), 40) or "-",
        phase=text_of(value.get("phase"), 40) or "-",
        why=text_of(value.get("why"), _CHARACTERS) or "no reason given",
        attempted=text_of(value.get("attempted"), _CHARACTERS),
        failure=text_of(value.get("failure"), _CHARACTERS),
        what_to_do=text_of(value.get("what_to_do"), _CHARACTERS),
        since_utc=text_of(value.get("since_utc"), 40),
        is_global=value.get("is_global") is True,
    )
