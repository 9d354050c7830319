"""Devices, the memory guard and hazards in a whole loop: real runs, a fake nvidia-smi on PATH."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import FAKES, eventually
from tests.loop_process import LoopProcess
from tests.runs.cards import GIB, FakeNvidia, card

pytestmark = pytest.mark.skipif(os.name == "nt", reason="nvidia-smi.exe cannot be a script")
Make = Callable[..., Path]
Environ = dict[str, str]


@pytest.fixture
def nvidia(tmp_path: Path, clean_environ: Environ) -> FakeNvidia:
    """An nvidia-smi first on the loop's PATH."""
    clean_environ.pop("CUDA_VISIBLE_DEVICES", None)
    fake, folder = FakeNvidia(tmp_path / "told.json"), tmp_path / "driver"
    folder.mkdir()
    program = folder / "nvidia-smi"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(fake.command)} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    clean_environ["PATH"] = f"{folder}{os.pathsep}{clean_environ['PATH']}"
    return fake


def script(root: Path, *entries: dict[str, Any]) -> None:
    (root / "config" / "script.json").write_text(json.dumps(entries), encoding="utf-8")


def devices(loop: LoopProcess) -> list[str | None]:
    return [event["attempt"]["device"] for event in loop.events("attempt_intended")]


def seen_by_runs(loop: LoopProcess) -> list[str | None]:
    files = sorted(loop.paths.loop.glob("runs/*/attempt-1/environment_seen.json"))
    return [json.loads(file.read_text(encoding="utf-8")).get("CUDA_VISIBLE_DEVICES") for file in files]


def heartbeat(loop: LoopProcess) -> dict[str, Any]:
    value = json.loads(loop.paths.heartbeat.read_text(encoding="utf-8"))
    assert isinstance(value, dict)
    return value


@pytest.mark.slow
def test_runs_are_spread_over_the_devices_and_one_is_adopted_with_its_own(
    workspace: Make, clean_environ: Environ, nvidia: FakeNvidia
) -> None:
    nvidia.lists(card(0), card(1))
    root = workspace(max_parallel_runs=2)
    script(root, {"train": "polite"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("attempt_started", 2)
        assert devices(loop) == [card(0).uuid, card(1).uuid]
        eventually(lambda: [one["runs"] for one in heartbeat(loop)["devices"]] == [["R0001"], ["R0002"]])
        loop.kill()
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("run_adopted", 2)
        eventually(lambda: [one["runs"] for one in heartbeat(loop)["devices"]] == [["R0001"], ["R0002"]])
        loop.interrupt()
        assert loop.finish()[0] == 0


@pytest.mark.parametrize(
    ("settings", "own", "wanted"),
    [
        pytest.param({}, None, card(0).uuid, marks=pytest.mark.slow),
        ({"devices": [1]}, None, card(1).uuid),
        ({"devices": "none"}, None, None),
        pytest.param({"devices": []}, "1", "1", marks=pytest.mark.slow),
        ({}, "1", "1"),
    ],
)
def test_a_run_sees_the_device_of_its_slot(
    workspace: Make,
    clean_environ: Environ,
    nvidia: FakeNvidia,
    settings: dict[str, Any],
    own: str | None,
    wanted: str | None,
) -> None:
    nvidia.lists(card(0), card(1))
    if own is not None:
        clean_environ["CUDA_VISIBLE_DEVICES"] = own
    root = workspace(**settings)
    script(root, {"train": "environment"})
    with LoopProcess(root, clean_environ, "--cycles", "1") as loop:
        assert loop.finish()[0] == 0
    assert seen_by_runs(loop) == [wanted]


def test_a_broken_nvidia_smi_means_no_device_and_a_notice(
    workspace: Make, clean_environ: Environ, nvidia: FakeNvidia
) -> None:
    nvidia.will(exit=9, stderr="NVIDIA-SMI has failed")
    root = workspace()
    script(root, {"train": "environment"})
    with LoopProcess(root, clean_environ, "--cycles", "1") as loop:
        assert loop.finish()[0] == 0
    assert seen_by_runs(loop) == [None] and devices(loop) == [None]
    assert any("NVIDIA-SMI has failed" in event["text"] for event in loop.events("notice"))


@pytest.mark.slow
def test_a_second_run_waits_where_memory_would_not_hold_it_and_says_why(
    workspace: Make, clean_environ: Environ, nvidia: FakeNvidia
) -> None:
    nvidia.lists(card(0, memory_used_bytes=80 * GIB))
    root = workspace(max_parallel_runs=2)
    script(root, {"train": "polite"}, {"train": "good 0.5"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("run_staged", 2)
        eventually(lambda: "R0001 needs" in heartbeat(loop)["waiting_for"].get("R0002", ""))
        assert len(loop.events("attempt_intended")) == 1
        loop.paths.stop_current_run.write_text("R0001", encoding="utf-8")
        loop.wait_for("attempt_intended", 2)
        ended = next(event for event in loop.events() if event["event"] in ("attempt_ended", "run_ended"))
        assert ended["run_id"] == "R0001" and "device_peak_bytes" in ended
        loop.interrupt()
        assert loop.finish()[0] == 0


@pytest.mark.parametrize(
    ("words", "state", "cause", "value"),
    [
        pytest.param("2 100000", "completed", "nan", 0.5, id="the best before it counts, with its mark"),
        pytest.param("2 2 60", "completed", None, None, id="one that comes back goes on"),
        pytest.param("0 100000", "failed", "nan", None, id="never good"),
    ],
)
def test_a_loss_that_stays_nan_ends_the_run_and_one_that_comes_back_does_not(
    workspace: Make, clean_environ: Environ, words: str, state: str, cause: str | None, value: float | None
) -> None:
    root = workspace(stop_grace_seconds=5)
    trainer = (FAKES / "nan_trainer.py").as_posix()
    script(root, {"command": f'python "{trainer}" {words}', "run_label": "nan-now-and-then"})
    with LoopProcess(root, clean_environ, "--cycles", "1") as loop:
        assert loop.finish()[0] == 0
    (row,) = loop.history()
    assert (row["state"], row["cause"]) == (state, cause)
    if value is not None:
        assert (row["result"]["value"], row["result"]["stopped_early"]) == (value, True)
    assert (row["result"] is None) == (state == "failed")
