"""The queue as people see it, and the lines that tell what they asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llm_loop.contract.request import Request, RequestKind
from llm_loop.contract.run import Approval
from llm_loop.system import files
from llm_loop.system.clock import SystemClock
from llm_loop.views.event_lines import EventLines
from llm_loop.views.queue import QueueStatus, queue_lines, read_queue
from tests.views.lock_holder import hold_lock
from tests.views.workspace_builder import WorkspaceBuilder


@pytest.fixture
def workspace(tmp_path: Path) -> WorkspaceBuilder:
    return WorkspaceBuilder(tmp_path)


def look(workspace: WorkspaceBuilder) -> tuple[QueueStatus, list[str]]:
    queue = read_queue(workspace.paths, SystemClock(), {})
    return queue, list(queue_lines(queue))


def wait_for_approval(workspace: WorkspaceBuilder, run_id: str) -> None:
    ledger = workspace.ledger
    run = replace(ledger.state.runs[run_id], approval=Approval.WAITING)
    ledger.state = replace(ledger.state, runs=ledger.state.runs | {run_id: run})
    ledger.record("notice", text="so that it is saved")
    workspace.save()


def test_an_empty_workspace_has_an_empty_queue(tmp_path: Path) -> None:
    queue = read_queue(WorkspaceBuilder(tmp_path / "w").paths, SystemClock(), {})
    assert list(queue_lines(queue)) == ["Loop: never started here", "No run is open."]
    assert json.loads(files.json_text(queue.to_json()))["schema_version"] == 1


def test_what_runs_what_waits_and_what_lies_in_the_inbox(workspace: WorkspaceBuilder) -> None:
    workspace.launch(workspace.stage("first"))
    workspace.stage("second", builds_on=["R0001"])
    workspace.stage("third")
    wait_for_approval(workspace, "R0003")
    request = Request(id="20260301t220000z-cancel", kind=RequestKind.CANCEL, run="R0001\x1b[31m")
    files.replace_json(workspace.paths.inbox / f"{request.id}.json", request.to_json())
    (workspace.paths.inbox / "20260301t220001z-broken.json").write_text("{", encoding="utf-8")
    workspace.paths.pause.touch()
    queue, lines = look(workspace)
    assert [(run.run_id, run.state) for run in (*queue.runs, *queue.waiting)] == [
        ("R0001", "running"),
        ("R0002", "staged"),
        ("R0003", "staged"),
    ]
    assert lines[1:] == [
        "the PAUSE flag lies here: nothing new is launched",
        "R0001  running     first (optimization)  no epoch yet; the next start takes it over",
        "R0002  staged      second (optimization, by builtin)  after R0001",
        "R0003  staged      third (optimization, by builtin)",
        "       waits: a person's word: `llm-loop approve R0003`, or reject",
        "in the inbox, not taken up yet: 20260301t220000z-cancel.json (cancel R0001)",
        "in the inbox, not taken up yet: 20260301t220001z-broken.json (no request)",
    ]


@pytest.fixture
def held(workspace: WorkspaceBuilder) -> Iterator[WorkspaceBuilder]:
    workspace.stage("first")
    wait_for_approval(workspace, "R0001")
    with hold_lock(workspace.paths.instance_lock) as process:
        workspace.beat(pid=process.pid, waiting_for={})
        yield workspace


def test_a_living_loops_word_counts(held: WorkspaceBuilder) -> None:
    """It knows the configuration: a rule that was loosened frees the run."""
    queue, _ = look(held)
    assert (queue.waiting[0].approval, queue.waiting[0].waits_for) == ("waiting", None)


def told(kind: str, **fields: Any) -> list[str]:
    event = {"seq": 1, "ts_utc": "2026-01-02T03:04:05Z", "event": kind, **fields}
    return [line[9:] for line in EventLines().of(event)]


def test_what_people_ask_is_told_in_a_line() -> None:
    asked: dict[str, Any] = {"id": "x", "accepted": True, "why": [], "run_ids": ["R0001", "R0002"]}
    assert told("request_answered", request="queue_add", **asked) == ["a person queues R0001, R0002"]
    rejected = {"stop_reason": "rejected by a person: too long\x1b[31m"}
    assert told("request_answered", request="reject", **asked, **rejected) == [
        "a person rejects R0001, R0002: too long"
    ]
    cancelled = {"stop_reason": "cancelled by a person"}
    assert told("request_answered", request="cancel", **asked, **cancelled) == ["a person cancels R0001, R0002"]
    refused = asked | {"accepted": False, "why": ["no run 'R9' is open here"], "run_ids": []}
    assert told("request_answered", request="approve", **refused) == [
        "a person approves, refused: no run 'R9' is open here"
    ]
    unreadable = {"file": "x.json", "why": "not JSON", "set_aside": "x.json.corrupt-1"}
    assert told("request_unreadable", **unreadable) == [
        "ALARM a file in the inbox is no request: x.json: not JSON; set aside as x.json.corrupt-1"
    ]
    assert told("request_answered", request=3, accepted=1, why=3, run_ids=None) == ["a person asks something "]


def test_a_staged_run_that_waits_says_what_to_type() -> None:
    run = {"run_id": "R0001", "label": "wider", "approval": "waiting", "proposer": "command", "cycle_record": {}}
    line = told("run_staged", cycle=1, run=run)[-1]
    assert line == "R0001 wider waits for a person's word: `llm-loop approve R0001`, or reject"
