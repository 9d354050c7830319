"""The procedure of a run is the journal, folded: steps, troubles, mends and what was taken back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_loop.contract.diagnosis import Cause, Diagnosis, Severity
from llm_loop.contract.mend import Mend, MendKind, Phase
from llm_loop.contract.procedure import NOT_BEGUN, Step, StepState
from llm_loop.contract.run import Run, RunState
from llm_loop.memory.folding import apply_all
from llm_loop.memory.procedure_folding import MOST_STEPS
from llm_loop.memory.state import LoopState
from tests.memory.campaign_events import attempt, ended, run_ended, run_json

Event = dict[str, Any]
MISSING = Diagnosis(
    cause=Cause.MISSING_MODULE,
    confidence=0.9,
    severity=Severity.HIGH,
    is_failure_of_idea=False,
    evidence_line="No module named 'needed'",
    details={"module": "needed"},
)
INSTALL = Mend(
    kind=MendKind.INSTALL_PACKAGES,
    rule="install:auto_repair_module_package_map",
    cause=Cause.MISSING_MODULE,
    phase=Phase.EXECUTION,
    subject="needed",
    packages=("needed",),
    why="install needed",
)
RECORD = ".llm_loop/repairs/R0001-1/record.json"


def diagnosed(phase: str = "execution", **changes: Any) -> Event:
    fields = {"phase": phase, "cause": "missing_module", "detail": "it broke", "seconds": 0.01}
    return {"event": "diagnosed", "run_id": "R0001", "diagnosis": MISSING.to_json(), **fields} | changes


def mend_done(**changes: Any) -> Event:
    fields = {"ok": True, "outcome": "installed needed 1.0", "command": None, "record": RECORD, "account": None}
    return {"event": "mend_done", "run_id": "R0001", **fields, "retry": True} | changes


def validated(ok: bool = True) -> Event:
    steps = [{"step": "prepare", "state": "done", "seconds": 0.1, "cause": None}]
    steps += [{"step": "validate", "state": "done" if ok else "failed", "seconds": 0.2, "cause": None}]
    return {"event": "validated", "run_id": "R0001", "ok": ok, "steps": steps, "checks": []}


STAGED: Event = {"event": "run_staged", "run": run_json("R0001", 1, "C0001-aaaaaaa1"), "bootstrap": False}
LAUNCHED: Event = {"event": "attempt_intended", "run_id": "R0001", "attempt": attempt(1)}
FAILED = ended("R0001", "exited", 1, 1.0, 4.0)
MEND: Event = {"event": "mend_intended", "run_id": "R0001", "mend": INSTALL.to_json()}
UNDO: Event = {"event": "undo_intended", "run_id": "R0001", "records": [RECORD]}
UNDONE: Event = {"event": "undo_done", "run_id": "R0001", "record": RECORD, "ok": True, "outcome": "as it was"}

NIGHT = [
    STAGED,
    validated(),
    LAUNCHED,
    FAILED,
    diagnosed(),
    MEND,
    mend_done(),
    validated(),
    LAUNCHED | {"attempt": attempt(2)},
    FAILED | {"attempt": 2},
    diagnosed(),
    UNDO,
    UNDONE,
    run_ended("R0001", "needs_human"),
]
"""A run whose missing module is installed in vain."""


def events(story: list[Event]) -> list[Event]:
    return [{"seq": seq, "ts_utc": "2026-03-01T22:00:00Z"} | event for seq, event in enumerate(story, 1)]


def after(*story: Event) -> Run:
    return apply_all(LoopState(), events(list(story))).runs["R0001"]


@pytest.mark.parametrize("cut", range(len(NIGHT) + 1))
def test_a_snapshot_and_the_rest_equal_the_whole_replay(cut: int) -> None:
    whole = events(NIGHT)
    before = apply_all(LoopState(), whole[:cut])
    snapshot = LoopState.from_json(json.loads(json.dumps(before.to_json())))
    assert snapshot == before
    assert apply_all(snapshot, whole[cut:]) == apply_all(LoopState(), whole)


def test_the_steps_of_each_attempt_are_counted() -> None:
    found = [(one.step, one.number, one.attempt, one.state) for one in after(*NIGHT).procedure.steps]
    done, failed = StepState.DONE, StepState.FAILED
    assert found == [
        (Step.PREPARE, 1, 1, done),
        (Step.VALIDATE, 1, 1, done),
        (Step.EXECUTE, 1, 1, failed),
        (Step.ANALYSE, 1, 1, done),
        (Step.PREPARE, 2, 2, done),
        (Step.VALIDATE, 2, 2, done),
        (Step.EXECUTE, 2, 2, failed),
        (Step.ANALYSE, 2, 2, done),
    ]
    assert after(*NIGHT).procedure.steps[2].cause == "exited"
    assert after(*NIGHT).procedure.steps[3].cause == "missing_module"


def test_what_stands_is_known_until_it_is_taken_back() -> None:
    for count, stands in ((6, ()), (7, (RECORD,)), (12, (RECORD,)), (13, ())):
        assert after(*NIGHT[:count]).procedure.installs == stands, count
    trouble = after(*NIGHT[:12]).procedure.trouble
    assert trouble is not None and trouble.undo == (RECORD,)


@pytest.mark.parametrize("approval", ["waiting", "approved", None])
def test_a_mended_run_that_never_started_waits_in_its_place_again(approval: str | None) -> None:
    """Never launched without the word: what a person has to say of it is as it was."""
    staged = STAGED | {"run": run_json("R0001", 1, "C0001-aaaaaaa1") | {"approval": approval}}
    run = after(staged, validated(False), diagnosed("validation"), MEND, mend_done())
    assert (run.state, run.approval, run.procedure.is_checked) == (RunState.STAGED, approval, False)
    assert run.procedure.trouble is None and run.procedure.mends[-1].ok is True


def test_a_mended_run_that_had_started_is_next() -> None:
    run = after(*NIGHT[:7])
    assert run.state is RunState.QUEUED and not run.procedure.is_checked
    assert run.procedure.mends[-1].mend.outcome == "installed needed 1.0"


def test_what_nobody_wants_to_try_again_stays_under_repair() -> None:
    run = after(*NIGHT[:6], mend_done(retry=False))
    assert run.state is RunState.REPAIRING
    assert run.procedure.trouble is not None and run.procedure.trouble.is_mended


def test_a_failed_mend_leaves_the_trouble_as_it_was() -> None:
    run = after(*NIGHT[:6], mend_done(ok=False, record=None, outcome="failed: no such package"))
    trouble = run.procedure.trouble
    assert trouble is not None and (trouble.is_mending, trouble.is_mended, trouble.cause) == (
        False,
        False,
        "missing_module",
    )
    assert run.procedure.installs == ()


def test_installs_of_a_run_that_fails_without_a_diagnosis_keep_its_cause() -> None:
    run = after(*NIGHT[:8], UNDO | {"cause": "code_changed", "detail": "somebody edited train.py"})
    trouble = run.procedure.trouble
    assert trouble is not None and (trouble.cause, trouble.detail) == ("code_changed", "somebody edited train.py")
    assert (run.state, run.procedure.is_checked) == (RunState.REPAIRING, False)


def test_a_patched_command_is_what_runs_until_another_one_is() -> None:
    patched = mend_done(command="python t.py --config patched.yaml", record=None)
    run = after(*NIGHT[:6], patched)
    assert run.command == "python t.py --config patched.yaml"
    run = after(*NIGHT[:6], patched, LAUNCHED | {"attempt": attempt(2)}, FAILED, diagnosed(), MEND, mend_done())
    assert run.command == "python t.py --config patched.yaml", "an install changes no command"


def test_a_run_of_before_procedures_goes_on() -> None:
    old = {name: value for name, value in after(*NIGHT[:3]).to_json().items() if name not in ("procedure", "repair_of")}
    run = Run.from_json(json.loads(json.dumps(old)))
    assert run.procedure == NOT_BEGUN
    state = LoopState(runs={"R0001": run})
    (after_it,) = apply_all(state, events([FAILED, diagnosed()])).runs.values()
    assert (after_it.state, after_it.last_attempt.exit_code) == (RunState.REPAIRING, 1)
    assert [one.step for one in after_it.procedure.steps] == [Step.ANALYSE]


def test_steps_are_kept_in_bounds_and_counted_on() -> None:
    story = [STAGED, *[validated()] * MOST_STEPS]
    procedure = after(*story).procedure
    assert len(procedure.steps) == MOST_STEPS
    assert procedure.count(Step.PREPARE) == MOST_STEPS and procedure.count(Step.EXECUTE) == 0
