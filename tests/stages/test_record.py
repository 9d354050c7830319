"""What became of a run, from what it left behind; it may have left anything."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from llm_loop.contract.result import Direction
from llm_loop.contract.run import RunState
from llm_loop.stages.record import Evidence, record
from llm_loop.system.processes import EndCause, Ending

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
