"""A run is asked to end where that cannot be journaled; why, is journaled later."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_loop.cycle.code_jobs import CodeJobs
from llm_loop.cycle.run_slots import RunSlots
from llm_loop.errors import FileWriteError
from tests.views.workspace_builder import WorkspaceBuilder


def test_a_journal_that_refuses_does_not_keep_a_run_from_being_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builder = WorkspaceBuilder(tmp_path)
    run = builder.stage("a")
    builder.launch(run)
    slots = RunSlots(builder.context, CodeJobs(builder.context))
    paths = builder.paths

    def refuse(*words: object, **rest: object) -> None:
        raise FileWriteError(paths.events, "append to", OSError(28, "No space left on device"))

    running = builder.ledger.state.runs["R0001"]
    with monkeypatch.context() as full:
        full.setattr(builder.ledger.journal, "append", refuse)
        with pytest.raises(FileWriteError):
            slots.request_stop(running, "shutdown")
        assert not (paths.attempt("R0001", 1) / "STOP").exists(), "it would count as cancelled, and not be resumed"
        slots.request_stop(running, "disk_full")
        slots.request_stop(running, "stall")
        assert (paths.attempt("R0001", 1) / "STOP").exists() and builder.ledger.trouble is not None
    slots._stops.tell()
    asked = builder.ledger.state.runs["R0001"]
    assert asked.stop_reason == "disk_full" and builder.ledger.trouble is None
    (paths.attempt("R0001", 1) / "STOP").unlink()  # as where the disk had no room for it
    slots.request_stop(asked, "disk_full")
    assert (paths.attempt("R0001", 1) / "STOP").exists(), "who asks again repeats what does not lie there"


def test_a_run_whose_folder_refuses_the_request_holds_up_no_other(tmp_path: Path) -> None:
    builder = WorkspaceBuilder(tmp_path)
    for label in "ab":
        builder.launch(builder.stage(label))
    folder = builder.paths.attempt("R0001", 1)
    folder.rmdir()
    folder.write_text("no folder", encoding="utf-8")
    slots = RunSlots(builder.context, CodeJobs(builder.context))
    for _ in range(2):
        for run in list(builder.ledger.state.runs.values()):
            slots.request_stop(run, "finish_up")
    assert [run.stop_reason for run in builder.ledger.state.runs.values()] == ["finish_up"] * 2
    assert (builder.paths.attempt("R0002", 1) / "STOP").exists()
