"""A run: its states and moves, its schema, its dataclass, and what a real loop writes."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from llm_loop.contract import schemas
from llm_loop.contract.call_report import CallReport, TokenUse
from llm_loop.contract.code_change import ChangedFile, ChangeKind, CodeBase, CodeChange
from llm_loop.contract.run import MOVES, Attempt, Run, RunCode, RunState
from llm_loop.cycle.call_records import lean, proposal_record
from llm_loop.memory.folding import apply
from llm_loop.memory.role_use import CycleUse
from llm_loop.memory.state import LoopState
from llm_loop.stages.review import CHALLENGE_REVIEWER, HEALTH_HELPER, NOTES
from llm_loop.system.processes import EndCause
from llm_loop.versions.linking import PlacedLink
from llm_loop.versions.placing import Place
from llm_loop.versions.proof import Proof
from tests.contract.real_loop import journal, journal_of_changed_code
from tests.windows.marks import not_under_wine


def real_runs(events: tuple[dict[str, Any], ...] | None = None) -> list[Run]:
    """Return each run of a real loop after each event."""
    found, state = [], LoopState()
    for event in journal() if events is None else events:
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


@not_under_wine("it makes no junctions, and a run in a checkout needs them")
def test_so_is_a_real_run_of_changed_code() -> None:
    runs = real_runs(journal_of_changed_code())
    assert [line for run in runs for line in schemas.violations("run", run.to_json())] == []
    code = runs[-1].code
    assert runs[-1].state is RunState.COMPLETED and code.place is not None and code.change is not None
    assert [file["path"] for file in code.change["files"]] and code.change["diff"] == "", "the journal has the diff"
    (record,) = runs[-1].cycle_record["proposals"]
    assert record["code"]["diff"] == "" and record["code"]["version"] == code.version, "the diff stands once"
    assert Run.from_json(runs[-1].to_json()) == runs[-1]


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


def a_change() -> CodeChange:
    return CodeChange(
        base=CodeBase(version="b" * 12, repository_version="a" * 12, run_id="R0001"),
        version="c" * 12,
        checkout="C0002-worker-3",
        files=(
            ChangedFile(path="model.py", kind=ChangeKind.CHANGED, lines_added=1, lines_removed=0),
            ChangedFile(path="weights.bin", kind=ChangeKind.REMOVED),
        ),
        diff="--- a/model.py\n+++ b/model.py\n",
        config_files={"configs/new.yaml": "lr: 1\n"},
    )


def a_place() -> Place:
    return Place(
        checkout_id="C0002-worker-3",
        checkout="/w/.llm_loop/checkouts/C0002-worker-3",
        version="c" * 12,
        cwd="/w/.llm_loop/checkouts/C0002-worker-3",
        command="python train.py",
        command_decided="python /w/repo/train.py",
        python_path=("/w/.llm_loop/checkouts/C0002-worker-3",),
        inputs=(PlacedLink(path="data", target="/w/repo/data", kind="data"),),
        outputs=("runs",),
        known_outputs=(PlacedLink(path="runs/best.pt", target="/w/repo/runs/best.pt", kind="output"),),
        proofs=(Proof(path="model.py", module="model"), Proof(path="train.py", module=None)),
    )


def test_a_run_of_changed_code_is_what_the_schema_says_and_goes_through_its_json_form() -> None:
    change, place = a_change(), a_place()
    code = RunCode(version="c" * 12, repository_version="a" * 12, change=change.to_json(), place=place.to_json())
    run = replace(real_runs()[-1], code=code)
    assert schemas.violations("run", run.to_json()) == []
    assert Run.from_json(run.to_json()) == run
    assert CodeChange.from_json(run.code.change or {}) == change and Place.from_json(run.code.place or {}) == place


def test_a_proposal_of_a_call_with_a_report_is_what_the_schema_says() -> None:
    report = CallReport(used_web_search=True, tool_signals=("web_search: pooling",), trace_file="events.jsonl")
    record = proposal_record("codex", "primary", None, unusable=["no answer"], code=a_change(), report=report)
    run = real_runs()[-1]
    for kept in (record, lean(record)):
        held = run.to_json() | {"cycle_record": run.cycle_record | {"proposals": [kept]}}
        assert schemas.violations("run", held) == []


def test_a_run_of_a_journal_without_code_versions_is_read() -> None:
    run = real_runs()[-1]
    before = {name: value for name, value in run.to_json().items() if name != "code"}
    assert Run.from_json(before) == replace(run, code=RunCode())


def test_parts_that_are_written_elsewhere_have_the_same_fields_there() -> None:
    parts = schemas.load_schema("run")["$defs"]
    use, place, review = parts["use"]["properties"], parts["place"]["properties"], parts["review"]["properties"]
    assert list(use) == [field.name for field in fields(CycleUse)]
    assert list(use["tokens"]["properties"]) == [field.name for field in fields(TokenUse)]
    assert list(place) == [field.name for field in fields(Place)]
    assert list(place["inputs"]["items"]["properties"]) == [field.name for field in fields(PlacedLink)]
    assert list(place["proofs"]["items"]["properties"]) == [field.name for field in fields(Proof)]
    assert review["role_mode"]["enum"] == [CHALLENGE_REVIEWER, HEALTH_HELPER]
    assert set(review["notes"]["items"]["enum"]) == NOTES


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
        ({"code": {"version": "a"}}, "code"),
    ],
)
def test_what_differs_is_named(change: dict[str, Any], said: str) -> None:
    assert any(said in line for line in schemas.violations("run", real_runs()[-1].to_json() | change))
