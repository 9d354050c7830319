"""Cards kept up to date by real jobs: nobody waits, and a broken answer costs nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from llm_loop.runs.device_watch import FIRST_PATIENCE_S, LONGEST_REST_S, DeviceWatch
from llm_loop.system.jobs import Jobs
from llm_loop.system.processes import Keepers
from tests.conftest import eventually
from tests.runs.cards import GIB, FakeNvidia, card


class Desk:
    """Hold a watch, its fake, and a time that is told."""

    def __init__(self, root: Path) -> None:
        self.keepers = Keepers()
        self.jobs = Jobs(self.keepers, root / "jobs")
        self.nvidia = FakeNvidia(root / "told.json")
        self.is_there = True
        self.watch = DeviceWatch(self.jobs, self.find)
        self.now_s = 1000.0

    def find(self) -> Sequence[str] | None:
        return self.nvidia.command if self.is_there else None

    def answered(self) -> bool:
        """Ask, and take what comes of it."""
        assert self.watch.ask(self.now_s, 60)
        came = []
        eventually(lambda: (came.append(self.watch.take(time.monotonic())), not self.watch.is_asking)[1])
        return came[-1]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.jobs.end_all()
    eventually(lambda: (made.keepers.reap(), not _children())[1])


def _children() -> list[object]:
    import psutil

    return [one for one in psutil.Process().children(recursive=True) if one.status() != psutil.STATUS_ZOMBIE]


def test_the_cards_come_and_are_asked_for_again_a_minute_later(desk: Desk) -> None:
    desk.nvidia.lists(card(0), card(1))
    assert not desk.watch.is_settled(desk.now_s) and desk.watch.cards is None
    assert desk.answered() and desk.watch.is_settled(desk.now_s)
    assert desk.watch.cards == (card(0), card(1)) and desk.watch.trouble is None
    assert not desk.watch.ask(desk.now_s + 59, 60), "not before a minute is over"
    desk.nvidia.lists(card(0, memory_used_bytes=GIB))
    desk.now_s += 60
    assert desk.answered() and desk.watch.cards == (card(0, memory_used_bytes=GIB),)


def test_a_failed_answer_leaves_the_cards_and_is_asked_for_later_each_time(desk: Desk) -> None:
    desk.nvidia.lists(card(0))
    desk.answered()
    desk.nvidia.will(exit=9, stderr="the driver is gone")
    desk.now_s += 60
    assert not desk.answered()
    assert desk.watch.cards == (card(0),) and "the driver is gone" in (desk.watch.trouble or "")
    assert not desk.watch.ask(desk.now_s + 119, 60)
    desk.now_s += 120
    desk.nvidia.lists(card(0), card(1))
    assert desk.answered() and desk.watch.trouble is None and len(desk.watch.cards or ()) == 2


def test_without_nvidia_smi_nothing_is_started(desk: Desk, tmp_path: Path) -> None:
    desk.is_there = False
    assert not desk.watch.ask(desk.now_s, 60)
    assert desk.watch.is_settled(desk.now_s) and desk.watch.cards is None and desk.watch.trouble is None
    assert not (tmp_path / "jobs").exists()
    for _ in range(20):
        desk.now_s += LONGEST_REST_S
        desk.watch.ask(desk.now_s, 60)
    desk.is_there = True
    desk.nvidia.lists(card(0))
    desk.now_s += LONGEST_REST_S
    assert desk.answered(), "a driver that was installed meanwhile is seen within ten minutes"


def test_one_that_stalls_is_waited_for_a_while_and_no_longer(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_loop.runs.device_watch.ASK_DEADLINE_S", 2.0)
    desk.nvidia.will(mode="stall")
    assert desk.watch.ask(desk.now_s, 60)
    assert not desk.watch.take(time.monotonic()) and not desk.watch.is_settled(desk.now_s), "asking never waits"
    assert desk.watch.is_settled(desk.now_s + FIRST_PATIENCE_S)
    assert not desk.watch.ask(desk.now_s + 3600, 60), "one question at a time"
    eventually(lambda: (desk.watch.take(time.monotonic()), not desk.watch.is_asking)[1])
    assert desk.watch.trouble == "nvidia-smi gave no answer within 2 s" and desk.watch.cards is None


def test_an_answer_that_is_none_is_a_failure(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_loop.runs.device_watch.MODULE", "tests.runs.no_such_module")
    assert not desk.answered()
    assert "the cards could not be asked for" in (desk.watch.trouble or "")
