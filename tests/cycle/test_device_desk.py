"""The desk of devices, with a real ledger, real jobs and a fake nvidia-smi: choice, waiting, peaks, restart."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from llm_loop.contract.run import Run
from llm_loop.cycle.device_desk import DeviceDesk
from llm_loop.runs.devices import Card
from llm_loop.system.memory import HostMemory
from tests.conftest import eventually
from tests.runs.cards import GIB, FakeNvidia, card
from tests.views.workspace_builder import WorkspaceBuilder

HOST = HostMemory(total_bytes=64 * GIB, available_bytes=60 * GIB)


class Slots:
    """Hold a desk of a small workspace and a time that is told."""

    def __init__(self, root: Path) -> None:
        self.builder = WorkspaceBuilder(root)
        self.context = self.builder.context
        self.nvidia = FakeNvidia(root / "told.json")
        self.now_s = time.monotonic()
        self.desk = DeviceDesk(self.context, lambda: self.nvidia.command)

    def configure(self, **changes: Any) -> None:
        self.context.config = replace(self.context.config, **changes)

    def launch(self, run: Run, device: str | None) -> Run:
        attempt = {"number": 1, "tag": "t", "log_tag": run.run_id, "engine": "local", "device": device}
        self.builder.ledger.record("attempt_intended", run_id=run.run_id, label=run.label, attempt=attempt)
        return self.builder.ledger.state.runs[run.run_id]

    def tick(self, after_s: float = 0.0) -> None:
        self.now_s += after_s
        self.desk.tick(self.now_s)

    def read(self, *cards: Card, after_s: float = 0.0) -> None:
        """Let nvidia-smi list ``cards``, and ask until they are taken."""
        self.nvidia.lists(*cards)
        before = len(self.nvidia.calls())
        self.tick(after_s)
        eventually(lambda: (self.tick(), len(self.nvidia.calls()) == before + 1 and not self._is_asking())[1])

    def _is_asking(self) -> bool:
        return self.context.jobs.is_open("devices")


@pytest.fixture
def slots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slots]:
    monkeypatch.setattr("llm_loop.cycle.device_desk.host_memory", lambda: HOST)
    made = Slots(tmp_path)
    yield made
    made.context.jobs.end_all()
    me = psutil.Process()
    eventually(lambda: all(one.status() == psutil.STATUS_ZOMBIE for one in me.children(recursive=True)))


def test_runs_are_spread_and_people_see_where(slots: Slots) -> None:
    first, second, third = (slots.builder.stage(label) for label in "abc")
    slots.read(card(0), card(1))
    given = []
    for run in (first, second):
        found = slots.desk.place(run, slots.now_s)
        assert found.waits_for is None
        given.append(found.device)
        slots.launch(run, found.device)
    assert given == [card(0).uuid, card(1).uuid]
    seen = slots.desk.to_json()
    assert [(one["name"], one["runs"]) for one in seen] == [(card(0).uuid, ["R0001"]), (card(1).uuid, ["R0002"])]
    assert slots.desk.place(third, slots.now_s).waits_for is not None


def test_a_run_waits_for_the_first_answer_and_no_longer_than_that(slots: Slots) -> None:
    run = slots.builder.stage("a")
    slots.nvidia.will(mode="stall")
    slots.tick()
    assert slots.desk.place(run, slots.now_s).waits_for == "nvidia-smi has not answered yet"
    assert slots.desk.waiting_for == {"R0001": "nvidia-smi has not answered yet"}
    found = slots.desk.place(run, slots.now_s + 21)
    assert (found.device, found.waits_for, slots.desk.waiting_for) == (None, None, {})


@pytest.mark.parametrize("wanted", ["none", ()])
def test_none_asks_nothing_and_names_nothing(slots: Slots, wanted: Any) -> None:
    slots.configure(devices=wanted)
    run = slots.builder.stage("a")
    slots.tick()
    found = slots.desk.place(run, slots.now_s)
    assert (found.device, found.waits_for, slots.desk.to_json()) == (None, None, [])
    assert slots.nvidia.calls() == [] and not slots.context.jobs.is_open("devices")


def test_the_configuration_and_the_environment_limit_the_choice(slots: Slots) -> None:
    run = slots.builder.stage("a")
    slots.read(card(0), card(1))
    slots.configure(devices=("1", "9"))
    assert slots.desk.place(run, slots.now_s).device == card(1).uuid
    slots.desk.place(run, slots.now_s)
    notices = [event for event in slots.builder.ledger.journal.after(0) if event["event"] == "notice"]
    assert len(notices) == 1 and "lists no 9" in notices[0]["text"], "said once"


def test_what_a_run_uses_alone_is_its_peak_until_it_ends(slots: Slots) -> None:
    run = slots.builder.stage("a")
    slots.read(card(0, memory_used_bytes=2 * GIB))
    slots.launch(run, card(0).uuid)
    slots.read(card(0, memory_used_bytes=12 * GIB), after_s=10)
    slots.read(card(0, memory_used_bytes=9 * GIB), after_s=60)
    assert slots.desk.device_peak_bytes("R0001") == 10 * GIB
    slots.builder.end(run, 0.5)
    slots.tick()
    assert slots.desk.device_peak_bytes("R0001") is None


def test_a_young_run_is_read_soon_and_an_old_one_each_minute(slots: Slots) -> None:
    run = slots.builder.stage("a")
    slots.read(card(0))
    slots.launch(run, card(0).uuid)
    slots.tick()
    calls = len(slots.nvidia.calls())
    slots.tick(4)
    assert len(slots.nvidia.calls()) == calls and not slots.context.jobs.is_open("devices")
    slots.read(card(0), after_s=2)
    slots.read(card(0), after_s=600)
    slots.tick(59)
    assert not slots.context.jobs.is_open("devices")
    slots.read(card(0), after_s=2)


def test_nothing_is_asked_while_nothing_runs_or_waits(slots: Slots) -> None:
    slots.read(card(0))
    slots.tick(3600)
    assert len(slots.nvidia.calls()) == 1 and not slots.context.jobs.is_open("devices")


def test_a_run_adopted_after_a_restart_keeps_its_device(slots: Slots) -> None:
    first, second = slots.builder.stage("a"), slots.builder.stage("b")
    slots.launch(first, card(0).uuid)
    slots.builder.save()
    later = Slots(slots.builder.paths.root)
    assert later.builder.ledger.state.runs["R0001"].last_attempt.device == card(0).uuid
    later.read(card(0), card(1))
    assert later.desk.place(second, later.now_s).device == card(1).uuid


def test_a_second_run_waits_for_memory_with_a_reason_that_goes_with_the_run(slots: Slots) -> None:
    first, second = slots.builder.stage("a"), slots.builder.stage("b")
    slots.read(card(0))
    slots.launch(first, card(0).uuid)
    slots.read(card(0, memory_used_bytes=70 * GIB), after_s=100)
    slots.read(card(0, memory_used_bytes=70 * GIB), after_s=100)
    assert "device 0 (NVIDIA H100) has 10.7 GB" in (slots.desk.place(second, slots.now_s).waits_for or "")
    assert list(slots.desk.waiting_for) == ["R0002"]
    slots.builder.end(first, 0.5)
    assert slots.desk.place(second, slots.now_s).device == card(0).uuid, "the first of a slot always starts"
    assert slots.desk.waiting_for == {}


def test_a_reason_is_forgotten_with_a_run_that_was_dropped(slots: Slots) -> None:
    run = slots.builder.stage("a")
    slots.nvidia.will(mode="stall")
    slots.tick()
    slots.desk.place(run, slots.now_s)
    slots.builder.end(run, None, state="cancelled")
    slots.tick()
    assert slots.desk.waiting_for == {}


def test_trouble_is_said_once_and_the_loop_goes_on(slots: Slots) -> None:
    run = slots.builder.stage("a")
    slots.nvidia.will(exit=9, stderr="NVIDIA-SMI has failed")
    slots.tick()
    eventually(lambda: (slots.tick(), not slots.context.jobs.is_open("devices"))[1])
    assert slots.desk.place(run, slots.now_s).waits_for is None
    for _ in range(5):
        slots.tick()
    texts = [event["text"] for event in slots.builder.ledger.journal.after(0) if event["event"] == "notice"]
    assert texts == ["nvidia-smi ended with exit code 9: NVIDIA-SMI has failed"]


def test_a_run_waits_where_no_device_that_is_named_is_there(slots: Slots) -> None:
    """Without a device of its own it would see them all."""
    slots.configure(devices=("7",))
    slots.read(card(0), card(1))
    waits = slots.desk.place(slots.builder.stage("first"), slots.now_s).waits_for
    assert waits is not None and "nvidia-smi lists no 7" in waits
    slots.configure(devices=("7", "1"))
    assert slots.desk.place(slots.builder.ledger.state.runs["R0001"], slots.now_s).device == card(1).uuid
