"""A start that reads no more of the journal than it needs, and one that finds less of it than there was."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.cycle.ledger import SNAPSHOT, Ledger
from llm_loop.daemon import Daemon
from llm_loop.errors import CorruptFileError
from llm_loop.limits import Limits
from llm_loop.memory import folding
from llm_loop.memory.journal import Event
from llm_loop.memory.journal_parts import older_parts
from llm_loop.memory.past_runs import PastRuns
from llm_loop.memory.state import LoopState
from llm_loop.system import files
from llm_loop.system.clock import Clock, SystemClock
from tests.conftest import make_workspace
from tests.memory.campaign_events import campaign
from tests.memory.test_history import row
from tests.views.workspace_builder import WorkspaceBuilder


class Desk:
    """Hold a workspace in which a campaign comes round and round, and count what a start folds and projects."""

    def __init__(self, root: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        self.paths, self.clock = WorkspacePaths(root), clock
        self.folded, self.projected = 0, list[int]()
        real = folding.apply

        def counted(before: LoopState, event: Event) -> LoopState:
            self.folded += 1
            return real(before, event)

        monkeypatch.setattr(folding, "apply", counted)
        monkeypatch.setattr(os, "fsync", lambda _: None)  # a thousand events and no power cut

    def open(self) -> Ledger:
        self.folded = 0
        self.projected.clear()
        ledger = Ledger(self.paths, self.clock, lambda event, _: self.projected.append(event["seq"]))
        ledger.catch_up()
        return ledger

    def play(self, rounds: int, rotate_bytes: int | None = None) -> LoopState:
        ledger = self.open()
        ledger.journal.rotate_bytes = rotate_bytes
        for _ in range(rounds):
            for event in campaign()[:23]:  # two cycles that are closed at the end
                ledger.record(event["event"], **{k: v for k, v in event.items() if k not in ("seq", "ts_utc", "event")})
            ledger.save()
        return ledger.state

    def has_history(self) -> None:
        self.paths.history.parent.mkdir(parents=True, exist_ok=True)
        self.paths.history.write_text("", encoding="utf-8")

    def snapshots(self) -> list[Event]:
        lines = [line for path in self.paths.logs.glob("events*.jsonl") for line in path.read_bytes().splitlines()]
        return [event for event in map(json.loads, lines) if event["event"] == SNAPSHOT]


@pytest.fixture
def desk(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, clock, monkeypatch)


def same(one: LoopState, other: LoopState) -> bool:
    return json.dumps(one.to_json()) == json.dumps(other.to_json())


def test_a_start_without_state_json_folds_the_end_alone(desk: Desk) -> None:
    desk.has_history()
    before = desk.play(70)
    assert [event["seq"] // 500 for event in desk.snapshots()] == [1, 2, 3]
    assert same(desk.open().state, before) and desk.folded == 0
    desk.paths.state.unlink()
    again = desk.open()
    assert same(again.state, before) and 500 <= desk.folded <= 1_200
    assert len(desk.projected) == desk.folded, "and these are projected once more"
    again.save()
    assert len(desk.snapshots()) == 3, "no new one for the starting alone"


def test_a_missing_history_is_written_anew_from_the_whole_journal(desk: Desk) -> None:
    before = desk.play(70)
    desk.paths.state.unlink()
    assert same(desk.open().state, before) and desk.projected == list(range(1, before.seq + 1))


def test_a_snapshot_of_another_version_is_passed_over(desk: Desk) -> None:
    desk.has_history()
    before = desk.play(70)
    text = desk.paths.events.read_text(encoding="utf-8").replace('"waits_in_a_row"', '"once_called"')
    desk.paths.events.write_text(text, encoding="utf-8", newline="\n")
    desk.paths.state.unlink()
    assert same(desk.open().state, before) and desk.folded == before.seq


@pytest.mark.parametrize("has_history", [True, False])
def test_each_part_holds_the_state_so_that_older_ones_can_be_moved_away(desk: Desk, has_history: bool) -> None:
    if has_history:
        desk.has_history()
    before = desk.play(20, rotate_bytes=40_000)
    parts = older_parts(desk.paths.events)
    assert len(parts) >= 3 and len(desk.snapshots()) >= len(parts)
    for part in parts:
        part.path.unlink()
    assert same(desk.open().state, before)
    desk.paths.state.unlink()
    again = desk.open()
    assert same(again.state, before) and again.record("notice", text="on")["seq"] == before.seq + 1


def test_a_part_from_the_middle_is_moved_away(desk: Desk) -> None:
    desk.has_history()
    before = desk.play(20, rotate_bytes=40_000)
    older_parts(desk.paths.events)[1].path.unlink()
    desk.paths.state.unlink()
    assert same(desk.open().state, before)


def test_a_state_older_than_what_was_moved_away(desk: Desk) -> None:
    desk.has_history()
    desk.play(1)
    kept = desk.paths.state.read_bytes()
    before = desk.play(20, rotate_bytes=40_000)
    older_parts(desk.paths.events)[0].path.unlink()
    desk.paths.state.write_bytes(kept)
    again = desk.open().state
    assert again.to_json() | {"seq": before.seq} == before.to_json() and again.seq == before.seq + 1
    last = json.loads(desk.paths.events.read_bytes().splitlines()[-1])
    assert last["event"] == "repaired" and "were moved out of the journal" in last["what"]


def test_the_live_file_is_moved_away_and_older_parts_stay(desk: Desk) -> None:
    desk.has_history()
    before = desk.play(20, rotate_bytes=40_000)
    desk.paths.events.rename(desk.paths.logs / "kept elsewhere.jsonl")
    first = desk.open()
    kept = json.loads((desk.paths.logs / "kept elsewhere.jsonl").read_bytes().splitlines()[-1])
    assert kept["seq"] == before.seq and first.journal.first_seq == before.seq + 1, "no number comes twice"
    assert first.state.to_json() | {"seq": before.seq} == before.to_json(), "state.json knows what was in it"
    last = json.loads(desk.paths.events.read_bytes().splitlines()[-1])
    assert f"to {before.seq} were moved out of the journal" in last["what"]
    desk.paths.state.unlink()
    again = desk.open()
    assert again.state.to_json() | {"seq": before.seq} == before.to_json(), "and the journal knows it from now on"
    assert len([event for event in again.journal.after(0) if event["event"] == "repaired"]) == 1


@pytest.mark.parametrize("file", ["history", "cycle_summaries"])
def test_a_journal_moved_away_whole_goes_on_behind_what_the_history_holds(desk: Desk, file: str) -> None:
    desk.has_history()
    desk.play(2)
    desk.paths.events.unlink()
    line = json.dumps(row(41).to_json()) if file == "history" else '{"seq": 41}'
    getattr(desk.paths, file).write_text(line + "\n", encoding="utf-8")
    again = desk.open()
    assert again.state.runs == {} and again.state.cycle == 0, "it begins anew"
    assert again.journal.first_seq == 42, "and a row of its runs is none of before"
    desk.paths.state.unlink(missing_ok=True)
    assert desk.open().state.cycle == 0


def test_nothing_to_begin_from_is_said(desk: Desk) -> None:
    desk.has_history()
    desk.play(1)
    lines = desk.paths.events.read_bytes().splitlines(keepends=True)
    desk.paths.events.write_bytes(b"".join(lines[10:]))
    desk.paths.state.unlink()
    with pytest.raises(CorruptFileError, match="event 11 does not fit"):
        desk.open()


def test_a_snapshot_that_cannot_be_written_holds_nothing_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.play(21)
    ledger = desk.open()
    real = files.append_line

    def refuse_long_lines(path: Path, line: str, **rest: bool) -> None:
        if SNAPSHOT in line:
            raise files.FileWriteError(path, "append to", OSError(28, "No space left on device"))
        real(path, line, **rest)

    monkeypatch.setattr(files, "append_line", refuse_long_lines)
    for _ in range(30):
        ledger.record("notice", text="x")
    ledger.save()
    assert desk.snapshots() == [] and files.read_json(desk.paths.state)["loop"]["seq"] == ledger.state.seq > 500
    monkeypatch.undo()
    ledger.record("notice", text="there is room again")
    ledger.save()
    assert len(desk.snapshots()) == 1


def test_a_second_projection_ranks_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = WorkspaceBuilder(tmp_path)
    for number in range(5):
        run = workspace.stage(f"run {number}")
        workspace.launch(run)
        workspace.end(run, 0.5 - number / 100)
    before = workspace.paths.leaderboard_markdown.read_text(encoding="utf-8")
    ranked: list[Any] = []
    real = PastRuns.board
    monkeypatch.setattr(PastRuns, "board", lambda *given: (ranked.append(given), real(*given))[1])
    again = WorkspaceBuilder(tmp_path)
    again.ledger.catch_up()
    assert len(ranked) == 2, "with all runs at the first of their endings, and at the last one as always"
    assert workspace.paths.leaderboard_markdown.read_text(encoding="utf-8") == before


def test_the_daemon_follows_the_configured_size(tmp_path: Path) -> None:
    root = make_workspace(tmp_path, journal_rotate_mb=3)
    path = root / "config" / "daemon_config.json"
    daemon = Daemon(WorkspacePaths(root), path, {}, SystemClock(), Limits())
    journal = daemon._context.ledger.journal
    assert journal.rotate_bytes == 3_000_000
    value = json.loads(path.read_text(encoding="utf-8")) | {"journal_rotate_mb": 17}
    path.write_text(json.dumps(value), encoding="utf-8")
    daemon._look_at_config(daemon._clock.monotonic() + 10)
    assert journal.rotate_bytes == 17_000_000
