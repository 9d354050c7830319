"""Devices in the views: what the heartbeat says of them, and of runs that wait for room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from llm_loop.runs.devices import Card
from llm_loop.views.devices_status import words_of
from llm_loop.views.reading import SnapshotReader
from llm_loop.views.screen import draw
from llm_loop.views.wording import ASCII
from tests.views.workspace_builder import WorkspaceBuilder

Hold = Callable[[WorkspaceBuilder], int]
GB = 1_000_000_000
CARD = Card(
    index=1, uuid="GPU-abcd", name="RTX 4090", memory_total_bytes=24 * GB, memory_used_bytes=9 * GB, utilization=0.97
)


def test_devices_and_what_a_run_waits_for(workspace: WorkspaceBuilder, reader: SnapshotReader, hold: Hold) -> None:
    pid = hold(workspace)
    running, waiting = workspace.stage("first"), workspace.stage("second")
    workspace.launch(running)
    devices = [{"name": "GPU-abcd", "card": CARD.to_json(), "runs": ["R0001"]}, {"name": "3", "card": None, "runs": []}]
    workspace.beat(pid=pid, devices=devices, waiting_for={waiting.run_id: "device 1 has 2.0 GB of memory free"})
    workspace.save()
    snapshot = reader.take()
    assert [words_of(device) for device in snapshot.devices] == [
        "device 1 (RTX 4090)  9.0 of 24.0 GB in use  97% at work  R0001",
        "3  no run of this loop",
    ]
    assert snapshot.waiting[0].waits_for == "device 1 has 2.0 GB of memory free"
    text = "\n".join(line.plain for line in draw(snapshot, 100, None, ASCII))
    assert "waits: device 1 has 2.0 GB" in text and "Devices" in text and "RTX 4090" in text
    told = snapshot.to_json()
    assert told["devices"][0]["memory_used_bytes"] == 9 * GB and told["waiting"][0]["waits_for"]


def test_a_loop_that_is_gone_has_no_devices(workspace: WorkspaceBuilder, reader: SnapshotReader) -> None:
    waiting = workspace.stage("first")
    workspace.beat(devices=[{"name": "0", "card": None, "runs": []}], waiting_for={waiting.run_id: "room"})
    workspace.save()
    snapshot = reader.take()
    assert snapshot.devices == () and snapshot.waiting[0].waits_for is None


@pytest.mark.parametrize(
    "devices", [None, 3, [3], [{"name": 3}], [{"name": "\x1b[31m0", "card": {"name": [], "index": "x"}, "runs": 7}]]
)
def test_any_value_is_taken(devices: Any, workspace: WorkspaceBuilder, reader: SnapshotReader, hold: Hold) -> None:
    workspace.beat(pid=hold(workspace), devices=devices, waiting_for=devices)
    for line in draw(reader.take(), 80, None, ASCII):
        assert "\x1b" not in line.plain
