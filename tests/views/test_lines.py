"""Plain lines: one for each thing that happened, once."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from llm_loop.views.lines import PlainLines
from llm_loop.views.reading import SnapshotReader
from llm_loop.views.wording import local_time
from tests.views.workspace_builder import PASSED, WorkspaceBuilder, a_decision, a_review

Hold = Callable[[WorkspaceBuilder], int]
NOW = datetime(2026, 1, 2, tzinfo=UTC)


class Output:
    """Collect the lines of one view."""

    def __init__(self, workspace: WorkspaceBuilder, reader: SnapshotReader, attached: int | None = None) -> None:
        self._reader = reader
        self._lines: list[str] = []
        self.view = PlainLines(workspace.paths, self._lines.append, attached=attached)

    def look(self, now_s: float = 0.0) -> list[str]:
        """Look once and return the new lines, without their times."""
        self._lines.clear()
        self.view.show(self._reader.take(), NOW, now_s)
        return [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in self._lines]

    def close(self) -> list[str]:
        self._lines.clear()
        self.view.close(self._reader.take())
        return list(self._lines)


@pytest.fixture
def daemon_pid(workspace: WorkspaceBuilder, hold: Hold) -> int:
    return hold(workspace)


@pytest.fixture
def output(workspace: WorkspaceBuilder, reader: SnapshotReader, daemon_pid: int) -> Output:
    workspace.beat(pid=daemon_pid)
    workspace.ledger.record("error", why="of an earlier life")
    workspace.ledger.record("daemon_started", pid=daemon_pid, version="0.1.0", python="3.11")
    view = Output(workspace, reader, attached=daemon_pid)
    head, login, started = view.look()
    assert "times are local" in head and "no Codex login" in login and "loop started" in started
    return view


def test_a_run_from_decision_to_end(workspace: WorkspaceBuilder, output: Output) -> None:
    first = workspace.stage("first")
    workspace.launch(first)
    assert output.look() == [
        "C0001 decided first (optimization) by builtin: gate passed; mentor: not asked",
        "R0001 first started (attempt 1)",
    ]
    workspace.end(first, 0.163)
    second = workspace.stage("second", mentor=a_review(critique="off_track: [x]\nagain", applied=True))
    workspace.launch(second)
    workspace.end(second, 0.123)
    assert output.look() == [
        "R0001 first completed val_log_loss=0.163 (the first result)",
        "C0002 mentor: challenge, applied: off_track: [x] again",
        "C0002 decided second (optimization) by builtin: gate passed; mentor: challenge, applied",
        "R0002 second started (attempt 1)",
        "R0002 second completed val_log_loss=0.123 (best so far, -0.04)",
    ]
    assert output.look() == []
    assert output.close()[1] == "  1. 0.123  1 seed  second (R0002)"


def test_refusals_come_with_their_mend(workspace: WorkspaceBuilder, output: Output) -> None:
    issue = {"code": "no_label", "message": "no label", "fix": "give one"}
    of = workspace.open_cycle()
    workspace.propose(of, a_decision("it"), PASSED | {"blocked": True, "issues": ["no_label"], "details": [issue]})
    unusable = {"proposer": "command", "source": "primary", "decision": None, "unusable": ["not JSON"]}
    workspace.ledger.record("proposal", **of, record=unusable | {"quality_gate": PASSED, "accepted": False}, call=None)
    workspace.wait(of, "every proposal was refused or unusable")
    assert output.look() == [
        "C0001 refused it by builtin: no_label: no label; mend: give one",
        "C0001 unusable answer by command: not JSON",
        "C0001 wait: every proposal was refused or unusable; gate: 1 refused, 1 unusable; mentor: not asked",
    ]


def test_a_call_without_an_answer_is_no_answer_that_breaks_the_contract(
    workspace: WorkspaceBuilder, output: Output
) -> None:
    of = workspace.open_cycle()
    failed = {"proposer": "codex", "source": "primary", "decision": None, "unusable": ["usage_limit: come back later"]}
    workspace.ledger.record("proposal", **of, record=failed | {"quality_gate": PASSED, "accepted": False}, call=None)
    workspace.stage("planned", of=of)
    told = output.look()
    assert "C0001 failed call by codex: usage_limit: come back later" in told
    assert told[-1].endswith("gate passed (1 without an answer before); mentor: not asked")


def test_proposals_are_counted_not_reasons(workspace: WorkspaceBuilder, output: Output) -> None:
    of = workspace.open_cycle()
    unusable = {"proposer": "command", "source": "primary", "decision": None, "unusable": ["one thing", "another"]}
    workspace.ledger.record("proposal", **of, record=unusable | {"quality_gate": PASSED, "accepted": False}, call=None)
    workspace.stage("mended", of=of)
    assert output.look()[-1].endswith("gate passed (1 unusable before); mentor: not asked")


def test_a_failure_says_why(workspace: WorkspaceBuilder, output: Output) -> None:
    run = workspace.stage("first")
    workspace.launch(run)
    workspace.end(run, None, state="failed", cause="exit_code_3", detail="no such\nfolder")
    assert output.look()[-1] == "R0001 first failed (exit_code_3): no such folder"


def test_epochs_are_told_every_two_seconds(workspace: WorkspaceBuilder, output: Output, daemon_pid: int) -> None:
    workspace.launch(workspace.stage("first"))
    workspace.save()
    output.look()

    def at_epoch(epoch: int, now_s: float) -> list[str]:
        progress = {"epoch": epoch, "epochs": 20, "loss": 0.5, "value": 0.3, "best": 0.2, "curve": [], "eta_s": 120.0}
        workspace.beat(pid=daemon_pid, runs={"R0001": progress})
        return output.look(now_s)

    [line] = at_epoch(1, 100.0)
    assert line.startswith("R0001 first epoch 1/20, loss 0.5, val_log_loss 0.3 (best 0.2), ") and line.endswith(" left")
    assert at_epoch(2, 101.0) == []
    assert at_epoch(2, 102.5)[0].startswith("R0001 first epoch 2/20")
    assert at_epoch(2, 105.0) == []


def test_an_ending_is_announced(workspace: WorkspaceBuilder, output: Output, daemon_pid: int) -> None:
    workspace.beat("ending", pid=daemon_pid, reason="Ctrl-C")
    assert output.look() == ["loop ending: Ctrl-C"]
    assert output.look() == []


def test_other_events(workspace: WorkspaceBuilder, output: Output) -> None:
    record = workspace.ledger.record
    record("config_refused", why="a comma too much", kept="the last good configuration")
    record("config_changed", keys=["model"])
    record("paused")
    record("resumed")
    record("human_edit", path=".llm_loop/artifacts/workpad.md", change="edited", text="t", why=None)
    record("flag_consumed", flag="STOP_DAEMON", text="")
    record("daemon_ended", reason="stopped on request", ending="polite", exit_code=0)
    assert output.look() == [
        "ALARM the configuration is refused, the last good one stays: a comma too much",
        "configuration changed: model",
        "paused: nothing new is launched",
        "resumed",
        "a person changed .llm_loop/artifacts/workpad.md",
        "flag STOP_DAEMON seen",
        "loop ended: stopped on request",
    ]


def test_what_keeps_codex_away_and_what_becomes_of_code(workspace: WorkspaceBuilder, output: Output) -> None:
    record = workspace.ledger.record
    out = {"agent": "codex", "wait_s": 60.0, "until_utc": "2026-01-02T03:04:05Z"}
    login = {"cause": "login", "message": "401", "tell": "person", "sentence": "The login is over: log in again"}
    record("agent_out", **out, role=None, **login, failures=1)
    record("agent_out", **out, role=None, **login, failures=2)
    overload = {"cause": "overload", "message": "busy", "tell": "nobody", "sentence": "The service is busy"}
    record("agent_out", **out, role="mentor", **overload, failures=1)
    record("agent_back", agent="codex", role="worker")
    of = workspace.open_cycle()
    workspace.propose(of, a_decision("placed nowhere"))
    record("place_refused", **of, why="no link can be made to data")
    code = {"run_id": "R0001", "attempt": 1, "version": "bbb", "why": None}
    record("code_version", **code, moment="launch")
    record("code_version", **code, moment="end", began="bbb", changed=False)
    record("code_version", **code, moment="end", began="aaa", changed=True)
    chosen = {"mode": "read-only", "windows_sandbox": None, "reason": "no sandbox works"}
    record("sandbox_chosen", **chosen, mend=None)
    record("sandbox_chosen", **chosen, mend="install bubblewrap")
    until = local_time("2026-01-02T03:04:05Z")
    assert output.look() == [
        f"codex rests until {until}: login",
        "ALARM The login is over: log in again (401)",
        f"codex rests until {until}: login",
        f"codex as mentor rests until {until}: overload",
        "codex as worker answers again",
        "C0001 the change of code is refused: no link can be made to data",
        "ALARM the code of R0001 changed while it ran: it began as version aaa and ended as bbb",
        "ALARM Codex works in the sandbox read-only: no sandbox works; mend: install bubblewrap",
    ]


def test_any_event_is_told_or_left_out(workspace: WorkspaceBuilder, output: Output) -> None:
    kinds = "proposal review run_staged attempt_intended attempt_started cycle run_moved repaired".split()
    with workspace.paths.events.open("a", encoding="utf-8") as stream:
        for number, kind in enumerate(kinds):
            stream.write(f'{{"seq": {100 + number}, "event": "{kind}", "record": 3, "run": [], "run_id": null}}\n')
    assert output.look()


def test_watching_begins_with_the_last_lines(workspace: WorkspaceBuilder, reader: SnapshotReader) -> None:
    for number in range(30):
        workspace.ledger.record("notice", text=f"number {number}")
    lines = Output(workspace, reader).look()
    notes = [line for line in lines if line.startswith("note: ")]
    assert notes == [f"note: number {number}" for number in range(18, 30)]
    assert lines[-1].startswith("loop never started")
