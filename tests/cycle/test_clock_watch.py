"""A wall clock that jumps and a machine that slept are journaled once; a slow tick and a drift are neither."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llm_loop.cycle.clock_watch import ClockWatch
from llm_loop.cycle.ledger import Ledger
from llm_loop.errors import FileWriteError
from llm_loop.system.clock import SystemClock
from tests.conftest import TestClock
from tests.views.workspace_builder import WorkspaceBuilder

YEAR_S = 365 * 86_400


class Night:
    """Hold a watch, its clock and what it journaled."""

    def __init__(self, root: Path) -> None:
        self.ledger: Ledger = WorkspaceBuilder(root).ledger
        self.clock = TestClock()
        self.watch = ClockWatch(self.clock, self.ledger)

    def go_on(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.advance(1.0)
            self.watch.tick(self.clock.monotonic())

    def told(self) -> list[dict[str, Any]]:
        return [
            {name: event[name] for name in event.keys() - {"seq", "ts_utc"}} for event in self.ledger.journal.after(0)
        ]


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path)


@pytest.mark.parametrize("by_s", [6, -6, 3600, YEAR_S, -YEAR_S])
def test_a_jump_is_told_once(night: Night, by_s: int) -> None:
    night.go_on(3)
    night.clock.jump_wall_clock(by_s)
    night.go_on(5)
    assert night.told() == [{"event": "clock_jumped", "by_s": by_s}]


def test_sleep_is_no_jump(night: Night) -> None:
    night.go_on(2)
    night.clock.let_the_machine_sleep(8 * 3600)
    night.go_on(2)
    night.clock.let_the_machine_sleep(600)
    night.clock.jump_wall_clock(-60)
    night.go_on(2)
    assert night.told() == [
        {"event": "machine_slept", "seconds": 28_800},
        {"event": "machine_slept", "seconds": 600},
        {"event": "clock_jumped", "by_s": -60},
    ]


def test_a_slow_tick_and_a_clock_that_is_put_right_little_by_little_are_no_jumps(night: Night) -> None:
    for _ in range(100):
        night.clock.jump_wall_clock(0.5)
        night.clock.advance(30.0)
        night.watch.tick(night.clock.monotonic())
    assert night.told() == []


def test_what_could_not_be_journaled_is_told_later(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    night.go_on(2)
    night.clock.jump_wall_clock(60)

    def refuse(*words: object, **rest: object) -> None:
        raise FileWriteError(Path("events.jsonl"), "append to", OSError(28, "No space left on device"))

    with monkeypatch.context() as full:
        full.setattr(night.ledger, "record", refuse)
        with pytest.raises(FileWriteError):
            night.go_on(1)
    night.go_on(1)
    assert night.told() == [{"event": "clock_jumped", "by_s": 60}]


def test_this_machines_own_clocks_agree(tmp_path: Path) -> None:
    ledger = WorkspaceBuilder(tmp_path).ledger
    watch = ClockWatch(SystemClock(), ledger)
    for now_s in (0.0, 2.0, 4.0):
        watch.tick(now_s)
    assert ledger.state.seq == 0
