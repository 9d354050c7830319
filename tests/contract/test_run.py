"""A run: its states and moves, its schema, its dataclass, and what a real loop writes."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from llm_loop.contract import schemas
from llm_loop.contract.run import MOVES, Attempt, Run, RunState
from llm_loop.memory.state import LoopState, apply
from llm_loop.system.processes import EndCause
from tests.contract.real_loop import journal


def real_runs() -> list[Run]:
    """Return each run of a real loop after each event."""
    found, state = [], LoopState()
    for event in journal():
        state = apply(state, event)
        found += state.runs.values()
    return found


def test_what_a_real_loop_holds_is_what_the_schema_says() -> None:
    runs = real_runs()
    broken = [line for run in runs for line in schemas.violations("run", run.to_json())]
    assert broken == []
    seen = {run.state for run in runs}
    assert {RunState.STAGED, RunState.RUNNING, RunState.COMPLETED} <= seen
    assert any(run.result for run in runs) and any(run.attempts and run.attempts[0].pid for run in runs)


def test_a_run_goes_through_its_json_form_unchanged() -> None:
    for run in real_runs():
        assert Run.from_json(run.to_json()) == run


def test_a_real_run_only_moves_where_it_may() -> None:
    states: dict[str, RunState] = {}
    for run in real_runs():
        before = states.get(run.run_id, run.state)
        assert run.state is before or run.state in MOVES[before]
        states[run.run_id] = run.state


def test_schema_and_dataclasses_have_the_same_fields() -> None:
    properties = schemas.load_schema("run")["properties"]
    assert list(properties) == [field.name for field in fields(Run)]
    assert list(properties["attempts"]["items"]["properties"]) == [field.name for field in fields(Attempt)]
    assert properties["state"]["enum"] == list(RunState)
    assert properties["attempts"]["items"]["properties"]["cause"]["enum"] == [*EndCause, None]


def test_a_final_state_has_no_way_out_and_every_other_leads_to_one() -> None:
    for state in RunState:
        assert state.is_final == (state not in MOVES)
    for start in MOVES:
        reached, ways = set(), [start]
        while ways:
            state = ways.pop()
            ways += [after for after in MOVES.get(state, ()) if after not in reached]
            reached |= MOVES.get(state, frozenset())
        assert any(state.is_final for state in reached)


def test_what_a_run_says_of_itself() -> None:
    run = real_runs()[-1]
    assert run.builds_on == () and run.last_attempt == run.attempts[-1]
    with pytest.raises(IndexError):
        _ = replace(run, attempts=()).last_attempt


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"state": "dancing"}, "state"),
        ({"lable": "x"}, "nearest known: 'label'"),
        ({"decision": {}}, "decision"),
        ({"attempts": [{"number": 1}]}, "attempts.0"),
        ({"result": {"metric": "x"}}, "result"),
        ({"metrics": {"val_a": "x"}}, "metrics.val_a"),
    ],
)
def test_what_differs_is_named(change: dict[str, Any], said: str) -> None:
    assert any(said in line for line in schemas.violations("run", real_runs()[-1].to_json() | change))
