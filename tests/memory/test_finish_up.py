"""The finish-up, folded from events."""

from __future__ import annotations

import json
from typing import Any

from llm_loop.memory.finish_up import TOO_LATE, FinishUpState, Phase, apply

WISH = {"status": "requested", "report_top_k": 5}


def after(*events: tuple[str, dict[str, Any]]) -> FinishUpState:
    """Fold events; the state goes through its snapshot's form each time."""
    state = FinishUpState()
    for kind, fields in events:
        state = apply(state, {"event": kind, **fields})
        state = FinishUpState.from_json(json.loads(json.dumps(state.to_json())))
    return state


SCHEDULED = ("finish_up_scheduled", {"wish": WISH})
ACTIVATED = ("finish_up_activated", {})


def staged(run_id: str, *, is_final: bool) -> tuple[str, dict[str, Any]]:
    return "run_staged", {"run": {"run_id": run_id}, "is_final_round": is_final}


def ended(run_id: str, state: str) -> tuple[str, dict[str, Any]]:
    return "run_ended", {"run_id": run_id, "state": state}


def test_final_rounds_are_those_of_the_window() -> None:
    before = staged("R0001", is_final=False)
    state = after(before, SCHEDULED, ACTIVATED, staged("R0002", is_final=True), staged("R0003", is_final=False))
    assert (state.phase, state.rounds_begun, state.is_open) == (Phase.FINAL_TRAINING, ("R0002",), True)


def test_only_a_round_with_a_result_is_a_completed_one() -> None:
    rounds = [staged("R0002", is_final=True), staged("R0003", is_final=True)]
    state = after(SCHEDULED, ACTIVATED, *rounds, ended("R0002", "failed"), ended("R0003", "completed"))
    assert state.completed_rounds == 1 and state.rounds_ended == {"R0002": "failed", "R0003": "completed"}
    assert after(SCHEDULED, ACTIVATED, ended("R0001", "completed")).rounds_ended is None


def test_a_wish_that_changes_in_its_window_keeps_what_was_begun() -> None:
    changed = ("finish_up_scheduled", {"wish": {**WISH, "report_top_k": 7}})
    state = after(SCHEDULED, ACTIVATED, staged("R0002", is_final=True), changed)
    assert (state.phase, state.rounds_begun) == (Phase.FINAL_TRAINING, ("R0002",))
    assert state.wish is not None and state.wish["report_top_k"] == 7


def test_the_reporting_and_the_next_wish() -> None:
    reported = ("finish_up_reported", {"step": "report", "outcome": "written"})
    done = [SCHEDULED, ACTIVATED, ("finish_up_reporting", {"why": "over"}), reported, ("finish_up_done", {})]
    state = after(*done)
    assert (state.phase, state.reports, state.why_no_more) == (Phase.DONE, {"report": "written"}, "over")
    assert not state.is_open
    assert after(*done, SCHEDULED) == FinishUpState(phase=Phase.SCHEDULED, wish=WISH)
    assert after(*done, ("finish_up_cancelled", {"why": "gone"})) == FinishUpState()


def test_a_journal_of_before_has_none() -> None:
    assert after(("run_staged", {"run": {"run_id": "R0001"}}), ("run_ended", {"run_id": "R0001", "state": "x"})) == (
        FinishUpState()
    )


def test_a_wish_for_later_closes_its_window_again() -> None:
    later = ("finish_up_scheduled", {"wish": WISH, "opens_later": True})
    assert after(SCHEDULED, ACTIVATED, staged("R0002", is_final=True), later) == (
        FinishUpState(phase=Phase.SCHEDULED, wish=WISH)
    )


def test_a_round_that_came_too_late_was_none() -> None:
    begun = "run_staged", {"run": {"run_id": "R0002"}, "is_final_round": True, "training_s": 60.0}
    assert after(SCHEDULED, ACTIVATED, begun).planned_s == {"R0002": 60.0}
    late = "run_ended", {"run_id": "R0002", "state": "cancelled", "cause": TOO_LATE}
    state = after(SCHEDULED, ACTIVATED, begun, late)
    assert state.rounds_begun == () and state.rounds_ended is None
