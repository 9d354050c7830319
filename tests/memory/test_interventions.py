"""What a person is needed for: told once a cause, kept over restarts, closed by the loop, by a start, or by id."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llm_loop.cycle.calls_for_people import call_a_person, call_no_longer, close_resolved, meant_by, not_open
from llm_loop.cycle.ledger import Ledger
from llm_loop.memory.interventions import MOST, Interventions, apply, global_reason
from llm_loop.memory.state import LoopState
from llm_loop.system.files import read_json
from tests.views.workspace_builder import WorkspaceBuilder

DISK: dict[str, Any] = {"phase": "disk", "cause": "short", "why": "only 3 MB are free", "what_to_do": "free some"}


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return WorkspaceBuilder(tmp_path).ledger


def needed(seq: int, **fields: Any) -> dict[str, Any]:
    return {"seq": seq, "ts_utc": "2026-03-01T22:00:00Z", "event": "needs_human", **DISK, **fields}


def test_a_cause_is_told_once_while_it_is_open_and_again_when_it_comes_back(ledger: Ledger) -> None:
    for _ in range(3):
        call_a_person(ledger, **DISK)
    (first,) = ledger.state.interventions.reasons
    assert (first.id, first.phase, first.is_global) == ("H1", "disk", False)
    call_no_longer(ledger, "disk", "short", "9 MB are free again")
    call_no_longer(ledger, "disk", "short", "9 MB are free again")
    assert ledger.state.interventions.reasons == ()
    call_a_person(ledger, **DISK)
    events = [event["event"] for event in ledger.journal.after(0)]
    assert events == ["needs_human", "human_no_longer_needed", "needs_human"]
    assert [one.id for one in ledger.state.interventions.reasons] == ["H3"]


def test_state_json_names_the_reasons_and_a_snapshot_keeps_them(ledger: Ledger, tmp_path: Path) -> None:
    call_a_person(ledger, **DISK, attempted="waited", failure="no space", is_global=True)
    ledger.save()
    value = read_json(WorkspaceBuilder(tmp_path).paths.state)
    assert value["needs_human"] is True
    (reason,) = value["human_intervention_reasons"]
    assert (reason["id"], reason["attempted"], reason["failure"]) == ("H1", "waited", "no space")
    assert LoopState.from_json(value["loop"]).interventions == ledger.state.interventions


def test_a_snapshot_of_before_has_none(ledger: Ledger) -> None:
    value = ledger.state.to_json()
    del value["interventions"]
    assert LoopState.from_json(value).interventions == Interventions()


def test_an_older_event_has_an_id_by_its_number_and_a_start_closes_what_kept_one_from_happening() -> None:
    old = {"seq": 7, "ts_utc": "2026-03-01T22:00:00Z", "event": "needs_human", "phase": "start", "why": "it died"}
    found = apply(apply(Interventions(), old), needed(8))
    assert [(one.id, one.cause, one.is_global) for one in found.reasons] == [
        ("H7", "it died", True),
        ("H8", "short", False),
    ]
    found = apply(found, {"seq": 9, "event": "daemon_started"})
    assert [one.id for one in found.reasons] == ["H8"]


def test_the_newest_reasons_are_kept() -> None:
    found = Interventions()
    for seq in range(1, MOST + 10):
        found = apply(found, needed(seq, cause=f"cause {seq}"))
    assert len(found.reasons) == MOST and found.reasons[-1].id == f"H{MOST + 9}"


def test_many_failures_do_not_hide_what_holds_launches() -> None:
    before = apply(Interventions(), needed(1, cause="driver", phase="execution", is_global=True))
    for seq in range(2, 2 + 2 * MOST):
        before = apply(before, needed(seq, cause=f"failure {seq}", phase="execution", is_global=False))
    assert len(before.reasons) == MOST and before.reasons[0].cause == "driver"
    assert before.reasons[-1].cause == f"failure {1 + 2 * MOST}"
    for seq in range(100, 101 + MOST):
        before = apply(before, needed(seq, cause=f"driver {seq}", phase="execution", is_global=True))
    assert len(before.reasons) == MOST and before.reasons[-1].cause == f"driver {100 + MOST}"


def test_who_closes_what_is_not_open_changes_nothing() -> None:
    found = apply(Interventions(), needed(1))
    assert apply(found, {"seq": 2, "event": "human_no_longer_needed", "id": "H9"}) is found
    assert apply(found, {"seq": 3, "event": "cycle"}) is found


def test_runs_that_meet_the_same_subject_are_one_reason_and_another_subject_is_another(ledger: Ledger) -> None:
    of = {"phase": "validation", "cause": "missing_module", "why": "it is nowhere", "what_to_do": "install it"}
    for run_id, subject in (("R0001", "timm"), ("R0002", "timm"), ("R0003", "einops")):
        call_a_person(ledger, **of, run_id=run_id, subject=subject, log="/w/R1.stderr.log")
    found = ledger.state.interventions
    assert [(one.run_id, one.subject) for one in found.reasons] == [("R0001", "timm"), ("R0003", "einops")]
    call_no_longer(ledger, "validation", "missing_module", "it is there", subject="timm")
    assert [one.subject for one in ledger.state.interventions.reasons] == ["einops"]
    call_no_longer(ledger, "validation", "missing_module", "of no subject")
    assert len(ledger.state.interventions.reasons) == 1


def test_texts_of_a_training_become_bounded_lines_and_are_still_the_same_cause(ledger: Ledger) -> None:
    hostile = "\x1b[31mrm -rf /\x1b[0m\n\u202eevil\0" + "x" * 5000
    for _ in range(2):
        call_a_person(
            ledger,
            phase="execution",
            cause=hostile,
            why=hostile,
            what_to_do=hostile,
            attempted=hostile,
            failure=hostile,
            subject=hostile,
            log=hostile,
        )
    (reason,) = ledger.state.interventions.reasons
    texts = (reason.cause, reason.why, reason.what_to_do, reason.attempted, reason.failure, reason.subject, reason.log)
    assert all(text is not None and text.isprintable() and len(text) <= 1000 for text in texts)
    assert reason.why.startswith("rm -rf / evil")


def test_what_a_person_resolves_is_closed_with_their_note_and_told_anew_when_it_comes_back(ledger: Ledger) -> None:
    call_a_person(ledger, **DISK)
    answer = {"id": "x", "request": "resolve", "accepted": True, "run_ids": [], "reasons": ["H1"], "note": "freed"}
    ledger.record("request_answered", **answer)
    (marked,) = ledger.state.interventions.reasons
    assert marked.resolved and meant_by("all", ledger.state.interventions) == ()
    assert LoopState.from_json(ledger.state.to_json()).interventions == ledger.state.interventions
    close_resolved(ledger)
    close_resolved(ledger)
    closed = [event for event in ledger.journal.after(0) if event["event"] == "human_no_longer_needed"]
    assert [(one["id"], one["by"], one["note"]) for one in closed] == [("H1", "person", "freed")]
    assert closed[0]["why"] == "a person resolved it: freed"
    call_a_person(ledger, **DISK)
    assert [one.id for one in ledger.state.interventions.reasons] == ["H4"]


def test_a_request_that_was_refused_or_is_of_another_kind_marks_nothing() -> None:
    found = apply(Interventions(), needed(1))
    for fields in ({"request": "resolve", "accepted": False}, {"request": "cancel", "accepted": True}):
        assert apply(found, {"seq": 2, "event": "request_answered", "reasons": ["H1"], **fields}) is found


def test_the_loop_says_that_it_was_the_loop_that_closed(ledger: Ledger) -> None:
    call_a_person(ledger, **DISK)
    call_no_longer(ledger, "disk", "short", "9 MB are free again")
    assert ledger.journal.after(1)[0]["by"] == "loop"


def test_a_reason_is_meant_by_its_id_in_either_case() -> None:
    found = apply(apply(Interventions(), needed(1)), needed(12, cause="another"))
    assert [one.id for one in meant_by(" h12 ", found)] == ["H12"] and meant_by("1", found) == ()
    assert [one.id for one in meant_by("ALL", found)] == ["H1", "H12"]
    assert not_open("H9", found) == (
        "no reason 'H9' is open here; open are",
        "H1 disk: only 3 MB are free",
        "H12 disk: only 3 MB are free",
    )
    assert not_open("H9", Interventions()) == ("nothing is open: nobody is needed",)


def test_a_message_that_was_sent_is_kept_with_its_reason() -> None:
    found = apply(apply(Interventions(), needed(1)), needed(2, cause="another"))
    found = apply(found, {"seq": 3, "event": "person_notified", "id": "H1", "ways": [], "ok": False, "why": "x"})
    assert [one.notified for one in found.reasons] == [True, False]
    assert Interventions.from_json(found.to_json()) == found
    assert [one.notified for one in apply(found, needed(4)).reasons] == [False, False], "told anew"


def test_only_a_global_reason_of_a_run_holds_launches_by_this_way() -> None:
    def state(*events: dict[str, Any]) -> LoopState:
        found = Interventions()
        for event in events:
            found = apply(found, event)
        return LoopState(interventions=found)

    assert global_reason(state()) is None
    assert global_reason(state(needed(1, is_global=True))) is None, "the disk holds by itself"
    assert global_reason(state(needed(1, phase="execution"))) is None
    no_gpu, no_data = (needed(seq, phase=phase, is_global=True) for seq, phase in ((2, "execution"), (3, "validation")))
    held = state(needed(1), no_gpu, no_data)
    assert (held_by := global_reason(held)) is not None and held_by.id == "H2"
    answer = {"seq": 4, "event": "request_answered", "request": "resolve", "accepted": True, "reasons": ["H2", "H3"]}
    assert global_reason(state(no_gpu, no_data, answer)) is None
