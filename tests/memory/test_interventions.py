"""What a person is needed for: told once a cause, kept over restarts, closed by the loop, by a start, or by id."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llm_loop.cycle.calls_for_people import call_a_person, call_no_longer
from llm_loop.cycle.ledger import Ledger
from llm_loop.memory.interventions import MOST, Interventions, apply
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


def test_who_closes_what_is_not_open_changes_nothing() -> None:
    found = apply(Interventions(), needed(1))
    assert apply(found, {"seq": 2, "event": "human_no_longer_needed", "id": "H9"}) is found
    assert apply(found, {"seq": 3, "event": "cycle"}) is found
