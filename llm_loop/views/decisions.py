"""What was decided in a cycle, by whom, what the gate and the mentor said, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llm_loop.contract.call_report import FailureCause
from llm_loop.contract.run import FAILED, Run
from llm_loop.views.untrusted import dict_of, list_of, number_of, text_of, texts_of, whole_of

LABEL_CHARACTERS = 80
"""The states of runs that came to nothing by a failure."""
_REASON_CHARACTERS = 300
_CRITIQUE_CHARACTERS = 240
_MOST_REFUSALS = 6
_MOST_ENDED = 64
_OF_AN_ANSWER = (FailureCause.NO_ANSWER, FailureCause.SCHEMA, FailureCause.INCOMPLETE)
_OF_A_CALL = frozenset(cause.value for cause in FailureCause if cause not in _OF_AN_ANSWER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Hold one reason against one proposal, the ``proposal``-th of its cycle (from 1).

    ``by`` is ``gate``, ``contract`` for an answer that was no decision, ``call`` for a call that gave none.
    """

    proposal: int
    by: str
    proposer: str
    reason: str
    fix: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MentorWord:
    """Hold the mentor's word. ``reached`` is False when it was asked and gave no usable answer.

    ``applied``: its own decision took the place of the worker's.
    """

    reached: bool
    recommendation: str | None
    critique: str | None
    applied: bool
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionStatus:
    """Hold one cycle's decision.

    ``gate`` is the verdict on the decision that was taken: passed, refused (then it became a wait) or
    none (nothing was proposed). ``refusals`` are the reasons against proposals of this cycle, the taken
    one's notes left out. ``mentor`` is None when it was not asked. ``result`` is the closing event's
    (run_command, wait, ...), or open while the cycle goes on. ``outcome`` is the run's state, ``cause`` and
    ``detail`` why it ended so, ``delta`` its value minus the best before it, ``is_best`` whether it was
    the best so far when it ended.
    """

    cycle: int | None
    cycle_trace_id: str | None
    at_utc: str | None
    proposer: str | None
    action: str
    label: str | None
    idea_category: str | None
    rationale: str | None
    run_id: str | None
    gate: str
    refusals: tuple[Refusal, ...]
    mentor: MentorWord | None
    result: str
    reason: str | None
    outcome: str | None
    cause: str | None
    detail: str | None
    metric: str | None
    value: float | None
    delta: float | None
    is_best: bool


class Endings:
    """Follow the journal for what became of runs whose cycle is not closed yet.

    Of a run that failed before it was ever launched, the closing event of its cycle says no more than that it was
    dropped.
    """

    def __init__(self) -> None:
        self._ended: dict[str, dict[str, Any]] = {}

    def clear(self) -> None:
        """Forget what was followed: the journal begins anew."""
        self._ended.clear()

    def follow(self, event: dict[str, Any]) -> None:
        """Take one event. Raises nothing."""
        if event.get("event") == "run_ended" and event.get("state") in FAILED:
            said = {"status": event["state"], "cause": event.get("cause"), "detail": event.get("detail")}
            self._ended = dict([*self._ended.items(), (str(event.get("run_id")), said)][-_MOST_ENDED:])

    def take(self, event: dict[str, Any]) -> dict[str, Any]:
        """Return how the run of a closing ``cycle`` event failed, {} where it did not or was not followed."""
        return self._ended.pop(str(event.get("run_id")), {})


def of_cycle_event(event: dict[str, Any], failed: dict[str, Any] | None = None) -> DecisionStatus:
    """Return what a closing ``cycle`` event says; ``failed`` is how its run failed, as ``Endings`` has it.

    Raises nothing: missing parts are None.
    """
    outcome, best = dict_of(event.get("run_outcome")) or failed or {}, dict_of(event.get("best"))
    proposals = list_of(event.get("proposals"))
    run_id = text_of(event.get("run_id"), 40)
    value = number_of(outcome.get("value"))
    return DecisionStatus(
        cycle=whole_of(event.get("cycle")),
        cycle_trace_id=text_of(event.get("cycle_trace_id"), 40),
        at_utc=text_of(event.get("ts_utc"), 40),
        proposer=text_of(event.get("proposer"), 40) or _last_proposer(proposals),
        action=text_of(event.get("action"), 40) or "unknown",
        label=text_of(event.get("run_label"), LABEL_CHARACTERS) or _label_decided(proposals),
        idea_category=text_of(event.get("idea_category"), 40),
        rationale=text_of(event.get("rationale"), _REASON_CHARACTERS),
        run_id=run_id,
        gate=_verdict(proposals, taken=event.get("decision_source") != "none"),
        refusals=refusals_of(proposals),
        mentor=mentor_word(dict_of(event.get("codex")).get("mentor")),
        result=text_of(event.get("result"), 40) or "unknown",
        reason=text_of(event.get("reason"), _REASON_CHARACTERS),
        outcome=text_of(outcome.get("status"), 40),
        cause=text_of(outcome.get("cause"), 120),
        detail=text_of(outcome.get("detail"), _REASON_CHARACTERS),
        metric=text_of(outcome.get("metric"), 60),
        value=value,
        delta=number_of(event.get("delta_best")),
        is_best=value is not None and best.get("run_id") == run_id,
    )


