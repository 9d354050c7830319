"""What the reviews so far mean for the next one: when the mentor was asked, what for, and on what evidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from llm_loop.memory.journal import Event

CHALLENGE = "challenge"
CHALLENGE_REVIEWER = "challenge_reviewer"
NEVER = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewHistory:
    """Hold what the reviews so far come to.

    ``asked_cycle`` is the cycle of the last review, answered or not (0: none yet). ``told`` names for each reason the
    cycle of the last answered review that was made for it. ``challenge_streak`` counts challenges in a row,
    ``same_evidence`` those among them since which no run ended before the next was asked for. ``runs_ended`` counts
    ended runs; ``seen_at_ask`` and ``seen_at_challenge`` are that count when the mentor was last asked, and when it
    was asked for its last challenge (-1: never).
    """

    asked_cycle: int = 0
    told: dict[str, int] = field(default_factory=dict)
    challenge_streak: int = 0
    same_evidence: int = 0
    runs_ended: int = 0
    seen_at_ask: int = 0
    seen_at_challenge: int = NEVER

    @property
    def has_new_evidence(self) -> bool:
        """Whether a run ended since the mentor was asked for its last challenge, or there was none."""
        return self.runs_ended > self.seen_at_challenge

    @property
    def saw_new_evidence(self) -> bool:
        """Whether that was so when the mentor was last asked: what ends during a review is not seen by it."""
        return self.seen_at_ask > self.seen_at_challenge

    def next_on_same_evidence(self) -> int:
        """Return which in a row a challenge of the last review is on the same evidence: 1 is on new evidence."""
        return 1 if self.saw_new_evidence else self.same_evidence + 1

    def to_json(self) -> dict[str, Any]:
        """Return the snapshot's form."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Build the value from a snapshot. Raises TypeError or KeyError when it is not one."""
        fields = {name: value[name] for name in cls.__slots__}
        return cls(**fields | {"told": dict(fields["told"])})


def apply(history: ReviewHistory, event: Event) -> ReviewHistory:
    """Return the history after ``event``: the same one for kinds that do not matter here."""
    change = _CHANGES.get(event["event"])
    return history if change is None else change(history, event)


def _call_intended(history: ReviewHistory, event: Event) -> ReviewHistory:
    asked = event.get("step") == "review"
    return replace(history, seen_at_ask=history.runs_ended) if asked else history


def _review(history: ReviewHistory, event: Event) -> ReviewHistory:
    record, cycle = event["record"], event.get("cycle", history.asked_cycle)
    history = replace(history, asked_cycle=cycle)
    if not record["run"]:
        return history
    told = {name: int(cycle) for name in (*record.get("reasons", ()), *record.get("notes", ()))}
    history = replace(history, told=history.told | told)
    if record.get("role_mode", CHALLENGE_REVIEWER) != CHALLENGE_REVIEWER:
        return history
    if record.get("recommendation") != CHALLENGE:
        return replace(history, challenge_streak=0, same_evidence=0)
    return replace(
        history,
        challenge_streak=history.challenge_streak + 1,
        same_evidence=history.next_on_same_evidence(),
        seen_at_challenge=history.seen_at_ask,
    )


def _run_ended(history: ReviewHistory, event: Event) -> ReviewHistory:
    launched = event.get("row", {}).get("attempts", 1) > 0
    return replace(history, runs_ended=history.runs_ended + 1) if launched else history


_CHANGES: dict[str, Callable[[ReviewHistory, Event], ReviewHistory]] = {
    "call_intended": _call_intended,
    "review": _review,
    "run_ended": _run_ended,
}
