"""Snapshots over real files: whatever the daemon, a crash or a person did to them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_loop.contract.decision import Action
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.system.clock import SystemClock
from llm_loop.views.condition import Condition
from llm_loop.views.reading import SnapshotReader
from llm_loop.views.watched_file import WatchedFile
from llm_loop.views.wording import idle_of, planner_notice
from tests.views.lock_holder import hold_lock
from tests.views.workspace_builder import METRIC, WorkspaceBuilder, a_decision, a_review

Hold = Callable[[WorkspaceBuilder], int]
LONG_AGO = 1_000_000_000


def test_a_folder_without_a_loop(tmp_path: Path) -> None:
    snapshot = SnapshotReader(WorkspacePaths(tmp_path), SystemClock(), {}).take()
    assert snapshot.daemon.condition is Condition.NEVER_STARTED
    assert (snapshot.runs, snapshot.decisions, snapshot.leaderboard, snapshot.run_counts) == ((), (), None, {})
    assert not (tmp_path / ".llm_loop").exists()
    json.dumps(snapshot.to_json(), allow_nan=False)


def test_a_running_loop(workspace: WorkspaceBuilder, reader: SnapshotReader, hold: Hold) -> None:
    first = workspace.stage("first")
    workspace.launch(first)
    workspace.end(first, 0.3)
    second = workspace.stage("second", mentor=a_review(applied=True))
    workspace.launch(second, pid=99)
    workspace.stage("third", builds_on=("R0002",))
    workspace.save()
    pid = hold(workspace)
    progress = {"epoch": 5, "epochs": 20, "loss": 0.5, "value": 0.25, "best": 0.2, "curve": [0.4, 0.2, 0.25]}
    progress |= {"age_s": 3.0, "silent_s": 0.5, "eta_s": 9.0}
    workspace.beat(pid=pid, runs={"R0002": progress}, holds={"pause": "paused by a person"})
    snapshot = reader.take()
    assert (snapshot.daemon.condition, snapshot.daemon.pid, snapshot.daemon.lock_held) == (Condition.RUNNING, pid, True)
    assert snapshot.daemon.holds == {"pause": "paused by a person"}
    [run] = snapshot.runs
    assert (run.run_id, run.label, run.pid, run.attempt, run.epoch, run.epochs) == ("R0002", "second", 99, 1, 5, 20)
    assert run.age_s is not None and run.age_s >= 3.0 and run.eta_s is not None and 0 < run.eta_s <= 9.0
    assert run.stdout_log.endswith(".stdout.log") and run.curve == (0.4, 0.2, 0.25)
    assert [(run.run_id, run.state, run.builds_on) for run in snapshot.waiting] == [("R0003", "staged", ("R0002",))]
    assert [(one.cycle, one.label, one.outcome) for one in snapshot.decisions] == [
        (1, "first", "completed"),
        (2, "second", "running"),
        (3, "third", "staged"),
    ]
    assert snapshot.decisions[0].is_best and snapshot.decisions[0].delta is None
    word = snapshot.decisions[1].mentor
    assert word is not None and (word.recommendation, word.applied) == ("challenge", True)
    assert snapshot.decisions[2].mentor is None
    assert (snapshot.metric, snapshot.direction, snapshot.idle_fraction) == (METRIC, "min", None)
    assert snapshot.best is not None and (snapshot.best.run_id, snapshot.best.value) == ("R0001", 0.3)
    assert snapshot.run_counts == {"completed": 1, "running": 1, "staged": 1}
    assert snapshot.notes == ()


def test_idleness_slot_by_slot(workspace: WorkspaceBuilder, reader: SnapshotReader) -> None:
    for label, slot, start, end in (("a", 1, 0.0, 10.0), ("b", 2, 1.0, 7.0), ("c", 1, 11.0, 20.0), ("d", 2, 9.0, 11.0)):
        run = workspace.stage(label)
        times = {"started_monotonic_s": start, "ended_monotonic_s": end}
        attempt = {"number": 1, "tag": "t", "log_tag": label, "engine": "local", "slot": slot}
        workspace.ledger.record("attempt_intended", run_id=run.run_id, label=label, attempt=attempt)
        ended = dict.fromkeys(("exit_code", "duration_s", "cpu_s", "peak_memory_bytes", "ended_utc", "detail"))
        workspace.ledger.record("attempt_ended", run_id=run.run_id, attempt=1, cause="exited", **ended, **times)
        workspace.end(run, 0.5)
    workspace.save()
    snapshot = reader.take()
    used = snapshot.slot_use
    assert idle_of(snapshot.idle_fraction, used, 2) == "idle 10.0% (slot 1 5.0%, slot 2 20.0%)"
    assert idle_of(0.05, used[:1], 1) == "idle 5.0%"
    assert idle_of(0.05, used[:1], 2) == "idle 5.0% (slot 1 5.0%, slot 2 not used yet)"
    assert snapshot.to_json()["slot_use"][1] == {
        "slot": 2,
        "busy_s": 8.0,
        "span_s": 10.0,
        "paused_s": 0.0,
        "idle_fraction": 0.2,
    }


def test_a_better_run_is_seen_by_a_reader_that_is_kept(workspace: WorkspaceBuilder, reader: SnapshotReader) -> None:
    for label, value in (("first", 0.3), ("second", 0.2), ("third", 0.25)):
        run = workspace.stage(label)
        workspace.launch(run)
        workspace.end(run, value)
        workspace.save()
        reader.take()
    snapshot = reader.take()
    assert snapshot.best is not None and snapshot.best.label == "second"
    assert [round(one.delta, 3) for one in snapshot.decisions if one.delta is not None] == [-0.1, 0.05]
    assert [one.is_best for one in snapshot.decisions] == [True, True, False]
    assert snapshot.leaderboard is not None
    assert [entry.label for entry in snapshot.leaderboard.entries] == ["second", "third", "first"]


def test_a_refused_proposal_is_shown_with_its_mend(workspace: WorkspaceBuilder, reader: SnapshotReader) -> None:
    issue = {"code": "rationale_trivial", "message": "it says nothing", "fix": "say why"}
    gate = {"source": "primary", "blocked": True, "issues": ["rationale_trivial"], "details": [issue]}
    of = workspace.open_cycle()
    workspace.propose(of, a_decision("bad-idea"), gate)
    workspace.wait(of, "every proposal was refused or unusable")
    workspace.save()
    [decision] = reader.take().decisions
    assert (decision.gate, decision.action, decision.result, decision.label) == ("refused", "wait", "wait", "bad-idea")
    assert [(one.by, one.reason, one.fix) for one in decision.refusals] == [
        ("gate", "rationale_trivial: it says nothing", "say why")
    ]


def test_a_wait_on_purpose_is_no_refusal(workspace: WorkspaceBuilder, reader: SnapshotReader) -> None:
    of = workspace.open_cycle()
    workspace.propose(of, a_decision("", action=Action.WAIT, command=""))
    workspace.wait(of, "nothing to try")
    [decision] = reader.take().decisions
    assert (decision.gate, decision.result, decision.reason) == ("passed", "wait", "nothing to try")
    assert decision.refusals == ()


# ---------------------------------------------------------------- conditions


def test_stopped_names_the_reason(workspace: WorkspaceBuilder, reader: SnapshotReader) -> None:
    workspace.beat("stopped", reason="3 cycles done")
    daemon = reader.take().daemon
    assert (daemon.condition, daemon.reason, daemon.lock_held) == (Condition.STOPPED, "3 cycles done", False)
    assert daemon.ended_utc == daemon.updated_utc


def test_a_killed_daemon_is_dead(workspace: WorkspaceBuilder, reader: SnapshotReader) -> None:
    run = workspace.stage("first")
    workspace.launch(run)
    workspace.save()
    with hold_lock(workspace.paths.instance_lock) as process:
        workspace.beat(pid=process.pid, runs={"R0001": {"epoch": 2, "epochs": 9, "age_s": 4.0, "eta_s": 5.0}})
        assert reader.take().daemon.condition is Condition.RUNNING
        process.kill()
        process.wait(10)
        snapshot = reader.take()
    assert (snapshot.daemon.condition, snapshot.daemon.pid) == (Condition.DEAD, process.pid)
    assert (snapshot.runs[0].epoch, snapshot.runs[0].eta_s, snapshot.runs[0].ended_unrecorded) == (2, None, False)
    (Path(snapshot.runs[0].run_dir) / "exit.json").write_text("{}", encoding="utf-8")
    assert reader.take().runs[0].ended_unrecorded


def test_a_stale_heartbeat_under_a_held_lock(workspace: WorkspaceBuilder, reader: SnapshotReader, hold: Hold) -> None:
    pid = hold(workspace)
    os.utime(workspace.paths.instance_lock, (LONG_AGO, LONG_AGO))
    workspace.beat(pid=pid, updated_utc="2026-01-02T03:04:05Z")
    daemon = reader.take().daemon
    assert (daemon.condition, daemon.pid) == (Condition.NOT_RESPONDING, pid)
    assert daemon.silent_s is not None and daemon.silent_s > 10


@pytest.mark.parametrize("left", ["running", "stopped"])
def test_a_start_after_an_earlier_daemon(
    left: str, workspace: WorkspaceBuilder, reader: SnapshotReader, hold: Hold
) -> None:
    workspace.beat(left, pid=1, updated_utc="2026-01-02T03:04:05Z")
    os.utime(workspace.paths.heartbeat, (LONG_AGO, LONG_AGO))
    hold(workspace)
    daemon = reader.take().daemon
    assert (daemon.condition, daemon.pid, daemon.phase) == (Condition.RUNNING, None, "starting")


def test_a_daemon_that_said_goodbye_and_still_holds_the_lock(
    workspace: WorkspaceBuilder, reader: SnapshotReader, hold: Hold
) -> None:
    pid = hold(workspace)
    os.utime(workspace.paths.instance_lock, (LONG_AGO, LONG_AGO))
    workspace.beat("stopped", pid=pid, reason="Ctrl-C")
    daemon = reader.take().daemon
    assert (daemon.condition, daemon.lock_held, daemon.reason) == (Condition.STOPPED, True, "Ctrl-C")


def test_ending_is_running_with_a_reason(workspace: WorkspaceBuilder, reader: SnapshotReader, hold: Hold) -> None:
    workspace.beat("ending", pid=hold(workspace), reason="Ctrl-C")
    daemon = reader.take().daemon
    assert (daemon.condition, daemon.ending, daemon.reason) == (Condition.RUNNING, True, "Ctrl-C")


@pytest.mark.parametrize(
    "words, condition", [(("daemon_started",), "dead"), (("daemon_started", "daemon_ended"), "stopped")]
)
def test_the_journal_tells_where_the_heartbeat_is_corrupt(
    words: tuple[str, ...], condition: str, workspace: WorkspaceBuilder, reader: SnapshotReader
) -> None:
    for word in words:
        workspace.ledger.record(word, pid=7, reason="why not")
    workspace.paths.heartbeat.write_bytes(b'{"daemon_status": "runn')
    snapshot = reader.take()
    assert snapshot.daemon.condition == condition
    assert any("daemon_heartbeat.json" in note for note in snapshot.notes)


# ---------------------------------------------------------------- files that vanish, tear and rot


@pytest.mark.parametrize(
    "rot",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe\x00",
        b'{"loop": {"runs": 3}}',
        b"[" * 50_000,
        b'{"loop": {"seq": 1}}',
    ],
)
def test_a_corrupt_state_is_named_and_the_rest_is_shown(
    rot: bytes, workspace: WorkspaceBuilder, reader: SnapshotReader
) -> None:
    run = workspace.stage("first")
    workspace.launch(run)
    workspace.end(run, 0.3)
    workspace.save()
    workspace.paths.state.write_bytes(rot)
    snapshot = reader.take()
    assert [note for note in snapshot.notes if "state.json" in note]
    assert snapshot.best is not None and len(snapshot.decisions) == 1


def test_a_state_with_a_wrong_type_inside(workspace: WorkspaceBuilder, reader: SnapshotReader) -> None:
    workspace.launch(workspace.stage("first"))
    workspace.save()
    value = json.loads(workspace.paths.state.read_text("utf-8"))
    value["loop"]["runs"]["R0001"]["cycle"] = "one"
    workspace.paths.state.write_text(json.dumps(value), encoding="utf-8")
    snapshot = reader.take()
    assert snapshot.runs == () and any("state.json" in note for note in snapshot.notes)


@pytest.mark.parametrize(
    ("part", "broken"),
    [
        ("agent_use", {"night_calls": "\x1b[31mmany"}),
        ("agent_use", {"by_role": {"worker/codex": {"role": "worker", "agent": "codex", "calls": {}}}}),
        ("mentor_worth", {"adopted": {"gained": 1}, "asked": None}),
    ],
)
def test_costs_of_a_wrong_type(
    part: str, broken: dict[str, Any], workspace: WorkspaceBuilder, reader: SnapshotReader
) -> None:
    workspace.launch(workspace.stage("first"))
    workspace.save()
    value = json.loads(workspace.paths.state.read_text("utf-8"))
    value["loop"][part] |= broken
    workspace.paths.state.write_text(json.dumps(value), encoding="utf-8")
    snapshot = reader.take()
    assert any("state.json" in note for note in snapshot.notes)
    assert snapshot.agents.roles == () and "\x1b" not in json.dumps(snapshot.to_json())


def test_who_would_decide_in_a_loop_that_does_not_run(workspace: WorkspaceBuilder, reader: SnapshotReader) -> None:
    assert (reader.take().decides, reader.take().agents.worker) == ("built-in planner", "builtin")
    workspace.paths.codex_home.mkdir(parents=True)
    (workspace.paths.codex_home / "auth.json").write_text('{"OPENAI_API_KEY": "k"}', encoding="utf-8")
    snapshot = reader.take()
    assert (snapshot.decides, snapshot.agents.worker) == ("Codex (its own default model)", "codex")


def test_nobody_is_told_to_log_in_where_codex_is_not_wanted_or_needs_no_login(
    workspace: WorkspaceBuilder, reader: SnapshotReader
) -> None:
    assert "no Codex login" in (planner_notice(reader.take()) or "")
    home = workspace.paths.codex_home
    home.mkdir(parents=True)
    (home / "config.toml").write_text('model_provider = "a"\n[model_providers.a]\nname = "a"\n', encoding="utf-8")
    assert planner_notice(reader.take()) is None and reader.take().agents.worker == "codex"
    (home / "config.toml").unlink()
    config = workspace.paths.root / "config" / "daemon_config.json"
    config.parent.mkdir(exist_ok=True)
    config.write_text('{"codex_enabled": false}', encoding="utf-8")
    snapshot = reader.take()
    assert (planner_notice(snapshot), snapshot.codex_wanted, snapshot.agents.worker) == (None, False, "builtin")


def test_a_file_replaced_within_one_tick_of_the_clock_is_read_again(tmp_path: Path) -> None:
    path, other = tmp_path / "a.txt", tmp_path / "b.txt"
    path.write_text("one", encoding="utf-8")
    watched = WatchedFile(path, lambda one: one.read_text(encoding="utf-8"))
    assert watched.look() == "one"
    stat = path.stat()
    other.write_text("two", encoding="utf-8")
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(path)
    assert watched.look() == "two"


def test_any_value_in_a_heartbeat(workspace: WorkspaceBuilder, reader: SnapshotReader, hold: Hold) -> None:
    workspace.launch(workspace.stage("first"))
    workspace.save()
    pid = hold(workspace)
    in_a_run = {"R0001": {"epoch": "x", "curve": ["y", None]}}
    kinds: tuple[Any, ...] = (None, [], {}, "text", -1, 1e400, True, {"R0001": [1]}, in_a_run)
    for junk in kinds:
        keys = ("runs", "holds", "best", "cycle", "phase", "idle_fraction", "worker", "started_utc", "reason", "slots")
        keys += ("agents", "sandbox", "devices", "waiting_for")
        beat = {"daemon_status": "running", "pid": pid, "updated_utc": "x", **dict.fromkeys(keys, junk)}
        workspace.paths.heartbeat.write_text(json.dumps(beat), encoding="utf-8")
        snapshot = reader.take()
        assert len(snapshot.runs) == 1 and snapshot.daemon.lives
        json.dumps(snapshot.to_json(), allow_nan=False)


def test_a_torn_line_is_left_until_it_is_whole(workspace: WorkspaceBuilder, reader: SnapshotReader) -> None:
    workspace.ledger.record("error", why="first")
    line = json.dumps({"seq": 2, "ts_utc": "2026-01-02T03:04:05Z", "event": "error", "why": "zweiter Fehler ü"})
    data = f"{line}\n".encode()
    with workspace.paths.events.open("ab") as stream:
        stream.write(data[:30])
    assert [alarm.text for alarm in reader.take().alarms] == ["first"]
    with workspace.paths.events.open("ab") as stream:
        stream.write(data[30:])
    assert [alarm.text for alarm in reader.take().alarms] == ["first", "zweiter Fehler ü"]


def test_a_journal_that_was_moved_away(workspace: WorkspaceBuilder, reader: SnapshotReader) -> None:
    for number in range(5):
        workspace.ledger.record("error", why=f"error {number} of an older journal")
    assert len(reader.take().alarms) == 5
    workspace.paths.events.unlink()
    assert len(reader.take().alarms) == 5
    workspace.paths.events.write_text('{"seq": 1, "event": "error", "why": "new"}\n', encoding="utf-8")
    assert [alarm.text for alarm in reader.take().alarms] == ["new"]


def test_a_damaged_history_is_named_and_the_rest_ranked(workspace: WorkspaceBuilder, reader: SnapshotReader) -> None:
    run = workspace.stage("first")
    workspace.launch(run)
    workspace.end(run, 0.3)
    with workspace.paths.history.open("ab") as stream:
        stream.write(b'not a row\n{"torn": ')
    snapshot = reader.take()
    assert snapshot.leaderboard is not None and len(snapshot.leaderboard.entries) == 1
    assert any("history.jsonl" in note for note in snapshot.notes)


def test_a_broken_configuration_stops_no_view(workspace: WorkspaceBuilder, reader: SnapshotReader) -> None:
    (workspace.paths.root / "config" / "daemon_config.json").write_text("{,}", encoding="utf-8")
    snapshot = reader.take()
    assert any("daemon_config.json" in note for note in snapshot.notes)
    assert reader.config() is None


@pytest.mark.parametrize(
    "text, status", [('\ufeff{"status": "requested"}', "requested"), ("{broken", None), ('{"status": 3}', None)]
)
def test_a_finish_up_file(text: str, status: str | None, workspace: WorkspaceBuilder, reader: SnapshotReader) -> None:
    assert not reader.take().finish_up.present
    workspace.paths.finish_up.write_text(text, encoding="utf-8")
    finish_up = reader.take().finish_up
    assert (finish_up.present, finish_up.status) == (True, status)


def test_alarms_keep_the_last_five_and_every_kind(workspace: WorkspaceBuilder, reader: SnapshotReader) -> None:
    record = workspace.ledger.record
    record("error", why="left out, because it is the sixth last")
    record("config_refused", why="a comma", kept="the last")
    record("file_not_written", path="p", why="disk full")
    record("launch_failed", run_id="R0001", why="no folder")
    record("repaired", what="torn", set_aside="/x")
    record("disk_short", free_mb=3, wanted_mb=500)
    texts = [alarm.text for alarm in reader.take().alarms]
    assert len(texts) == 5 and "a comma" in texts[0] and "3 MB" in texts[4] and "R0001" in texts[2]


def test_looking_writes_nothing(workspace: WorkspaceBuilder, reader: SnapshotReader) -> None:
    workspace.launch(workspace.stage("first"))
    workspace.save()
    workspace.beat()
    before = {path: path.stat().st_mtime_ns for path in workspace.paths.root.rglob("*")}
    reader.take()
    assert {path: path.stat().st_mtime_ns for path in workspace.paths.root.rglob("*")} == before


def test_a_long_journal_is_read_by_its_tail(workspace: WorkspaceBuilder, reader: SnapshotReader) -> None:
    line = json.dumps({"seq": 1, "event": "error", "why": "x" * 900}) + "\n"
    with workspace.paths.events.open("w", encoding="utf-8") as stream:
        for _ in range(3000):
            stream.write(line)
        stream.write(json.dumps({"seq": 2, "event": "error", "why": "the last"}) + "\n")
    workspace.paths.events.write_bytes(b"\xff" * 1000 + b"\n" + workspace.paths.events.read_bytes())
    assert reader.take().alarms[-1].text == "the last"
