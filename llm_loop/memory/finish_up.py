"""The finish-up, folded from the journal: which wish is obeyed, how far it has come, what its trainings came to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Self

from llm_loop.memory.journal import Event

COMPLETED = "completed"
TOO_LATE = "dropped: too little of the time that it was planned for is left"
"""The cause of a final round that had to wait for too long, and was not begun."""


class Phase(StrEnum):
    """How far the finish-up has come."""

    SCHEDULED = "scheduled"
    FINAL_TRAINING = "final_training"
    REPORTING = "reporting"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishUpState:
    """Hold the finish-up. ``phase`` is None while none is wished; then everything else has its default.

    ``wish`` is the wish in the file's form. ``rounds_begun`` are the final runs in the order of their staging,
    ``planned_s`` the seconds that each was decided for, ``rounds_ended`` maps those that ended to their state.
    ``why_no_more`` says why no further round is begun. ``reports`` maps the steps of the reporting that are over
    (``report``, ``test``, ``report_with_test``) to what came of them, in a word or a sentence. ``chosen`` is the winner
    of the first report, and what a score of it goes by; ``has_test_result`` whether the test gave a score.
    """

    phase: Phase | None = None
    wish: dict[str, Any] | None = None
    rounds_begun: tuple[str, ...] = ()
    rounds_ended: dict[str, str] | None = None
    planned_s: dict[str, float] | None = None
    why_no_more: str | None = None
    reports: dict[str, str] | None = None
    chosen: dict[str, Any] | None = None
    has_test_result: bool = False

    @property
    def is_open(self) -> bool:
        """Whether the window is open: nothing of the search goes on."""
        return self.phase in (Phase.FINAL_TRAINING, Phase.REPORTING)

    @property
    def completed_rounds(self) -> int:
        """How many final runs ended with a result."""
        return sum(state == COMPLETED for state in (self.rounds_ended or {}).values())

    def to_json(self) -> dict[str, Any]:
        """Return the snapshot's form."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Build it from a snapshot. Raises KeyError, TypeError, ValueError."""
        phase = None if value["phase"] is None else Phase(value["phase"])
        return cls(**{**value, "phase": phase, "rounds_begun": tuple(value["rounds_begun"])})


def apply(state: FinishUpState, event: Event) -> FinishUpState:
    """Return the finish-up after ``event``."""
    change = _CHANGES.get(event["event"])
    return state if change is None else change(state, event)


def _scheduled(state: FinishUpState, event: Event) -> FinishUpState:
    """Take a wish; one that changes while its window is open moves the deadline and keeps what was begun.

    Not so one whose window opens later: the search goes on until then.
    """
    if state.is_open and not event.get("opens_later"):
        return replace(state, wish=event["wish"])
    return FinishUpState(phase=Phase.SCHEDULED, wish=event["wish"])


def _activated(state: FinishUpState, event: Event) -> FinishUpState:
    return replace(state, phase=Phase.FINAL_TRAINING)


def _run_staged(state: FinishUpState, event: Event) -> FinishUpState:
    if state.phase is not Phase.FINAL_TRAINING or not event.get("is_final_round"):
        return state
    run_id, seconds = event["run"]["run_id"], event.get("training_s")
    planned = state.planned_s if seconds is None else {**(state.planned_s or {}), run_id: seconds}
    return replace(state, rounds_begun=(*state.rounds_begun, run_id), planned_s=planned)


def _run_ended(state: FinishUpState, event: Event) -> FinishUpState:
    """Note how a round ended; one that was taken back before it trained was none, and another may be decided."""
    if event["run_id"] not in state.rounds_begun:
        return state
    if event.get("cause") == TOO_LATE:
        begun = tuple(run_id for run_id in state.rounds_begun if run_id != event["run_id"])
        return replace(state, rounds_begun=begun)
    return replace(state, rounds_ended={**(state.rounds_ended or {}), event["run_id"]: event["state"]})


def _no_more_rounds(state: FinishUpState, event: Event) -> FinishUpState:
    return replace(state, why_no_more=event["why"])


def _reporting(state: FinishUpState, event: Event) -> FinishUpState:
    return replace(state, phase=Phase.REPORTING, why_no_more=event["why"])


def _reported(state: FinishUpState, event: Event) -> FinishUpState:
    reports = {**(state.reports or {}), event["step"]: event["outcome"]}
    chosen, has_result = event.get("chosen") or state.chosen, state.has_test_result or bool(event.get("has_result"))
    return replace(state, reports=reports, chosen=chosen, has_test_result=has_result)


def _done(state: FinishUpState, event: Event) -> FinishUpState:
    return replace(state, phase=Phase.DONE)


def _cancelled(state: FinishUpState, event: Event) -> FinishUpState:
    return FinishUpState()


_CHANGES: dict[str, Callable[[FinishUpState, Event], FinishUpState]] = {
    "finish_up_scheduled": _scheduled,
    "finish_up_activated": _activated,
    "run_staged": _run_staged,
    "run_ended": _run_ended,
    "finish_up_no_more_rounds": _no_more_rounds,
    "finish_up_reporting": _reporting,
    "finish_up_reported": _reported,
    "finish_up_done": _done,
    "finish_up_cancelled": _cancelled,
}
