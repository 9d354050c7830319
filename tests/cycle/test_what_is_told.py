"""What the desks say to people while they work: repairs under way, agents that are held back."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_loop.contract.diagnosis import Cause
from llm_loop.contract.mend import Phase
from llm_loop.cycle.code_watch import CodeWatch
from llm_loop.cycle.failure_pauses import FailurePauses
from llm_loop.cycle.procedure.desk import RepairDesk
from llm_loop.cycle.run_endings import RunEndings
from tests.views.procedure_events import RECORD, Procedures
from tests.views.workspace_builder import WorkspaceBuilder

WHY = "install einops for the module einops"


@pytest.fixture
def workspace(tmp_path: Path) -> WorkspaceBuilder:
    return WorkspaceBuilder(tmp_path)


@pytest.fixture
def desk(workspace: WorkspaceBuilder) -> RepairDesk:
    context = workspace.context
    return RepairDesk(context, RunEndings(context, CodeWatch(context)), lambda: False)


def test_each_move_of_a_repair_has_its_words(workspace: WorkspaceBuilder, desk: RepairDesk) -> None:
    procedures, run = Procedures(workspace), workspace.stage("first")
    assert desk.waiting_for() == {}
    procedures.diagnosed(run)
    assert desk.waiting_for() == {"R0001": "repairing (missing_module): what to do is decided next"}
    procedures.intended(run)
    assert desk.waiting_for() == {"R0001": f"repairing (missing_module): {WHY} (mend 1 of at most 5)"}
    procedures.done(run, ok=False)
    procedures.intended(run, why="clone it")
    assert desk.waiting_for() == {"R0001": "repairing (missing_module): clone it (mend 2 of at most 5)"}
    procedures.done(run, record=RECORD)
    assert desk.waiting_for() == {}
    workspace.launch(workspace.ledger.state.runs["R0001"])
    procedures.diagnosed(run, Phase.EXECUTION, Cause.CUDA_OUT_OF_MEMORY)
    procedures.intended(run, phase=Phase.EXECUTION, why="half the batch")
    told = "repairing (cuda_out_of_memory): half the batch (mend 1 of at most 5)"
    assert desk.waiting_for() == {"R0001": told}, "each phase counts its own"
    procedures.done(run, ok=False)
    workspace.ledger.record("undo_intended", run_id="R0001", records=[RECORD, "another"])
    assert desk.waiting_for() == {"R0001": "taking back an install, 2 in all"}
    workspace.ledger.record("undo_done", run_id="R0001", record=RECORD, ok=True, outcome="as it was")
    assert desk.waiting_for() == {"R0001": "taking back an install"}


def test_an_agent_that_is_asked_for_a_mend(workspace: WorkspaceBuilder, desk: RepairDesk) -> None:
    Procedures(workspace).diagnosed(workspace.stage("first"))
    workspace.ledger.record("model_repair", run_id="R0001", state="wanted", why=None)
    assert desk.waiting_for() == {"R0001": "repairing (missing_module): an agent is asked for a mend next"}


def test_packages_that_a_decision_asks_for_are_no_repair(workspace: WorkspaceBuilder, desk: RepairDesk) -> None:
    run = workspace.stage("first")
    Procedures(workspace).intended(run, why="install einops, as the decision asks for")
    assert desk.waiting_for() == {"R0001": "preparing: install einops, as the decision asks for"}


def test_an_agent_rests_after_failures_in_a_row(workspace: WorkspaceBuilder) -> None:
    pauses = FailurePauses(workspace.context)
    for number in range(3):
        assert pauses.resting() == {}
        run = workspace.stage(f"run-{number}")
        workspace.launch(run)
        run = workspace.ledger.state.runs[run.run_id]
        workspace.end(run, None, "needs_human", "data")
        ended = type(run).from_json(run.to_json() | {"state": "needs_human"})
        now_s = workspace.context.clock.monotonic()
        pauses.note(ended, now_s)
    told = pauses.resting()
    assert list(told) == ["builtin"] and told["builtin"].startswith("the last 3 runs of the agent builtin failed: ")
    pauses.note(ended, now_s - 10_000)
    assert pauses.resting() == {}, "a rest that is over"