def of_open_run(run: Run) -> DecisionStatus:
    """Return the decision behind a run whose cycle is not closed."""
    record, decision = dict_of(run.cycle_record), dict_of(run.decision)
    proposals, trouble = list_of(record.get("proposals")), run.procedure.trouble
    diagnosis = None if trouble is None else trouble.diagnosis
    return DecisionStatus(
        cycle=run.cycle,
        cycle_trace_id=text_of(run.cycle_trace_id, 40),
        at_utc=None,
        proposer=text_of(run.proposer, 40),
        action=text_of(decision.get("action"), 40) or "run_command",
        label=text_of(run.label, LABEL_CHARACTERS),
        idea_category=text_of(decision.get("idea_category"), 40),
        rationale=text_of(decision.get("rationale"), _REASON_CHARACTERS),
        run_id=text_of(run.run_id, 40),
        gate=_verdict(proposals, taken=True),
        refusals=refusals_of(proposals),
        mentor=mentor_word(record.get("review")),
        result="open",
        reason=None,
        outcome=run.state.value,
        cause=text_of(run.cause, 120) or (None if diagnosis is None else diagnosis.cause.value),
        detail=None,
        metric=None,
        value=None,
        delta=None,
        is_best=False,
    )


def mentor_word(record: Any) -> MentorWord | None:
    """Return the word in a review's record; None when there is none."""
    if not isinstance(record, dict):
        return None
    return MentorWord(
        reached=bool(record.get("run")),
        recommendation=text_of(record.get("recommendation"), 40),
        critique=text_of(record.get("critique"), _CRITIQUE_CHARACTERS),
        applied=bool(record.get("applied")),
        error=text_of(record.get("error"), _REASON_CHARACTERS),
    )


def refusals_of(proposals: list[Any]) -> tuple[Refusal, ...]:
    """Return the reasons against the proposals that were refused or unusable, at most six."""
    found: list[Refusal] = []
    for place, proposal in enumerate(map(dict_of, proposals), start=1):
        who = text_of(proposal.get("proposer"), 40) or "unknown"
        for reason in texts_of(proposal.get("unusable"), _REASON_CHARACTERS):
            by = "call" if reason.partition(":")[0] in _OF_A_CALL else "contract"
            found.append(Refusal(proposal=place, by=by, proposer=who, reason=reason, fix=None))
        gate = dict_of(proposal.get("quality_gate"))
        if gate.get("blocked"):
            found += [_of_gate(place, who, dict_of(detail)) for detail in list_of(gate.get("details"))]
    return tuple(found[:_MOST_REFUSALS])


def _of_gate(place: int, who: str, detail: dict[str, Any]) -> Refusal:
    code, message = text_of(detail.get("code"), 60) or "refused", text_of(detail.get("message"), _REASON_CHARACTERS)
    reason = code if message is None else f"{code}: {message}"
    fix = text_of(detail.get("fix"), _REASON_CHARACTERS)
    return Refusal(proposal=place, by="gate", proposer=who, reason=reason, fix=fix)


def _verdict(proposals: list[Any], *, taken: bool) -> str:
    if taken:
        return "passed"
    return "refused" if proposals else "none"


def _last_proposer(proposals: list[Any]) -> str | None:
    return next((text_of(dict_of(one).get("proposer"), 40) for one in reversed(proposals)), None)


def _label_decided(proposals: list[Any]) -> str | None:
    decisions = [dict_of(dict_of(one).get("decision")) for one in reversed(proposals)]
    labels = [text_of(decision.get("run_label"), LABEL_CHARACTERS) for decision in decisions]
    return next((label for label in labels if label is not None), None)
