"""Who is asked next, when what the loop was told changes while somebody is being asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from llm_loop.agents.agent import CODEX, CallOutcome, read_outcome
from llm_loop.contract.call_report import FailureCause
from llm_loop.contract.observation import Role
from llm_loop.cycle.context import Context
from llm_loop.system.processes import EndCause, Ending
from tests.conftest import eventually
from tests.loop_process import LoopProcess, hold_an_answer, script, set_config

Make = Callable[..., Path]
Environ = dict[str, str]


def test_who_was_taken_out_of_the_configuration_is_not_asked_again(workspace: Make, clean_environ: Environ) -> None:
    """And what the planner decides in its place is not called the command's."""
    root = workspace()
    script(root, {"say": "no answer at all"})
    hold_an_answer(root, number=1)
    with LoopProcess(root, clean_environ) as loop:
        eventually(lambda: (root / "config" / "asked").exists())
        set_config(root, worker_command=None)
        loop.wait_for("config_changed")
        (root / "config" / "go").touch()
        loop.wait_for("call_intended", 2)
    assert [event["agent"] for event in loop.events("call_intended")][:2] == ["command", "builtin"]


def test_a_cycle_opened_for_codex_does_not_ask_it_once_nobody_is_logged_in(context: Context) -> None:
    assert context.codex.resting(Role.WORKER) is not None
    context.codex._ready = True
    assert context.codex.resting(Role.WORKER) is None
    context.codex._ready = False
    rest = context.codex.resting(Role.WORKER)
    assert rest is not None and not rest.is_short, "a free slot does not wait for a login"


def test_a_call_that_a_dead_daemon_never_began_is_no_failure_of_codex(tmp_path: Path) -> None:
    def cause(ended: EndCause) -> FailureCause:
        outcome: CallOutcome = read_outcome(CODEX, tmp_path, Ending(cause=ended))
        assert outcome.report is not None and outcome.report.failure is not None
        return outcome.report.failure.cause

    assert cause(EndCause.VOID) is FailureCause.STOPPED
    assert cause(EndCause.INTERRUPTED) is FailureCause.STOPPED
    assert cause(EndCause.LOST) is FailureCause.CRASHED


@pytest.mark.slow
def test_a_worker_that_stops_what_is_ending_already_is_not_asked_without_end(
    workspace: Callable[..., Path], clean_environ: dict[str, str]
) -> None:
    root = workspace(stop_grace_seconds=4)
    script(root, {"train": "stubborn"}, {"action": "stop_current_run"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("run_ended")
        asked = len(loop.events("call_intended"))
    assert asked <= 4, "one that stops it, one that stops it again, and then it waits for the ending"


@pytest.mark.slow
def test_a_slot_more_ends_a_wait(workspace: Callable[..., Path], clean_environ: dict[str, str]) -> None:
    root = workspace(daemon_poll_seconds=300)
    script(root, {"train": "polite"}, {"action": "wait"}, {"train": "polite"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("cycle")
        set_config(root, max_parallel_runs=2)
        loop.wait_for("attempt_started", 2)
