"""The closing event of a cycle: its schema, its dataclass, and what a real loop writes."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from llm_loop.contract import schemas
from llm_loop.contract.cycle_event import PREVIEW_CHARACTERS, CycleEvent
from llm_loop.contract.decision import Action, IdeaCategory
from llm_loop.contract.run import RunState
from tests.contract.real_loop import journal, journal_of_changed_code
from tests.windows.marks import not_under_wine

ADDED_BY_THE_JOURNAL = {"seq", "ts_utc", "event"}


def real_cycles(events: tuple[dict[str, Any], ...] | None = None) -> list[dict[str, Any]]:
    cycles = [event for event in (journal() if events is None else events) if event["event"] == "cycle"]
    return [{name: value for name, value in one.items() if name not in ADDED_BY_THE_JOURNAL} for one in cycles]


def test_what_a_real_loop_writes_is_what_the_schema_says() -> None:
    cycles = sorted(real_cycles(), key=lambda one: one["cycle"])
    assert [schemas.violations("cycle_event", one) for one in cycles] == [[]] * 4
    assert [one["result"] for one in cycles] == ["run_command", "run_command", "run_command", "wait"], (
        "each kind is looked at"
    )
    assert cycles[1]["decision_source"] == "mentor" and cycles[1]["codex"]["mentor"]["applied"] is True
    assert (
        cycles[0]["proposals"][0]["decision"] is None and cycles[0]["codex"]["worker_housekeeping"]["todo_added"] == 1
    )
    assert cycles[2]["proposals"][0]["quality_gate"]["blocked"] is True
    assert cycles[3]["codex"]["mentor"]["error"] and cycles[3]["run_outcome"] is None
    assert cycles[0]["delta_best"] is None and cycles[2]["delta_best"] is not None
    assert [one["delta_tied"] for one in cycles] == [None] * 4, "no noise is known"
    assert [one["use"]["calls"] for one in cycles] == [2, 2, 2, 2], "a worker asked twice, or worker and mentor"
    assert [one["use"]["cycle_trace_id"] for one in cycles] == [one["cycle_trace_id"] for one in cycles]
    assert cycles[1]["codex"]["mentor"]["agent"] == "command" and cycles[1]["codex"]["mentor"]["error"] is None


@pytest.mark.slow
@not_under_wine("it makes no junctions, and a run in a checkout needs them")
def test_so_is_the_event_of_a_run_of_changed_code() -> None:
    (cycle,) = real_cycles(journal_of_changed_code())
    assert schemas.violations("cycle_event", cycle) == []
    code = cycle["proposals"][0]["code"]
    assert [file["path"] for file in code["files"]] == ["settings.txt"] and code["diff"] == ""


def test_a_real_event_goes_through_the_dataclass_unchanged() -> None:
    for one in real_cycles():
        assert CycleEvent(**one).to_json() == one
        assert len(one["command_preview"]) <= PREVIEW_CHARACTERS


def test_schema_and_dataclass_have_the_same_fields() -> None:
    schema = schemas.load_schema("cycle_event")
    assert list(schema["properties"]) == [field.name for field in fields(CycleEvent)]


def test_closed_sets_are_those_of_the_code() -> None:
    schema = schemas.load_schema("cycle_event")
    properties = schema["properties"]
    assert properties["action"]["enum"] == list(Action)
    assert properties["idea_category"]["enum"] == [*IdeaCategory, None]
    final = [state.value for state in RunState if state.is_final]
    assert schema["$defs"]["run_outcome"]["properties"]["status"]["enum"] == final


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"result": "danced"}, "result"),
        ({"delta_bset": 1}, "nearest known: 'delta_best'"),
        ({"cycle": "1"}, "cycle"),
        ({"best": {"run_id": "R1"}}, "best"),
        ({"proposals": [{}]}, "proposals.0"),
        ({"auto_repair": {}}, "auto_repair"),
        ({"codex": {}}, "codex"),
        ({"use": {"calls": 1}}, "use"),
    ],
)
def test_what_differs_is_named(change: dict[str, Any], said: str) -> None:
    assert any(said in line for line in schemas.violations("cycle_event", real_cycles()[0] | change))
