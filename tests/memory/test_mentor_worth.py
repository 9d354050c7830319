"""The mentor's worth is counted from closed cycles: what it wanted, what was run, what came of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_loop.memory.mentor_worth import KEPT_CHALLENGES, MentorWorth, Outcome, apply, outcome_of

MEASURED = {"status": "completed", "value": 0.4, "metric": "val_log_loss"}
FAILED = {"status": "failed", "value": None, "metric": None}


def cycle(mentor: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "event": "cycle",
        "cycle": 7,
        "run_id": "R0007",
        "run_label": "a-label",
        "run_outcome": MEASURED,
        "delta_best": -0.1,
        "best": {"run_id": "R0007", "value": 0.4},
        "decision_source": "mentor" if mentor is not None and mentor["applied"] else "primary",
        "codex": {"mentor": mentor},
    } | changes


def word(recommendation: str = "challenge", applied: bool = False, **changes: Any) -> dict[str, Any]:
    return {"run": True, "recommendation": recommendation, "applied": applied, "error": None} | changes


OTHER_BEST = {"run_id": "R0003", "value": 0.3}


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({}, Outcome.GAINED),
        ({"best": OTHER_BEST, "delta_best": 0.1}, Outcome.LOST),
        ({"best": OTHER_BEST, "delta_best": 0.0}, Outcome.TIED),
        ({"delta_tied": True}, Outcome.TIED),
        ({"delta_tied": True, "best": OTHER_BEST, "delta_best": 0.01}, Outcome.TIED),
        ({"delta_tied": False}, Outcome.GAINED),
        ({"delta_tied": None}, Outcome.GAINED),
        ({"delta_best": None}, Outcome.FIRST),
        ({"run_outcome": FAILED, "delta_best": None}, Outcome.FAILED),
        ({"run_outcome": None, "run_id": None, "delta_best": None}, Outcome.NO_RUN),
    ],
)
def test_what_a_run_did(changes: dict[str, Any], outcome: Outcome) -> None:
    assert outcome_of(cycle(**changes)) is outcome


def worth_of(*events: dict[str, Any]) -> MentorWorth:
    worth = MentorWorth()
    for event in events:
        worth = apply(worth, event)
        assert MentorWorth.from_json(json.loads(json.dumps(worth.to_json()))) == worth
    return worth


def test_adopted_and_declined_challenges_and_the_rest_are_counted_apart() -> None:
    worth = worth_of(
        cycle(word(applied=True)),
        cycle(word(applied=True), run_outcome=FAILED, delta_best=None),
        cycle(word(not_applied_reason="gate_refused"), best=OTHER_BEST),
        cycle(word("continue")),
        cycle(),
        cycle(run_outcome=None, run_id=None),
        cycle({"run": False, "recommendation": None, "applied": False, "error": "quota"}),
        cycle({"run": False, "recommendation": None, "applied": False, "error": None, "reasons": ["not_due"]}),
    )
    assert (worth.asked, worth.unreached, worth.challenges) == (5, 1, 3)
    assert worth.adopted == {"gained": 1, "failed": 1}
    assert worth.declined == {"lost": 1}
    assert worth.others == {"gained": 4}
    assert [(one.adopted, one.why_not, one.outcome) for one in worth.last] == [
        (True, None, Outcome.GAINED),
        (True, None, Outcome.FAILED),
        (False, "gate_refused", Outcome.LOST),
    ]


def test_a_suggestion_that_passed_the_gate_and_was_not_run_is_not_adopted() -> None:
    worth = worth_of(cycle(word(applied=True), decision_source="primary"))
    assert (worth.adopted, worth.declined, worth.last[0].why_not) == ({}, {"gained": 1}, "not_run")


def test_the_last_ones_are_bounded_and_the_counts_are_not() -> None:
    worth = worth_of(*(cycle(word(), cycle=number, run_label="x" * 500) for number in range(25)))
    assert worth.challenges == 25 and sum(worth.declined.values()) == 25
    assert [one.cycle for one in worth.last] == list(range(25 - KEPT_CHALLENGES, 25))
    assert len(worth.last[0].label) == 80


def test_other_events_change_nothing() -> None:
    worth = worth_of(cycle(word()))
    assert apply(worth, {"event": "review"}) is worth


def test_a_cycle_of_an_earlier_version_is_understood() -> None:
    assert worth_of({"event": "cycle", "cycle_trace_id": "x", "result": "wait"}) == MentorWorth()


@pytest.mark.parametrize(
    "changes", [{"last": [{}]}, {"last": [3]}, {"adopted": {"won": 1}}, {"declined": 3}], ids=range(4)
)
def test_what_is_no_snapshot_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises((AttributeError, KeyError, TypeError, ValueError)):
        MentorWorth.from_json(worth_of(cycle(word())).to_json() | changes)
