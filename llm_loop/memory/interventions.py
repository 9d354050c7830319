"""What a person is needed for: open reasons, folded from the journal.

``needs_human`` opens a reason, ``human_no_longer_needed`` closes the one of its ``id``. While a reason is open, the
same one (phase, cause and subject) is not told again. Reasons that mend themselves are closed by the loop; a start
closes those that kept the machine from starting it; a person resolves any of them: the answer to that request marks
the reason, and its closing event follows. ``person_notified`` says that its message was sent, or given up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from llm_loop.contract.mend import Phase
from llm_loop.memory.journal import Event

if TYPE_CHECKING:
    from llm_loop.memory.state import LoopState

NEEDED, NO_LONGER, NOTIFIED = "needs_human", "human_no_longer_needed", "person_notified"
RESOLVE = "resolve"
"""The request by which a person closes reasons."""
START = "start"
MOST = 32
_OF_RUNS = frozenset(phase.value for phase in Phase)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervention:
    """Hold one reason for which a person is needed.

    ``phase`` is what was being done (disk, drive, start, ...), ``cause`` tells it from others of that phase, ``why`` is
    a sentence, ``attempted`` what the loop has tried, ``failure`` what that came to, ``what_to_do`` the mend.
    ``run_id`` is the run that met it, ``subject`` the module, model or file that it is about, ``log`` the path of what
    the failed attempt said. ``is_global``: nothing goes on until it is mended. ``notified``: its message was sent, or
    given up. ``resolved``: a person has said that it is over, with a ``note``; it is closed at once.
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
    run_id: str | None = None
    subject: str | None = None
    log: str | None = None
    notified: bool = False
    resolved: bool = False
    note: str | None = None

    @property
    def key(self) -> tuple[str, str, str | None]:
        """What tells a reason from others: two of one key are the same one."""
        return self.phase, self.cause, self.subject

    def to_json(self) -> dict[str, Any]:
        """Return the form of ``human_intervention_reasons``."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interventions:
    """Hold the open reasons, oldest first; at most 32.

    The oldest are forgotten, those last for which nothing goes on: many failures must not let launches go on.
    """

    reasons: tuple[Intervention, ...] = ()

    def of(self, phase: str, cause: str, subject: str | None = None) -> Intervention | None:
        """Return the open reason of that phase, cause and subject, None for none."""
        return next((one for one in self.reasons if one.key == (phase, cause, subject)), None)

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
            others = tuple(one for one in before.reasons if one.key != reason.key)
            return Interventions(reasons=_remembered((*others, reason)))
        case "human_no_longer_needed":
            return _without(before, [one for one in before.reasons if one.id == event.get("id")])
        case "daemon_started":
            return _without(before, [one for one in before.reasons if one.phase == START])
        case "person_notified":
            return _changed(before, {event.get("id")}, lambda one: replace(one, notified=True))
        case "request_answered" if event.get("request") == RESOLVE and event.get("accepted"):
            note = event.get("note")
            return _changed(before, set(event["reasons"]), lambda one: replace(one, resolved=True, note=note))
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
        run_id=event.get("run_id"),
        subject=event.get("subject"),
        log=event.get("log"),
    )


def global_reason(state: LoopState) -> Intervention | None:
    """Return the oldest open reason of a run for which nothing else can run either, None for none.

    Those of the machine (disk, drive, start) hold launches by themselves.
    """
    reasons = state.interventions.reasons
    return next((one for one in reasons if one.is_global and not one.resolved and one.phase in _OF_RUNS), None)


def id_of(seq: int) -> str:
    """Return the id of a reason that the event ``seq`` opens: short, for people type it."""
    return f"H{seq}"


def _remembered(reasons: tuple[Intervention, ...]) -> tuple[Intervention, ...]:
    """Return the reasons without the one that is too many."""
    if len(reasons) <= MOST:
        return reasons
    forgotten = next((one for one in reasons[:-1] if not one.is_global), reasons[0])
    return tuple(one for one in reasons if one is not forgotten)


def _without(before: Interventions, closed: list[Intervention]) -> Interventions:
    return Interventions(reasons=tuple(one for one in before.reasons if one not in closed)) if closed else before


def _changed(
    before: Interventions, ids: set[str | None], change: Callable[[Intervention], Intervention]
) -> Interventions:
    if not any(one.id in ids for one in before.reasons):
        return before
    return Interventions(reasons=tuple(change(one) if one.id in ids else one for one in before.reasons))
