"""The plan lane in a whole loop: slots do not starve, nobody is asked again and again for nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import eventually
from tests.loop_process import LoopProcess, script

Make = Callable[..., Path]
Environ = dict[str, str]


def ticks(loop: LoopProcess) -> int:
    beat: dict[str, Any] = json.loads(loop.paths.heartbeat.read_text(encoding="utf-8"))
    return int(beat["ticks"])


def after_ticks(loop: LoopProcess, count: int) -> None:
    """Wait until the daemon has looked around ``count`` times more."""
    wanted = eventually(lambda: ticks(loop)) + count
    eventually(lambda: ticks(loop) >= wanted)


def asked(loop: LoopProcess) -> int:
    return len(loop.events("call_intended"))


def test_a_free_slot_is_filled_where_what_is_staged_builds_on_a_running_run(
    workspace: Make, clean_environ: Environ
) -> None:
    root = workspace(max_parallel_runs=2)
    later = {"train": "good 0.4", "builds_on": ["R0001"]}
    script(root, {"train": "polite"}, later, later, {"train": "polite"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("attempt_started", 2)
        assert [event["run_id"] for event in loop.events("attempt_started")] == ["R0001", "R0004"]
        after_ticks(loop, 10)
        assert len(loop.events("run_staged")) <= 5, "and no more is planned than will be wanted"


@pytest.mark.slow
@pytest.mark.parametrize("idle", [{"action": "stop_current_run"}, {"action": "wait"}])
def test_a_worker_with_nothing_to_do_is_not_asked_at_once_again(
    workspace: Make, clean_environ: Environ, idle: dict[str, Any]
) -> None:
    root = workspace(daemon_poll_seconds=60)
    script(root, idle)
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("cycle")
        after_ticks(loop, 20)
        assert asked(loop) == 1


@pytest.mark.slow
def test_a_wait_beside_a_healthy_run_lasts_until_something_happens(workspace: Make, clean_environ: Environ) -> None:
    root = workspace(daemon_poll_seconds=5)
    script(root, {"train": "polite"}, {"action": "wait"}, {"train": "good 0.5"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("cycle")
        after_ticks(loop, 60)
        assert asked(loop) == 2
        loop.paths.stop_current_run.touch()
        loop.wait_for("run_staged", 2)


def test_a_run_without_a_result_is_nothing_to_build_on(workspace: Make, clean_environ: Environ) -> None:
    root = workspace(plan_ahead=False)
    script(root, {"train": "fail 1"}, {"train": "good 0.5", "builds_on": ["R0001"]}, {"train": "good 0.4"})
    with LoopProcess(root, clean_environ, "--cycles", "2") as loop:
        assert loop.finish()[0] == 0
    refused, accepted = (event["record"] for event in loop.events("proposal")[1:])
    assert "builds_on_unknown" in refused["quality_gate"]["issues"] and accepted["accepted"]
    assert [row["state"] for row in loop.history()] == ["needs_human", "completed"]
