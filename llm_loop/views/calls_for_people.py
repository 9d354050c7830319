"""What a person is needed for now: the state's open reasons, what the journal says since, and the heartbeat's own."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from llm_loop.memory import interventions
from llm_loop.memory.interventions import NEEDED, NO_LONGER, NOTIFIED, RESOLVE, Intervention, Interventions
from llm_loop.memory.journal import Event
from llm_loop.memory.state import LoopState
from llm_loop.views.condition import DaemonStatus
from llm_loop.views.untrusted import dict_of, list_of, text_of

_KINDS = frozenset({NEEDED, NO_LONGER, NOTIFIED, "daemon_started", "request_answered"})
_MOST = 32
_SENTENCE, _MANY_SENTENCES = 400, 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanReason:
    """Hold one reason for which a person is needed, as ``Intervention`` has it, its texts cleaned and bounded."""

    id: str
    phase: str
    cause: str | None
    run_id: str | None
    subject: str | None
    why: str
    attempted: str | None
    failure: str | None
    what_to_do: str | None
    log: str | None
    since_utc: str | None
    is_global: bool
    notified: bool

    def details(self) -> tuple[tuple[str, str], ...]:
        """Return what stands below its first line, a word for it and the text: tried, failure, to do, log."""
        lines = (("tried", self.attempted), ("failure", self.failure), ("to do", self.what_to_do), ("log", self.log))
        return tuple((word, text) for word, text in lines if text is not None)

    def about(self) -> str:
        """Return id, phase, run and subject: ``H12, validation, R0007, timm``."""
        return ", ".join(filter(None, (self.id, self.phase, self.run_id, self.subject)))


class CallsForPeople:
    """Follow the journal behind the state's snapshot, which is older where another process called a person."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque(maxlen=4 * _MOST)

    def clear(self) -> None:
        """Forget what was followed: the journal begins anew."""
        self._events.clear()

    def follow(self, event: Event) -> None:
        """Take one event."""
        if event["event"] in _KINDS and event.get("request", RESOLVE) == RESOLVE:
            self._events.append(event)

    def open(self, loop: LoopState, beat: dict[str, Any], daemon: DaemonStatus) -> tuple[HumanReason, ...]:
        """Return the open reasons, oldest first; a living daemon may know of one that it could not journal."""
        found = loop.interventions
        for event in self._events:
            if event["seq"] > loop.seq:
                found = _after(found, event)
        known = [reason_of(one.to_json()) for one in found.reasons if not one.resolved]
        said = [reason_of(dict_of(one)) for one in list_of(beat.get("human_intervention_reasons"))[:_MOST]]
        ids = {one.id for one in known}
        unwritten = [one for one in said if one.id == Intervention.NOW and one.id not in ids] if daemon.lives else []
        return (*known, *unwritten)


def _after(found: Interventions, event: Event) -> Interventions:
    try:
        return interventions.apply(found, event)
    except (KeyError, TypeError, ValueError):  # an event of another version
        return found


def reason_of(value: dict[str, Any]) -> HumanReason:
    """Return a reason of which nothing is sure but that it is an object. Raises nothing."""
    return HumanReason(
        id=text_of(value.get("id"), 40) or "-",
        phase=text_of(value.get("phase"), 40) or "-",
        cause=text_of(value.get("cause"), _SENTENCE),
        run_id=text_of(value.get("run_id"), 40),
        subject=text_of(value.get("subject"), 120),
        why=text_of(value.get("why"), _SENTENCE) or "no reason given",
        attempted=text_of(value.get("attempted"), _MANY_SENTENCES),
        failure=text_of(value.get("failure"), _SENTENCE),
        what_to_do=text_of(value.get("what_to_do"), _MANY_SENTENCES),
        log=text_of(value.get("log"), _MANY_SENTENCES),
        since_utc=text_of(value.get("since_utc"), 40),
        is_global=value.get("is_global") is True,
        notified=value.get("notified") is True,
    )
