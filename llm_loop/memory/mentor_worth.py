"""What the mentor's word came to: challenges, adopted ones, and what the runs after them did.

It counts what happened. What the other decision would have come to, nobody knows, so no count here says that the
mentor was right.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

from llm_loop.memory.journal import Event

KEPT_CHALLENGES = 10
_LABEL_CHARACTERS = 80


class Outcome(StrEnum):
    """What the run of a cycle did, against the best before it."""

    GAINED = "gained"
    TIED = "tied"
    LOST = "lost"
    FIRST = "first"
    FAILED = "failed"
    NO_RUN = "no_run"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengeOutcome:
    """Hold one challenge; ``why_not`` it was not adopted, ``delta``: the run's value minus the best before it."""

    cycle: int
    run_id: str | None
    label: str
    adopted: bool
    why_not: str | None
    outcome: Outcome
    delta: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MentorWorth:
    """Hold the counts of all closed cycles, and the last 10 challenges, oldest first.

    ``asked`` counts reviews asked for, ``unreached`` those without an answer. ``adopted`` and ``declined`` hold the
    outcomes of the cycles after a challenge whose own decision was run, or the worker's; ``others`` those of all
    further cycles that ran, to compare with.
    """

    asked: int = 0
    unreached: int = 0
    challenges: int = 0
    adopted: dict[str, int] = field(default_factory=dict)
    declined: dict[str, int] = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)
    last: tuple[ChallengeOutcome, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the snapshot's form."""
        return asdict(self) | {"last": [asdict(one) for one in self.last]}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Build the value from a snapshot. Raises TypeError, KeyError or ValueError when it is not one."""
        fields = {name: value[name] for name in cls.__slots__}
        for name in ("adopted", "declined", "others"):
            fields[name] = {Outcome(outcome).value: int(count) for outcome, count in dict(fields[name]).items()}
        fields["last"] = tuple(ChallengeOutcome(**one | {"outcome": Outcome(one["outcome"])}) for one in fields["last"])
        return cls(**fields)


def apply(worth: MentorWorth, event: Event) -> MentorWorth:
    """Return the worth after ``event``: the same one but for a closing ``cycle``."""
    return _cycle_closed(worth, event) if event["event"] == "cycle" else worth


def outcome_of(event: Event) -> Outcome:
    """Return what the run of a closed cycle did.

    A tie lies within the noise where that is known (``delta_tied``), else it is a difference of exactly 0. A gain is a
    run that is the best one now, which holds whichever way the metric is better.
    """
    run = event.get("run_outcome")
    if run is None:
        return Outcome.NO_RUN
    if run["value"] is None:
        return Outcome.FAILED
    delta, best = event.get("delta_best"), event.get("best") or {}
    if delta is None:
        return Outcome.FIRST
    if event.get("delta_tied") or delta == 0:
        return Outcome.TIED
    return Outcome.GAINED if best.get("run_id") == event.get("run_id") else Outcome.LOST


def _cycle_closed(worth: MentorWorth, event: Event) -> MentorWorth:
    outcome = outcome_of(event)
    mentor = (event.get("codex") or {}).get("mentor") or {}
    answered = bool(mentor.get("run"))
    asked = answered or mentor.get("error") is not None
    worth = replace(worth, asked=worth.asked + asked, unreached=worth.unreached + (asked and not answered))
    if not answered or mentor.get("recommendation") != "challenge":
        return worth if outcome is Outcome.NO_RUN else replace(worth, others=_one_more(worth.others, outcome))
    return _challenged(worth, event, mentor, outcome)


def _challenged(worth: MentorWorth, event: Event, mentor: dict[str, Any], outcome: Outcome) -> MentorWorth:
    passed = bool(mentor.get("applied"))
    adopted = passed and event.get("decision_source") == "mentor"  # what the gate passed may find no place to run
    one = ChallengeOutcome(
        cycle=event["cycle"],
        run_id=event.get("run_id"),
        label=str(event.get("run_label") or "")[:_LABEL_CHARACTERS],
        adopted=adopted,
        why_not=None if adopted else "not_run" if passed else mentor.get("not_applied_reason"),
        outcome=outcome,
        delta=event.get("delta_best"),
    )
    worth = replace(worth, challenges=worth.challenges + 1, last=(*worth.last, one)[-KEPT_CHALLENGES:])
    if adopted:
        return replace(worth, adopted=_one_more(worth.adopted, outcome))
    return replace(worth, declined=_one_more(worth.declined, outcome))


def _one_more(counts: dict[str, int], outcome: Outcome) -> dict[str, int]:
    return {**counts, outcome.value: counts.get(outcome.value, 0) + 1}
