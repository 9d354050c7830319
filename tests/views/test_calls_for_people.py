"""What a person is needed for is on every view, red, until it is mended; and no clock makes a living loop look dead."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llm_loop.cycle.calls_for_people import call_a_person, call_no_longer
from llm_loop.restarts import call_for_a_person
from llm_loop.system.clock import SystemClock
from llm_loop.system.instance_lock import InstanceLock
from llm_loop.system.processes import identity_of
from llm_loop.views.condition import Condition
from llm_loop.views.event_lines import EventLines
from llm_loop.views.reading import SnapshotReader
from llm_loop.views.screen import draw
from llm_loop.views.wording import UNICODE, typed
from tests.conftest import TestClock
from tests.views.workspace_builder import WorkspaceBuilder


class Looked:
    """Hold a workspace, and who looks at it."""

    def __init__(self, root: Path) -> None:
        self.builder = WorkspaceBuilder(root)
        self.clock = TestClock()
        self.reader = SnapshotReader(self.builder.paths, self.clock, {})

    def call(self, cause: str = "short") -> None:
        to_do = "free 3 MB or more"
        call_a_person(self.builder.ledger, phase="disk", cause=cause, why="only 3 MB are free", what_to_do=to_do)


@pytest.fixture
def looked(tmp_path: Path) -> Looked:
    return Looked(tmp_path)


def lines(looked: Looked) -> list[tuple[str, str]]:
    return [(line.plain, str(line.spans) + str(line.style)) for line in draw(looked.reader.take(), 100, None, UNICODE)]


def test_an_open_reason_is_shown_in_red_and_is_an_alarm(looked: Looked) -> None:
    looked.call()
    looked.builder.save()
    snapshot = looked.reader.take()
    assert snapshot.needs_human and snapshot.human_intervention_reasons[0].id == "H1"
    assert [alarm.about for alarm in snapshot.alarms] == ["H1"]
    shown = [style for text, style in lines(looked) if "a person is needed" in text and "H1, disk" in text]
    assert shown and "red" in shown[0]
    assert snapshot.to_json()["human_intervention_reasons"][0]["what_to_do"] == "free 3 MB or more"


def test_a_reason_that_has_gone_is_shown_nowhere_but_in_the_journal(looked: Looked) -> None:
    looked.call()
    call_no_longer(looked.builder.ledger, "disk", "short", "9 MB are free again")
    looked.builder.save()
    snapshot = looked.reader.take()
    assert not snapshot.needs_human and not snapshot.human_intervention_reasons and not snapshot.alarms
    told = [line for event in looked.builder.ledger.journal.after(0) for line in EventLines().of(event)]
    assert "ALARM a person is needed" in told[0] and "no person is needed any more (H1)" in told[1]


def test_what_the_journal_says_since_the_snapshot_counts(looked: Looked) -> None:
    looked.call()
    looked.builder.save()
    paths, clock = looked.builder.paths, SystemClock()
    call_for_a_person(paths, clock, "the loop died 3 times", "look", deaths=3)
    assert [one.phase for one in looked.reader.take().human_intervention_reasons] == ["disk", "start"]


def test_a_living_loop_tells_by_its_heartbeat_what_it_cannot_journal(looked: Looked) -> None:
    now = {"id": "now", "phase": "writing", "cause": "refused", "why": "no space left", "what_to_do": "free some"}
    reasons = [now, {"id": "H9", "why": "of an older state"}, "junk", None]
    looked.builder.beat(human_intervention_reasons=reasons)
    assert not looked.reader.take().needs_human, "nobody lives here"
    with InstanceLock(looked.builder.paths.instance_lock):
        looked.builder.beat(human_intervention_reasons=reasons)
        assert [one.id for one in looked.reader.take().human_intervention_reasons] == ["now"]


@pytest.mark.parametrize("by_s", [3 * 3600.0, 3e8, -3e8])
def test_neither_a_clock_that_jumps_nor_a_sleep_makes_a_living_loop_look_dead(looked: Looked, by_s: float) -> None:
    with InstanceLock(looked.builder.paths.instance_lock):
        here = {"identity": identity_of(os.getpid()), "updated_awake_s": looked.clock.monotonic() - 1.5}
        looked.builder.beat(**here)
        looked.clock.jump_wall_clock(by_s)
        os.utime(looked.builder.paths.instance_lock, (4e9, 4e9))  # taken before the clock was set back
        daemon = looked.reader.take().daemon
        assert (daemon.condition, daemon.silent_s, daemon.phase) == (Condition.RUNNING, 1.5, "training")
        looked.clock.advance(60.0)
        assert looked.reader.take().daemon.condition is Condition.NOT_RESPONDING


def test_a_heartbeat_of_another_machine_is_as_old_as_the_clock_says(looked: Looked) -> None:
    with InstanceLock(looked.builder.paths.instance_lock):
        looked.builder.beat(identity="4711:1:another-boot", updated_awake_s=looked.clock.monotonic())
        stale = looked.builder.paths.heartbeat.stat().st_mtime - 100
        os.utime(looked.builder.paths.instance_lock, (stale, stale))
        looked.clock.jump_wall_clock(3e8)
        assert looked.reader.take().daemon.condition is Condition.NOT_RESPONDING


def test_everything_that_is_known_is_in_red_on_one_screen_and_does_nothing_to_it(looked: Looked) -> None:
    call_a_person(
        looked.builder.ledger,
        phase="execution",
        cause="data",
        why="\x1b[2Jretries exceeded [bold]",
        attempted="resumed; halved the batch",
        failure="OSError: broken data stream",
        what_to_do="mend the image",
        log="/w/R0008.stderr.log",
        run_id="R0008",
        subject="a.png",
    )
    looked.builder.save()
    shown = {text.strip(): style for text, style in lines(looked)}
    wanted = (
        "tried: resumed; halved the batch",
        "failure: OSError: broken data stream",
        "to do: mend the image",
        "log: /w/R0008.stderr.log",
        f"when that is done: {typed('resolve H1')}",
    )
    assert all("red" in shown[text] for text in wanted)
    assert any(text.endswith("(H1, execution, R0008, a.png): retries exceeded [bold]") for text in shown)


def test_a_low_terminal_shows_each_reason_and_all_of_the_oldest(looked: Looked) -> None:
    for number in range(6):
        looked.call(f"cause {number}")
    looked.builder.save()
    shown = [line.plain for line in draw(looked.reader.take(), 100, 30, UNICODE)]
    assert sum("a person is needed" in text for text in shown) >= 6
    assert sum("when that is done: " in text for text in shown) == 3
    assert sum("when that is done: " in text for text, _ in lines(looked)) == 6


def test_what_a_person_resolved_is_shown_no_more_before_the_loop_has_closed_it(looked: Looked) -> None:
    looked.call()
    looked.builder.save()
    answer = {
        "id": "x",
        "request": "resolve",
        "accepted": True,
        "run_ids": [],
        "reasons": ["H1"],
        "note": None,
        "why": [],
    }
    event = looked.builder.ledger.record("request_answered", **answer)
    assert not looked.reader.take().needs_human, "the journal says so"
    looked.builder.save()
    assert not looked.reader.take().needs_human, "the state says so"
    assert EventLines().of(event)[0].endswith("a person resolves H1")


def test_a_message_that_came_to_nothing_is_an_alarm_while_its_reason_is_open(looked: Looked) -> None:
    looked.call()
    failed = {"id": "H1", "ways": ["command"], "ok": False, "why": "url 1: no connection"}
    event = looked.builder.ledger.record("person_notified", **failed)
    sent = looked.builder.ledger.record("person_notified", **failed | {"ok": True, "why": None})
    looked.builder.save()
    assert [alarm.kind for alarm in looked.reader.take().alarms] == ["needs_human", "person_notified"]
    told = EventLines().of(event)
    assert "a message of H1 was sent by command" in told[0] and "ALARM " in told[1] and "no connection" in told[1]
    assert len(EventLines().of(sent)) == 1
    call_no_longer(looked.builder.ledger, "disk", "short", "free again")
    looked.builder.save()
    assert not looked.reader.take().alarms
