"""Runs between their attempts, as people see them: checked, diagnosed, mended, taken back, given up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from llm_loop.contract.diagnosis import Cause
from llm_loop.contract.mend import MendKind, Phase
from llm_loop.contract.run import Run
from llm_loop.system.clock import SystemClock
from llm_loop.views.lines import PlainLines
from llm_loop.views.queue import queue_lines, read_queue
from llm_loop.views.reading import SnapshotReader
from llm_loop.views.run_story import RunStory, read_story
from llm_loop.views.run_story_lines import story_lines
from llm_loop.views.screen import draw
from llm_loop.views.wording import UNICODE, local_time
from tests.views.procedure_events import LINE, RECORD, Procedures
from tests.views.workspace_builder import WorkspaceBuilder

Hold = Callable[[WorkspaceBuilder], int]
EVIL = "\x1b[2J\x1b]0;owned\x07\u202ega\nb" + "y" * 3000


@pytest.fixture
def procedures(workspace: WorkspaceBuilder) -> Procedures:
    return Procedures(workspace)


def page(reader: SnapshotReader, width: int = 200) -> list[str]:
    return [line.plain for line in draw(reader.take(), width, None, UNICODE)]


def told(workspace: WorkspaceBuilder, reader: SnapshotReader) -> list[str]:
    """Return the lines of a ``watch`` that has just begun, without their times."""
    lines: list[str] = []
    PlainLines(workspace.paths, lines.append).show(reader.take(), datetime(2026, 1, 2, tzinfo=UTC), 0.0)
    return [line[9:] for line in lines]


def an_install(workspace: WorkspaceBuilder, procedures: Procedures, label: str = "first") -> Run:
    """Stage a run that was validated in vain and is being mended."""
    run = workspace.stage(label)
    procedures.validated(run, "failed", "no module named einops", "missing_module")
    procedures.diagnosed(run, module="einops")
    procedures.intended(run, subject="einops")
    return run


def an_out_of_memory(workspace: WorkspaceBuilder, procedures: Procedures, copy: str = "") -> Run:
    """Run a run that was halved once and trains again."""
    run = workspace.stage("large")
    procedures.validated(run)
    workspace.launch(run)
    procedures.crash(run)
    procedures.diagnosed(run, Phase.EXECUTION, Cause.CUDA_OUT_OF_MEMORY, "CUDA out of memory")
    halved: dict[str, Any] = {"changes": {"training.batch_size": 16}, "config_path": "c.yaml"}
    fields = {"kind": MendKind.HALVE_BATCH, "rule": "halve_batch", "cause": Cause.CUDA_OUT_OF_MEMORY}
    procedures.intended(run, phase=Phase.EXECUTION, why="half the batch", **fields, **halved)
    procedures.done(run, "half the batch", command=f"python train.py --config '{copy}'")
    procedures.validated(run)
    workspace.launch(workspace.ledger.state.runs[run.run_id])
    return run


# ---------------------------------------------------------------- one line for each event


def test_each_step_is_a_line(workspace: WorkspaceBuilder, procedures: Procedures, reader: SnapshotReader) -> None:
    run = an_install(workspace, procedures)
    procedures.done(run, record=RECORD)
    procedures.validated(run)
    procedures.validated(run, "unknown", "no answer within 180 s")
    procedures.undone(run, RECORD)
    procedures.undone(run, RECORD, ok=False)
    assert told(workspace, reader)[3:-1] == [
        "R0001 first does not pass validation: modules: no module named einops",
        f"R0001 first failed in validation: missing_module: {LINE}",
        "R0001 first is repaired by install:map: install einops for the module einops",
        "R0001 first was repaired: installed einops 0.8.0",
        "R0001 first cannot be checked: modules: no answer within 180 s",
        "R0001 first: what was installed for it is taken back (1 install)",
        "R0001 first: an install was taken back: the environment is as it was",
        "R0001 first: what was installed for it is taken back (1 install)",
        "R0001 first: an install stays: not taken back: no network",
    ]


def test_a_mend_by_an_agent(workspace: WorkspaceBuilder, procedures: Procedures, reader: SnapshotReader) -> None:
    procedures.diagnosed(workspace.stage("first"))
    workspace.ledger.record("model_repair", run_id="R0001", state="wanted", why=None)
    workspace.ledger.record("model_repair", run_id="R0001", state="given_up", why="no agent can be asked\nany more")
    of = {"cycle": 2, "cycle_trace_id": "C0002-0a1b2c3d"}
    mend = workspace.ledger.state.runs["R0001"].to_json() | of | {"run_id": "R0002", "label": "it", "state": "staged"}
    workspace.ledger.record("run_staged", **of, run=mend | {"repair_of": "R0001"}, bootstrap=False)
    lines = told(workspace, reader)
    assert lines[-4:-2] == [
        "R0001 first: no rule mends it, an agent is asked for a mend",
        "R0001 first: no agent mends it: no agent can be asked any more",
    ]
    assert lines[-2].startswith("C0002 decided it, to mend R0001 (optimization) by builtin: ")
    assert "  mends    R0001, which no rule mended" in story_lines(read_story(workspace.paths, "R0002"))


def test_what_is_held_meanwhile(workspace: WorkspaceBuilder, reader: SnapshotReader) -> None:
    record = workspace.ledger.record
    record("environment_held", monotonic_s=10.0)
    record("environment_freed", monotonic_s=12.0)
    record("held_after_failures", agent="codex", failures=3, pause_s=30.0)
    record("held_after_failures", failures=3, pause_s=30.0)
    assert told(workspace, reader)[-5:-1] == [
        "packages of the training environment are changed: nothing starts meanwhile",
        "the training environment is free again",
        "the last 3 runs of the agent codex failed: it is not asked for 30 s",
        "the last 3 runs failed: nothing new starts for 30 s",
    ]


def test_a_run_that_was_never_launched_is_told_as_failed(
    workspace: WorkspaceBuilder, procedures: Procedures, reader: SnapshotReader
) -> None:
    run = an_install(workspace, procedures)
    procedures.done(run, "refused: not in the index", ok=False)
    workspace.end(run, None, "needs_human", "missing_module", LINE)
    workspace.save()
    assert f"R0001 first needs_human (missing_module): {LINE}" in told(workspace, reader)
    [decision] = reader.take().decisions
    assert (decision.outcome, decision.cause, decision.detail) == ("needs_human", "missing_module", LINE)
    shown = page(reader)
    assert any("needs_human (missing_module)" in line for line in shown) and f"      {LINE}" in shown


def test_a_dropped_run_is_no_failure(workspace: WorkspaceBuilder, reader: SnapshotReader) -> None:
    workspace.end(workspace.stage("first"), None, "cancelled", "dropped: replaced by a later decision")
    [decision] = reader.take().decisions
    assert (decision.outcome, decision.reason) == (None, "dropped: replaced by a later decision")


@pytest.mark.parametrize("states", [("failed", "needs_human", "lost"), ("needs_human", "needs_human", "needs_human")])
def test_failures_in_a_row_of_any_kind(
    states: tuple[str, ...], workspace: WorkspaceBuilder, reader: SnapshotReader
) -> None:
    for number, state in enumerate(states):
        run = workspace.stage(f"run-{number}")
        workspace.launch(run)
        workspace.end(run, None, state, "code_error", f"NameError {number}")
    workspace.save()
    assert "the last 3 runs failed; the last one: NameError 2" in page(reader)


# ---------------------------------------------------------------- status


def test_a_run_under_repair_holds_no_slot_and_says_what_is_done(
    workspace: WorkspaceBuilder, procedures: Procedures, reader: SnapshotReader, hold: Hold
) -> None:
    an_install(workspace, procedures)
    workspace.save()
    words = "repairing (missing_module): install einops for the module einops (mend 1 of at most 5)"
    workspace.beat(pid=hold(workspace), waiting_for={"R0001": words})
    snapshot = reader.take()
    assert not snapshot.runs and [(run.state, run.waits_for) for run in snapshot.waiting] == [("repairing", words)]
    assert f"  {words}" in page(reader)
    [run] = snapshot.to_json()["waiting"]
    assert [(step["step"], step["number"], step["state"], step["cause"]) for step in run["steps"]] == [
        ("prepare", 1, "done", None),
        ("validate", 1, "failed", "missing_module"),
    ]
    assert run["steps"][1]["seconds"] == 3.0 and run["steps"][1]["ended_utc"].endswith("Z")
    why = "install einops for the module einops"
    assert run["mends"] == [{"rule": "install:map", "why": why, "ok": None, "outcome": None}]
    [decision] = snapshot.decisions
    assert (decision.outcome, decision.cause) == ("repairing", "missing_module")
    assert snapshot.run_counts == {"repairing": 1}


def test_a_run_under_repair_without_a_loop(
    workspace: WorkspaceBuilder, procedures: Procedures, reader: SnapshotReader
) -> None:
    an_install(workspace, procedures)
    workspace.save()
    workspace.beat("stopped", waiting_for={"R0001": "repairing"})
    assert "  under repair: the next start goes on with it" in page(reader)


def test_the_queue_shows_repairs_behind_what_is_ready(workspace: WorkspaceBuilder, procedures: Procedures) -> None:
    workspace.stage("next")
    run = an_install(workspace, procedures, "mended")
    for _ in range(2):  # one that was launched before goes on, before all others
        last = workspace.stage("again")
    workspace.launch(last)
    workspace.ledger.record("run_moved", run_id=last.run_id, state="queued", why="interrupt")
    workspace.save()
    queue = read_queue(workspace.paths, SystemClock(), {})
    assert [one.state for one in queue.waiting] == ["queued", "repairing", "staged", "staged"]
    assert any(line.startswith(f"{run.run_id}  repairing   mended") for line in queue_lines(queue))


def test_a_mended_run_says_so_while_it_trains(
    workspace: WorkspaceBuilder, procedures: Procedures, reader: SnapshotReader, hold: Hold
) -> None:
    an_out_of_memory(workspace, procedures)
    workspace.save()
    workspace.beat(pid=hold(workspace))
    snapshot = reader.take()
    [run] = snapshot.runs
    assert [(step.step, step.number, step.attempt, step.state) for step in run.steps] == [
        ("prepare", 1, 1, "done"),
        ("validate", 1, 1, "done"),
        ("execute", 1, 1, "failed"),
        ("analyse", 1, 1, "done"),
        ("prepare", 2, 2, "done"),
        ("validate", 2, 2, "done"),
        ("execute", 2, 2, "running"),
    ]
    assert [(mend.why, mend.ok) for mend in run.mends] == [("half the batch", True)]
    assert any("R0001  large" in line and "attempt 2, mended: half the batch" in line for line in page(reader))
    queue = read_queue(workspace.paths, SystemClock(), {})
    assert queue.runs[0].progress == "no epoch yet; mended: half the batch"


def test_agents_that_are_held_back(workspace: WorkspaceBuilder, reader: SnapshotReader, hold: Hold) -> None:
    until = "2026-01-02T03:04:05Z"
    why = f"the last 3 runs of the agent codex failed: it is not asked until {until}"
    workspace.beat(pid=hold(workspace), held_back={"codex": why, "e\x1b[2Jvil": EVIL})
    shown = page(reader)
    lines = [line for line in shown if line.startswith("held back: ")]
    assert local_time(until)[:5] in lines[0] and until not in lines[0]
    assert reader.take().daemon.held_back is not None and all(line.isprintable() for line in shown)


def test_installs_are_told_beside_idleness(workspace: WorkspaceBuilder, reader: SnapshotReader) -> None:
    record = workspace.ledger.record
    run = workspace.stage("first")
    workspace.launch(run)
    ended = {"exit_code": 0, "duration_s": 9.0, "cpu_s": 1.0, "peak_memory_bytes": 1, "detail": None}
    times = {"ended_utc": None, "started_monotonic_s": 1.0, "ended_monotonic_s": 10.0}
    record("attempt_ended", run_id="R0001", attempt=1, cause="exited", **ended, **times)
    workspace.end(run, 0.5)
    workspace.save()
    assert not any("installs" in line for line in page(reader))
    record("environment_held", monotonic_s=10.0)
    record("environment_freed", monotonic_s=95.0)
    workspace.save()
    assert reader.take().to_json()["install_s"] == 85.0
    assert any("idle 0.0%, installs took 1 min 25 s" in line for line in page(reader))


# ---------------------------------------------------------------- the whole story of a run


def story(workspace: WorkspaceBuilder) -> tuple[RunStory, list[str]]:
    found = read_story(workspace.paths, "R0001")
    return found, list(story_lines(found))


def test_the_story_of_an_install_in_vain(workspace: WorkspaceBuilder, procedures: Procedures) -> None:
    run = an_install(workspace, procedures)
    assert story(workspace)[1][0] == "R0001  first: open, under repair"
    procedures.done(run, record=RECORD)
    procedures.validated(run, "failed", "no module named einops", "missing_module")
    procedures.diagnosed(run, module="einops")
    procedures.undone(run, RECORD)
    workspace.end(run, None, "needs_human", "missing_module", LINE)
    found, lines = story(workspace)
    assert lines[:2] == ["R0001  first: needs_human (missing_module)", f"  because  {LINE}"]
    steps = [line for line in lines if line.startswith("  step ")]
    assert len(steps) == 4 and steps[3].startswith("  step     validate 2 (attempt 1): failed, 3.0 s, ended ")
    assert steps[3].endswith(": missing_module")
    for line in (
        f"  failed   in validation: missing_module (high, 95% sure): {LINE}",
        "  mend     install:map (missing_module): install einops for the module einops;"
        " done: installed einops 0.8.0 (taken back)",
        f"           record   {RECORD}",
        f"  undone   {RECORD}: the environment is as it was",
    ):
        assert line in lines, line
    value = found.to_json()
    assert value["run_state"] == "needs_human" and "procedure" not in value
    assert [one["phase"] for one in value["diagnoses"]] == ["validation", "validation"]
    assert value["diagnoses"][0]["evidence_line"] == LINE
    assert value["undone"] == [{"ok": True, "record": RECORD, "outcome": "the environment is as it was"}]
    assert (value["mends"][0]["record"], value["mends"][0]["patched_config"]) == (RECORD, None)


def test_the_story_of_a_patched_config(workspace: WorkspaceBuilder, procedures: Procedures) -> None:
    copy = workspace.paths.autofix_configs / "20260102T030405Z_large_c_autofix_halve_batch.yaml"
    run = an_out_of_memory(workspace, procedures, str(copy))
    procedures.crash(run, code=0)
    workspace.end(run, 0.25)
    found, lines = story(workspace)
    assert lines[0] == "R0001  large: completed, val_log_loss 0.25"
    command = f"python train.py --config '{copy}'"
    for line in (
        f"  run as   {command}",
        "  mend     halve_batch (cuda_out_of_memory): half the batch; done",
        f"           config   {copy}",
        f"           command  {command}",
        "  failed   in execution: cuda_out_of_memory (high, 95% sure): CUDA out of memory",
    ):
        assert line in lines, line
    value = found.to_json()
    assert value["mends"][0]["patched_config"] == str(copy) and value["command"] == command
    assert [one["state"] for one in value["steps"] if one["step"] == "execute"] == ["failed", "done"]


def test_a_run_without_a_procedure(workspace: WorkspaceBuilder) -> None:
    workspace.launch(workspace.stage("first"))
    found, lines = story(workspace)
    assert (found.procedure.mends, found.procedure.diagnoses) == ((), ())
    assert not any(line.startswith(("  mend", "  failed", "  run as")) for line in lines)


def test_events_that_do_not_fit_are_passed_over(workspace: WorkspaceBuilder, procedures: Procedures) -> None:
    run = an_install(workspace, procedures)
    with workspace.paths.events.open("a", encoding="utf-8") as stream:
        for kind in ("validated", "diagnosed", "mend_intended", "mend_done", "undo_intended", "undo_done"):
            stream.write(f'{{"seq": 900, "event": "{kind}", "run_id": "R0001", "mend": 3, "diagnosis": []}}\n')
        stream.write('{"seq": 901, "event": "mend_done", "run_id": "R0001", "command": 7, "steps": {}}\n')
    found, lines = story(workspace)
    assert len(found.procedure.mends) == 1 and lines[0] == f"{run.run_id}  first: open, under repair"


# ---------------------------------------------------------------- hostile texts


def test_foreign_texts_stay_short_and_plain(
    workspace: WorkspaceBuilder, procedures: Procedures, reader: SnapshotReader, hold: Hold
) -> None:
    run = workspace.stage("first")
    procedures.validated(run, "failed", EVIL, "missing_module")
    procedures.diagnosed(run, line=EVIL)
    procedures.intended(run, why=EVIL, rule=EVIL)
    procedures.done(run, EVIL, ok=False, record=EVIL)
    procedures.intended(run, why=EVIL)
    procedures.done(run, EVIL, command=EVIL)
    procedures.undone(run, EVIL)
    workspace.save()
    workspace.beat(pid=hold(workspace), waiting_for={"R0001": EVIL})
    lines = [*told(workspace, reader), *page(reader), *story(workspace)[1]]
    assert len(lines) > 20
    for line in lines:
        assert line.isprintable() and len(line) < 1400 and "owned" not in line, line[:200]
