"""Looks at the code of runs: what they come to is journaled once, and none of them holds a run up."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from llm_loop.contract.run import Attempt, Run, RunCode, RunState
from llm_loop.cycle.code_watch import END, LAUNCH, CodeWatch
from llm_loop.cycle.context import Context
from llm_loop.errors import FileWriteError
from llm_loop.memory.journal import Event
from llm_loop.versions import jobs
from tests.conftest import eventually
from tests.fakes.fake_worker import DECISION


def a_run(code: RunCode) -> Run:
    return Run(
        run_id="R0001",
        label="a-label",
        label_decided="a label",
        cycle=1,
        cycle_trace_id="C0001-1a2b3c4d",
        state=RunState.RUNNING,
        decision=DECISION,
        proposer="command",
        monitor_seconds=60,
        experiment="key",
        staged_seq=0,
        cycle_record={},
        attempts=(Attempt(number=1, tag="tag", log_tag="log"),),
        code=code,
    )


def versions(context: Context) -> list[Event]:
    return [event for event in context.ledger.journal.after(0) if event["event"] == "code_version"]


def looked(context: Context, run: Run, moment: str) -> CodeWatch:
    watch = CodeWatch(context)
    watch.look(run, moment)
    eventually(lambda: watch.tick(time.monotonic()) or not watch.is_busy, 30)
    return watch


def test_a_run_waits_for_the_look_at_its_launch_and_not_for_ever(context: Context) -> None:
    watch, run = CodeWatch(context), a_run(RunCode())
    watch.look(run, LAUNCH)
    assert watch.is_pending(run, 100.0)
    assert not watch.is_pending(run, 105.1)
    assert not watch.is_pending(replace(run, run_id="R0002"), 100.0)
    eventually(lambda: watch.tick(time.monotonic()) or not watch.is_busy, 30)
    assert [event["moment"] for event in versions(context)] == [LAUNCH]


def test_a_look_whose_event_cannot_be_written_is_journaled_later(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch, run = CodeWatch(context), a_run(RunCode())
    watch.look(run, LAUNCH)
    written = context.ledger.record

    def refuses(kind: str, **fields: object) -> Event:
        raise FileWriteError(context.paths.events, "write", OSError(28, "No space left on device"))

    monkeypatch.setattr(context.ledger, "record", refuses)
    with pytest.raises(FileWriteError):
        eventually(lambda: watch.tick(time.monotonic()), 30)
    monkeypatch.setattr(context.ledger, "record", written)
    watch.tick(time.monotonic())
    assert not watch.is_busy
    assert versions(context)[0]["version"] is not None


def test_a_repository_that_cannot_be_read_any_more_holds_no_ending_up(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = looked(context, a_run(RunCode()), LAUNCH)
    version = versions(context)[0]["version"]

    def refuses(question: object) -> dict[str, object]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(jobs, "compare", refuses)
    run = a_run(RunCode(version=version))
    assert watch.version_now(run) is None
    watch.look(run, END)
    eventually(lambda: watch.tick(time.monotonic()) or not watch.is_busy, 30)
    assert versions(context)[-1] | {"changed": False, "version": version} == versions(context)[-1], "a child has looked"


def test_an_end_that_was_looked_at_is_not_looked_at_again(context: Context) -> None:
    watch = CodeWatch(context)
    watch.look(a_run(RunCode(version="v", version_at_end="v")), END)
    assert not watch.is_busy
    assert versions(context) == []


@pytest.mark.parametrize("changed", [False, True])
def test_a_look_that_died_with_its_daemon_is_taken_at_the_next_start(context: Context, changed: bool) -> None:
    repository = context.config.training_repo_root
    (repository / "train.py").write_text("print(1)\n", encoding="utf-8")
    looked(context, a_run(RunCode()), LAUNCH)
    began = versions(context)[0]["version"]
    due = {"R0001": {"attempt": 1, "began": began, "checkout": None}}
    context.ledger.state = replace(context.ledger.state, code_looks=due)
    if changed:
        (repository / "train.py").write_text("print(2)\n", encoding="utf-8")
    watch = CodeWatch(context)
    watch.recover()
    eventually(lambda: watch.tick(time.monotonic()) or not watch.is_busy, 30)
    last = versions(context)[-1]
    assert (last["moment"], last["attempt"], last["changed"], last["late"]) == (END, 1, changed, True)
    assert context.ledger.state.code_looks == {}
    watch.recover()
    assert len(versions(context)) == 2 and not watch.is_busy
