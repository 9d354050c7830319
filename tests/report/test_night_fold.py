"""The journal folded in one pass: sessions, stays in slots, repairs; and what a person or a disk has done to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from llm_loop.report.night import read_night
from llm_loop.report.work_time import Session, WorkTime
from tests.report.nights import Night, a_night


def test_the_time_between_two_daemons_is_left_out(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.run(0.5, seconds=1800)
    night.record("daemon_ended", reason="stopped")
    night.wait(36_000)
    night.record("request_answered", id="x")  # a verb, while no daemon lives
    night.wait(36_000)
    night.start()
    night.run(0.6, seconds=3600)
    night.save()
    folded = read_night(night.paths.events, ["R0002"])
    assert folded.work_time.hours == pytest.approx(1.5) and folded.work_time.seams() == (0.5,)
    assert folded.work_time.hours_at(night.now) == pytest.approx(1.5)
    assert folded.work_time.hours_at(night.now - timedelta(hours=10)) == pytest.approx(0.5)
    assert set(folded.words) == {"R0002"} and folded.words["R0002"].why == "to see what it does"
    assert (folded.words["R0002"].attempt, folded.words["R0002"].log_tag) == (1, "x_r0002")


def test_a_clock_that_was_set_back_takes_no_time_away() -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    session = Session(start=start, end=start).until(start + timedelta(hours=2)).until(start - timedelta(hours=5))
    assert session.hours == 2.0
    assert WorkTime((session,)).hours_at(start - timedelta(days=1)) == 0.0
    assert WorkTime((session,)).hours_at(start + timedelta(days=1)) == 2.0
    assert WorkTime().hours == 0.0 and WorkTime().seams() == ()


def test_slots_installs_pauses_and_open_runs(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.run(0.5, seconds=100)
    night.record("environment_held")
    night.wait(40)
    night.record("environment_freed")
    night.record("paused")
    night.wait(20)
    night.record("resumed")
    night.run(0.6, slot=2, seconds=60)
    night.record("attempt_intended", run_id="R0009", label="l", attempt={"number": 1, "log_tag": "t", "slot": 1})
    night.wait(30)
    night.record("heartbeat")
    night.save()
    folded = read_night(night.paths.events, [])
    lengths = [(stay.slot, stay.run_id, (stay.span.end - stay.span.start).total_seconds()) for stay in folded.stays]
    assert lengths == [(1, "R0001", 100), (2, "R0002", 60), (1, "R0009", 30)]
    assert [(span.end - span.start).total_seconds() for span in folded.installs] == [40]
    assert [(span.end - span.start).total_seconds() for span in folded.pauses] == [20]
    assert folded.open_runs == ("R0009",) and folded.words == {}


def test_repairs_and_refusals_are_counted(tmp_path: Path) -> None:
    night = Night(tmp_path)
    for ok in (True, False):
        night.record("mend_intended", run_id="R0001", mend={"rule": "install a package"})
        night.record("mend_done", run_id="R0001", ok=ok)
    night.record("proposal", record={"quality_gate": {"blocked": True}, "unusable": None}, call=None)
    night.record("proposal", record={"quality_gate": None, "unusable": ["schema: x"]}, call=None)
    night.record("agent_out", agent="codex", cause="usage_limit", role=None)
    night.save()
    folded = read_night(night.paths.events, [])
    assert dict(folded.mends["install a package"]) == {True: 1, False: 1} and folded.mended == {"R0001"}
    assert (folded.refused, folded.unusable, folded.outages["codex: usage limit"]) == (1, 1, 1)


def test_what_is_damaged_is_passed_over(tmp_path: Path) -> None:
    night = a_night(tmp_path)
    night.save()
    whole = read_night(night.paths.events, ["R0001"])
    lines = night.paths.events.read_text("utf-8").splitlines()
    broken = [
        "{",
        "[]",
        "[" * 5000,
        '{"seq": 1, "event": "attempt_ended"}',
        '{"seq": 1, "event": "run_staged", "ts_utc": "2026-03-01T20:00:00Z", "run": {"run_id": "R0001"}}',
        '{"seq": 1, "event": "attempt_intended", "ts_utc": "2026-03-01T20:00:00Z", "run_id": [1], "attempt": 4}',
        '{"seq": 1, "event": "mend_done", "ts_utc": "never"}',
        '{"seq": 1, "event": "environment_freed", "ts_utc": "2026-03-01T20:00:00Z"}',
    ]
    night.paths.events.write_text("\n".join([*broken, *lines, '{"seq": 99, "torn']), encoding="utf-8")
    folded = read_night(night.paths.events, ["R0001"])
    assert [stay.run_id for stay in folded.stays] == [stay.run_id for stay in whole.stays]
    assert folded.slot_use.idle_fraction() == whole.slot_use.idle_fraction() and folded.words == whole.words


def test_a_missing_journal_is_an_empty_night(tmp_path: Path) -> None:
    folded = read_night(tmp_path / "events.jsonl", ["R0001"])
    assert (folded.events, folded.stays, folded.work_time.hours) == (0, [], 0.0)
