"""What agents are shown of failed runs, launched or not: why, the line that tells, what was tried."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from llm_loop.contract.diagnosis import Cause
from llm_loop.contract.mend import MendKind, Phase
from llm_loop.contract.observation import KnownRun, Observation, Role
from llm_loop.contract.run import Run
from llm_loop.memory.state import Plan
from llm_loop.stages.observe import observe
from tests.views.procedure_events import LINE, Procedures
from tests.views.workspace_builder import WorkspaceBuilder


@pytest.fixture
def workspace(tmp_path: Path) -> WorkspaceBuilder:
    return WorkspaceBuilder(tmp_path)


@pytest.fixture
def procedures(workspace: WorkspaceBuilder) -> Procedures:
    return Procedures(workspace)


def shown(workspace: WorkspaceBuilder) -> Observation:
    context = workspace.context
    plan = Plan(cycle=99, cycle_trace_id="C0099-0a1b2c3d")
    rows = context.memory.comparable_rows()
    config = replace(context.config, search_space=None)
    seen = observe(Role.WORKER, plan, context.ledger.state, rows, (), config, paths=context.paths)
    assert Observation.from_json(json.loads(json.dumps(seen.to_json()))) == seen
    return seen


def completed(workspace: WorkspaceBuilder, label: str) -> Run:
    run = workspace.stage(label)
    workspace.launch(run)
    workspace.end(run, 0.5)
    return run


def why(run: KnownRun) -> tuple[str | None, str | None, str | None]:
    return run.diagnosis, run.evidence_line, run.tried


def test_a_launched_run_that_failed(workspace: WorkspaceBuilder, procedures: Procedures) -> None:
    completed(workspace, "before")
    run = workspace.stage("large")
    workspace.launch(run)
    procedures.diagnosed(run, Phase.EXECUTION, Cause.CUDA_OUT_OF_MEMORY, "CUDA out of memory")
    procedures.intended(run, kind=MendKind.HALVE_BATCH, rule="halve_batch", why="half the batch")
    procedures.done(run, "half the batch")
    workspace.launch(workspace.ledger.state.runs[run.run_id])
    procedures.diagnosed(run, Phase.EXECUTION, Cause.CUDA_OUT_OF_MEMORY, "CUDA out of memory again")
    workspace.end(run, None, "needs_human", "exit_code_1")
    completed(workspace, "after")
    before, failed, after = shown(workspace).history
    assert (failed.label, failed.state, failed.cause) == ("large", "needs_human", "exit_code_1")
    assert why(failed) == ("cuda_out_of_memory", "CUDA out of memory again", "half the batch: done")
    assert why(before) == why(after) == (None, None, None)


def test_one_that_was_never_launched_is_in_the_history_too(workspace: WorkspaceBuilder, procedures: Procedures) -> None:
    completed(workspace, "before")
    run = workspace.stage("einops")
    after = workspace.stage("after")
    workspace.launch(after)
    workspace.end(after, 0.4)
    procedures.diagnosed(run)
    procedures.intended(run)
    procedures.done(run, "refused: not in the index", ok=False)
    workspace.end(run, None, "failed", "missing_module", LINE)
    history = shown(workspace).history
    assert [one.label for one in history] == ["before", "after", "einops"]
    tried = "install einops for the module einops: in vain, refused: not in the index"
    assert (history[2].state, why(history[2])) == ("failed", ("missing_module", LINE, tried))


def test_what_was_dropped_or_cancelled_is_no_failure(workspace: WorkspaceBuilder) -> None:
    workspace.end(workspace.stage("first"), None, "cancelled", "dropped: replaced by a later decision")
    assert shown(workspace).history == ()


def test_a_run_under_repair_is_active_and_says_why(workspace: WorkspaceBuilder, procedures: Procedures) -> None:
    completed(workspace, "before")
    run = workspace.stage("einops")
    procedures.diagnosed(run)
    procedures.intended(run)
    seen = shown(workspace)
    [active] = seen.active_runs
    assert (active.label, active.state) == ("einops", "repairing")
    assert why(active) == ("missing_module", LINE, "install einops for the module einops: under way")
    assert not seen.context.is_rechallenged, "something is under way"


def test_all_of_it_is_bounded(workspace: WorkspaceBuilder, procedures: Procedures) -> None:
    for number in range(3):
        run = workspace.stage(f"run-{number}")
        procedures.diagnosed(run, line="x" * 5000)
        for _ in range(4):
            procedures.intended(run, why="y" * 400)
            procedures.done(run, "z" * 400, ok=False)
        workspace.end(run, None, "failed", "missing_module")
    history = shown(workspace).history
    assert len(history) == 3
    for one in history:
        assert len(one.evidence_line or "") == 300 and len(one.tried or "") == 600
