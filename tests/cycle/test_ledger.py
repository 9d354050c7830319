"""The ledger: the journal is the truth, and state and files always follow it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.cycle import ledger as ledgers
from llm_loop.cycle.ledger import Ledger
from llm_loop.errors import CorruptFileError, FileWriteError
from llm_loop.memory.journal import Event, Journal
from llm_loop.memory.state import LoopState
from llm_loop.system import files
from llm_loop.system.clock import Clock
from tests.memory.campaign_events import campaign


class Projection:
    """Remember what was projected; refuse while ``broken``."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.broken = False

    def __call__(self, event: Event, state: LoopState) -> None:
        if self.broken:
            raise FileWriteError(Path("artifacts/storyline.md"), "write", OSError(28, "No space left on device"))
        self.seen.append(event["seq"])


class Desk:
    """Hold a workspace and open its ledger anew as often as wanted."""

    def __init__(self, root: Path, clock: Clock) -> None:
        self.paths = WorkspacePaths(root)
        self.clock = clock
        self.projection = Projection()

    def open(self) -> Ledger:
        self.projection.seen.clear()
        ledger = Ledger(self.paths, self.clock, self.projection)
        ledger.catch_up()
        return ledger

    def play(self, ledger: Ledger) -> None:
        for event in campaign()[ledger.state.seq :]:
            fields = {name: value for name, value in event.items() if name not in ("seq", "ts_utc", "event")}
            ledger.record(event["event"], **fields)

    def events(self, kind: str) -> list[dict[str, Any]]:
        lines = self.paths.events.read_text(encoding="utf-8").splitlines()
        return [event for event in map(json.loads, lines) if event["event"] == kind]


@pytest.fixture
def desk(tmp_path: Path, clock: Clock) -> Desk:
    return Desk(tmp_path, clock)


def played(desk: Desk) -> LoopState:
    ledger = desk.open()
    desk.play(ledger)
    ledger.save()
    return ledger.state


def test_each_event_is_projected_once_and_the_state_saved(desk: Desk) -> None:
    state = played(desk)
    assert desk.projection.seen == list(range(1, len(campaign()) + 1))
    again = desk.open()
    assert again.state == state and desk.projection.seen == []


def test_state_json_shows_people_what_runs(desk: Desk) -> None:
    played(desk)
    value = files.read_json(desk.paths.state)
    assert value["active_run"]["pid"] == 99 and value["active_run"]["run_id"] == "R0003"
    assert value["active_run"]["stdout_log"] == str(desk.paths.logs / "log-1.stdout.log")
    assert value["active_runs"] == [value["active_run"]]
    assert value["last_completed_run"]["run_id"] == "R0002" and value["bootstrap_successful"] is True


def test_nothing_is_saved_when_nothing_changed(desk: Desk) -> None:
    ledger = desk.open()
    desk.play(ledger)
    ledger.save()
    files.remove(desk.paths.state)
    ledger.save()
    assert not desk.paths.state.exists()
    ledger.record("notice", text="x")
    ledger.save()
    assert desk.paths.state.exists()


def test_a_crash_before_saving_loses_nothing(desk: Desk) -> None:
    ledger = desk.open()
    ledger.record("daemon_started")
    ledger.save()
    desk.play(ledger)
    again = desk.open()
    assert again.state == ledger.state
    assert desk.projection.seen == list(range(2, len(campaign()) + 1)), "what may not have been projected is, once more"


def test_a_missing_state_is_rebuilt(desk: Desk) -> None:
    state = played(desk)
    files.remove(desk.paths.state)
    assert desk.open().state == state
    assert desk.events("repaired") == []


@pytest.mark.parametrize("text", ["", "{", '{"loop": {}}', '{"loop": {"runs": []}}', "\x00" * 500, "[" * 100_000])
def test_a_corrupt_state_is_set_aside_and_rebuilt(desk: Desk, text: str) -> None:
    state = played(desk)
    desk.paths.state.write_text(text, encoding="utf-8")
    again = desk.open()
    (note,) = desk.events("repaired")
    assert "state.json" in note["what"] and Path(note["set_aside"]).read_text(encoding="utf-8") == text
    assert again.state.to_json() | {"seq": state.seq} == state.to_json()
    again.save()
    assert desk.open().state == again.state and len(desk.events("repaired")) == 1


def test_a_state_ahead_of_the_journal_is_not_believed(desk: Desk) -> None:
    played(desk)
    lines = desk.paths.events.read_text(encoding="utf-8").splitlines(keepends=True)
    desk.paths.events.write_text("".join(lines[:4]), encoding="utf-8")
    again = desk.open()
    assert again.state.cycle == 1 and again.state.runs == {} and again.state.seq == 5
    assert "ahead of the journal" in desk.events("repaired")[0]["what"]
    assert desk.projection.seen == [1, 2, 3, 4, 5]


def test_a_torn_line_is_journaled(desk: Desk) -> None:
    played(desk)
    with desk.paths.events.open("a", encoding="utf-8") as stream:
        stream.write('{"seq": 99')
    desk.open()
    (note,) = desk.events("repaired")
    assert "torn" in note["what"] and Path(note["set_aside"]).read_text(encoding="utf-8") == '{"seq": 99'


