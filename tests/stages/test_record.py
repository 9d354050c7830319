"""What became of a run, from what it left behind; it may have left anything."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

import pytest

from llm_loop.contract.result import Direction, Result
from llm_loop.contract.run import RunState
from llm_loop.stages.record import Evidence, record
from llm_loop.system import files
from llm_loop.system.processes import EndCause, Ending
from tests.file_holding import held_open

WELL = Ending(cause=EndCause.EXITED, exit_code=0)


@pytest.fixture
def evidence(tmp_path: Path) -> Evidence:
    return Evidence(
        folder=tmp_path,
        stdout=tmp_path / "out.log",
        stderr=tmp_path / "err.log",
        metrics_json=None,
        metric="val_log_loss",
        direction=Direction.MIN,
    )


def a_folder(path: Path) -> None:
    path.mkdir()


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def huge(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(1 << 30)


def nested(path: Path) -> None:
    path.write_text("[" * 100_000, encoding="utf-8")


def no_text(path: Path) -> None:
    path.write_bytes(b"\xff\xfe{")


posix = pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices")


@pytest.mark.parametrize(
    "make",
    [a_folder, huge, nested, no_text, pytest.param(a_pipe, marks=posix), pytest.param(endless, marks=posix)],
)
def test_a_result_that_cannot_be_read_is_an_invalid_one(evidence: Evidence, make: object) -> None:
    assert callable(make)
    make(evidence.folder / "result.json")
    outcome = record(WELL, None, evidence)
    assert (outcome.state, outcome.cause) == (RunState.FAILED, "invalid_result")
    assert outcome.detail and len(outcome.detail) < 300


@posix
def test_logs_and_metrics_that_are_no_files_are_passed_over(evidence: Evidence) -> None:
    for path in (evidence.stdout, evidence.stderr, evidence.folder / "metrics.jsonl", evidence.folder / "metrics.json"):
        os.mkfifo(path)
    assert record(WELL, None, evidence).cause == "no_result"
    assert record(Ending(cause=EndCause.EXITED, exit_code=3), None, evidence).cause == "exit_code_3"


RESULT = Result(
    metric="val_log_loss", direction=Direction.MIN, value=0.25, best_val_score=-0.25, best_epoch=1, n=100
).to_json() | {"run_seconds": 0.1}
ROW = {"epoch": 1, "epochs": 1, "train_loss": 0.5, "val_log_loss": 0.25, "val_accuracy": 0.9}


def leave_behind(folder: Path, *, with_result: bool) -> Path:
    """Write what a trainer leaves; return the file that says how the run went."""
    (folder / "metrics.jsonl").write_text(json.dumps(ROW) + "\n", encoding="utf-8")
    if not with_result:
        return folder / "metrics.jsonl"
    (folder / "result.json").write_text(json.dumps(RESULT), encoding="utf-8")
    return folder / "result.json"


@pytest.mark.parametrize("with_result", [True, False], ids=["result.json", "metrics.jsonl"])
def test_what_a_scanner_holds_for_a_while_is_waited_for(evidence: Evidence, with_result: bool) -> None:
    with held_open(leave_behind(evidence.folder, with_result=with_result), alone=True) as holder:
        assert holder.stdin is not None
        letting_go = threading.Timer(0.3, holder.stdin.close)
        letting_go.start()
        outcome = record(WELL, None, evidence)
        letting_go.join()
    assert (outcome.state, outcome.cause) == (RunState.COMPLETED, None)
    assert outcome.result is not None and outcome.result.value == 0.25
    assert outcome.metrics == {"val_log_loss": 0.25, "val_accuracy": 0.9}


def test_a_result_that_is_held_for_ever_is_an_invalid_one(evidence: Evidence) -> None:
    began = time.monotonic()
    with held_open(leave_behind(evidence.folder, with_result=True), alone=True):
        outcome = record(WELL, None, evidence)
    assert time.monotonic() - began < 10, "nobody waits for ever"
    if os.name == "nt":
        assert (outcome.state, outcome.cause) == (RunState.FAILED, "invalid_result")
        assert "cannot be read" in (outcome.detail or "")
    else:
        assert outcome.state is RunState.COMPLETED, "readers share here"


@pytest.mark.parametrize("shared", [True, False])
def test_a_refused_reading_is_tried_again_on_windows_only(
    evidence: Evidence, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    path, real, refusals = leave_behind(evidence.folder, with_result=True), os.open, [3]

    def refuse(name: Path, *words: int) -> int:
        if name == path and refusals[0]:
            refusals[0] -= 1
            raise PermissionError(13, "used by another process", str(name))
        return real(name, *words)

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(files, "_FILES_ARE_SHARED", shared)
    outcome = record(WELL, None, evidence)
    assert outcome.cause == (None if shared else "invalid_result")
    assert refusals == [0 if shared else 2]


@pytest.mark.parametrize("cause", [EndCause.LOST, EndCause.VOID, EndCause.INTERRUPTED])
@pytest.mark.parametrize(
    ("asked", "state", "again"),
    [
        (None, "interrupted", True),
        ("shutdown", "interrupted", True),
        ("stop_flag:STOP_CURRENT_RUN", "cancelled", False),
        ("stop_current_run", "cancelled", False),
        ("stall", "failed", False),
        ("cancelled by a person", "cancelled", False),
    ],
)
def test_a_run_that_was_to_end_does_not_come_back(
    evidence: Evidence, cause: EndCause, asked: str | None, state: str, again: bool
) -> None:
    outcome = record(Ending(cause=cause), asked, evidence)
    assert (outcome.state, outcome.try_again) == (state, again)


@pytest.mark.parametrize("cause", [EndCause.EXITED, EndCause.STOPPED, EndCause.LOST, EndCause.START_FAILED])
def test_what_a_person_has_cancelled_is_cancelled_however_it_ended(evidence: Evidence, cause: EndCause) -> None:
    leave_behind(evidence.folder, with_result=True)
    outcome = record(Ending(cause=cause, exit_code=0), "cancelled by a person", evidence)
    assert (outcome.state, outcome.result, outcome.try_again) == ("cancelled", None, False)
