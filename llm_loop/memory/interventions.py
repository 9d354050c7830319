"""What a person is needed for: open reasons, folded from the journal.

``needs_human`` opens a reason, ``human_no_longer_needed`` closes the one of its ``id``. While a reason is open, the
same one (phase and cause) is not told again. Reasons that mend themselves are closed by the loop; a start closes those
that kept the machine from starting it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

from llm_loop.memory.journal import Event

NEEDED, NO_LONGER = "needs_human", "human_no_longer_needed"
START = "start"
MOST = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervention:
    """Hold one reason for which a person is needed.

    ``phase`` is what was being done (disk, drive, start, ...), ``cause`` tells it from others of that phase, ``why`` is
    a sentence, ``attempted`` what the loop has tried, ``failure`` what that came to, ``what_to_do`` the mend.
    ``is_global``: nothing goes on until it is mended.
    """

    NOW: ClassVar[str] = "now"
    """The id of one that could not be journaled yet: the heartbeat alone has it."""

    id: str
    phase: str
    cause: str
    why: str
    what_to_do: str = ""
    attempted: str | None = None
    failure: str | None = None
    since_utc: str | None = None
    is_global: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the form of ``human_intervention_reasons``."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interventions:
    """Hold the open reasons, oldest first; at most 32, the oldest are forgotten."""

    reasons: tuple[Intervention, ...] = ()

    def of(self, phase: str, cause: str) -> Intervention | None:
        """Return the open reason of that phase and cause, None for none."""
        return next((one for one in self.reasons if (one.phase, one.cause) == (phase, cause)), None)

    def to_json(self) -> list[dict[str, Any]]:
        """Return the snapshot's form."""
        return [one.to_json() for one in self.reasons]

    @classmethod
    def from_json(cls, value: Iterable[dict[str, Any]]) -> Self:
        """Build the value from a snapshot. Raises TypeError when it is not one."""
        return cls(reasons=tuple(Intervention(**one) for one in value))


def apply(before: Interventions, event: Event) -> Interventions:
    """Return the open reasons after ``event``: the same ones for kinds that do not matter here."""
    match event["event"]:
        case "needs_human":
            reason = reason_of(event)
            others = tuple(one for one in before.reasons if (one.phase, one.cause) != (reason.phase, reason.cause))
            return Interventions(reasons=(*others, reason)[-MOST:])
        case "human_no_longer_needed":
            return _without(before, [one for one in before.reasons if one.id == event.get("id")])
        case "daemon_started":
            return _without(before, [one for one in before.reasons if one.phase == START])
        case _:
            return before


def reason_of(event: Event) -> Intervention:
    """Return the reason that a ``needs_human`` event opens; older ones have no id and no cause."""
    phase, why = str(event.get("phase", "")), str(event.get("why", ""))
    return Intervention(
        id=str(event.get("id") or id_of(event["seq"])),
        phase=phase,
        cause=str(event.get("cause") or why),
        why=why,
        what_to_do=str(event.get("what_to_do") or ""),
        attempted=event.get("attempted"),
        failure=event.get("failure"),
        since_utc=event.get("ts_utc"),
        is_global=bool(event.get("is_global", phase == START)),
    )


def id_of(seq: int) -> str:
    """Return the id of a reason that the event ``seq`` opens: short, for people type it."""
    return f"H{seq}"


def _without(before: Interventions, closed: list[Intervention]) -> Interventions:
    return Interventions(reasons=tuple(one for one in before.reasons if one not in closed)) if closed else before