def test_a_journal_without_its_beginning_is_named(desk: Desk) -> None:
    played(desk)
    lines = desk.paths.events.read_text(encoding="utf-8").splitlines(keepends=True)
    desk.paths.events.write_text("".join(lines[10:]), encoding="utf-8")
    assert desk.open().state.cycle == 5, "the snapshot is enough"
    files.remove(desk.paths.state)
    with pytest.raises(CorruptFileError, match=r"events\.jsonl: event 11 does not fit"):
        desk.open()


# ---------------------------------------------------------------- files that cannot be written


def test_a_projection_is_tried_again_and_the_journal_says_so_once(desk: Desk) -> None:
    ledger = desk.open()
    ledger.record("daemon_started")
    desk.projection.broken = True
    ledger.record("cycle_opened", cycle=1, cycle_trace_id="C0001-a", agent="builtin")
    for _ in range(3):
        ledger.save()
    ledger.record("notice", text="x")
    assert ledger.state.cycle == 1, "the state follows all the same"
    assert not desk.paths.state.exists(), "a snapshot would hide what is not projected yet"
    (complaint,) = desk.events("file_not_written")
    assert complaint["path"].endswith("storyline.md") and "No space left" in complaint["why"]
    desk.projection.broken = False
    ledger.save()
    assert desk.projection.seen == [1, 2, 3, 4]
    assert files.read_json(desk.paths.state)["loop"]["seq"] == ledger.state.seq == 4
    desk.projection.broken = True
    ledger.record("notice", text="y")
    assert len(desk.events("file_not_written")) == 2, "a new trouble is said anew"


def test_what_was_not_projected_is_after_a_restart(desk: Desk) -> None:
    ledger = desk.open()
    ledger.record("daemon_started")
    ledger.save()
    desk.projection.broken = True
    ledger.record("notice", text="x")
    desk.projection.broken = False
    again = desk.open()
    assert desk.projection.seen == [2, 3]
    assert again.state.seq == again.journal.seq == 3


def test_a_complaint_that_cannot_be_journaled_comes_later(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = desk.open()
    desk.projection.broken = True
    real = Journal.append

    def full_for_complaints(self: Journal, kind: str, **fields: Any) -> Event:
        if kind == "file_not_written":
            raise FileWriteError(desk.paths.events, "append to", OSError(28, "No space left on device"))
        return real(self, kind, **fields)

    monkeypatch.setattr(Journal, "append", full_for_complaints)
    assert ledger.record("daemon_started")["seq"] == 1, "the event itself was journaled"
    monkeypatch.undo()
    ledger.save()
    ledger.save()
    assert len(desk.events("file_not_written")) == 1


def test_an_event_that_cannot_be_journaled_did_not_happen(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = desk.open()
    ledger.record("daemon_started")

    def refuse(path: Path, line: str, *, durable: bool = True, make_folder: bool = True) -> None:
        raise FileWriteError(path, "append to", OSError(28, "No space left on device"))

    monkeypatch.setattr(files, "append_line", refuse)
    with pytest.raises(FileWriteError):
        ledger.record("cycle_opened", cycle=1, cycle_trace_id="C0001-a", agent="builtin")
    monkeypatch.undo()
    assert (ledger.state.seq, ledger.state.cycle, desk.projection.seen) == (1, 0, [1])


def test_a_state_that_cannot_be_saved_is_saved_later(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = desk.open()
    ledger.record("daemon_started")

    def refuse(path: Path, value: object, **rest: bool) -> None:
        raise FileWriteError(path, "write", OSError(28, "No space left on device"))

    monkeypatch.setattr(ledgers.files, "replace_json", refuse)
    with pytest.raises(FileWriteError):
        ledger.save()
    monkeypatch.undo()
    ledger.save()
    assert files.read_json(desk.paths.state)["loop"]["seq"] == 1


def test_a_file_that_cannot_be_written_holds_up_no_other_projector(tmp_path: Path, clock: Clock) -> None:
    blocked, free = Projection(), Projection()
    blocked.broken = True
    ledger = Ledger(WorkspacePaths(tmp_path), clock, free, blocked)
    for number in range(3):
        ledger.record("notice", text=str(number))
    ledger.save()
    assert free.seen == [1, 2, 3, 4] and blocked.seen == [], "the fourth says once what cannot be written"
    assert not ledger._paths.state.exists(), "or a restart would not project the rest"
    blocked.broken = False
    ledger.save()
    assert blocked.seen == [1, 2, 3, 4] and ledger._paths.state.exists()


def test_an_event_that_meets_a_defect_is_told_once_and_passed_over(tmp_path: Path, clock: Clock) -> None:
    seen = []

    def projector(event: Event, state: LoopState) -> None:
        if event["text"] == "poison":
            raise ZeroDivisionError
        seen.append(event["text"])

    ledger = Ledger(WorkspacePaths(tmp_path), clock, projector)
    ledger.record("notice", text="a")
    with pytest.raises(ZeroDivisionError):
        ledger.record("notice", text="poison")
    ledger.record("notice", text="b")
    ledger.save()
    assert seen == ["a", "b"]
    assert Ledger(WorkspacePaths(tmp_path), clock, projector).state.seq == 3
