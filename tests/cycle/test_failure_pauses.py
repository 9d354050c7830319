"""What keeps failing is held back for a while, and nothing else is: not across agents, people or restarts."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llm_loop.agents.agent import BUILTIN, CODEX, COMMAND
from llm_loop.contract.diagnosis import Cause
from llm_loop.contract.observation import Role
from llm_loop.contract.run import Run, RunState
from llm_loop.cycle.code_jobs import CodeJobs
from llm_loop.cycle.failure_pauses import HOLD, FailurePauses
from llm_loop.cycle.judging import Judge
from llm_loop.cycle.plan_lane import PlanLane
from llm_loop.cycle.run_slots import RunSlots
from llm_loop.stages.record import Outcome
from tests.conftest import TestClock
from tests.cycle.procedure.bench import Bench

S = RunState


class Night(Bench):
    """Let runs end one after the other, at times that move when told."""

    def __init__(self, root: Path, clock: TestClock, **settings: Any) -> None:
        super().__init__(root, clock, **settings)
        self.time = clock
        self.pauses = FailurePauses(self.context)
        self._numbers = itertools.count(1)

    @property
    def now_s(self) -> float:
        return self.time.monotonic()

    def ends(self, *states: RunState, proposer: str = "command", experiment: str | None = None) -> Run:
        """Let a run of each state end; return the last one."""
        for state in states:
            run_id = f"R{next(self._numbers):04d}"
            self.stage(run_id, proposer=proposer, experiment=experiment or f"key-{run_id}")
            self.attempt_fails(run_id)
            self.endings.end(self.run(run_id), Outcome(state=state, cause="told"))
            self.pauses.note(self.run(run_id), self.now_s)
        return self.run(run_id)

    def rests(self, agent: str = "command") -> bool:
        return self.pauses.rests(agent, self.now_s) is not None

    def rest_s(self, agent: str = "command") -> float:
        """Return for how long an agent rests, to the second; the clock is there then."""
        began = self.now_s
        while self.rests(agent):
            self.time.advance(1)
        return self.now_s - began

    def restart(self) -> None:
        self.open()
        self.pauses = FailurePauses(self.context)
        self.pauses.recover()


@pytest.fixture
def start(tmp_path: Path, clock: TestClock) -> Iterator[Callable[..., Night]]:
    made: list[Night] = []

    def make(**settings: Any) -> Night:
        made.append(Night(tmp_path / f"w{len(made)}", clock, **settings))
        return made[-1]

    yield make
    for night in made:
        night.close()


def test_the_third_failure_in_a_row_is_one_too_many(start: Callable[..., Night]) -> None:
    night = start()
    night.ends(S.FAILED, S.NEEDS_HUMAN)
    assert not night.rests()
    night.ends(S.LOST)
    why = night.pauses.rests("command", night.now_s)
    assert why is not None and "the last 3 runs of the agent command failed" in why and "22:00:30" in why
    assert night.pauses.resting() == {"command": why}
    assert night.rest_s() == 30 and night.pauses.resting() == {}
    night.ends(S.FAILED)
    assert night.rest_s() == 30
    night.ends(S.FAILED)
    assert night.rest_s() == 300
    held = [(event["agent"], event["failures"], event["pause_s"]) for event in night.events("held_after_failures")]
    assert held == [("command", 3, 30), ("command", 4, 30), ("command", 5, 300)]


def test_runs_that_never_start_fail_too(start: Callable[..., Night]) -> None:
    """Else who decides the same nonsense again and again would be paid for each."""
    night = start()
    for run_id in ("R0001", "R0002", "R0003"):
        night.stage(run_id)
        night.is_diagnosed(Cause.PROGRAM_MISSING, run_id)
        night.until("run_ended", count=int(run_id[-1]))
        assert night.run(run_id).state is S.NEEDS_HUMAN
        night.pauses.note(night.run(run_id), night.now_s)
    assert night.rests()


def test_the_pauses_of_the_configuration_count(start: Callable[..., Night]) -> None:
    night = start(pause_after_failure_seconds=3, pause_after_repeated_failures_seconds=7)
    night.ends(S.FAILED, S.FAILED, S.FAILED)
    assert night.rest_s() == 3
    night.ends(S.FAILED, S.FAILED)
    assert night.rest_s() == 7
    night.set_config(pause_after_failure_seconds=0, pause_after_repeated_failures_seconds=0)
    night.ends(S.FAILED)
    assert not night.rests() and len(night.events("held_after_failures")) == 3


def test_each_agent_fails_for_itself(start: Callable[..., Night]) -> None:
    night = start()
    for _ in range(3):
        night.ends(S.FAILED, proposer="codex worker")
        night.ends(S.COMPLETED, proposer="builtin")
    assert night.rests("codex") and not night.rests("builtin") and not night.rests("command")


def test_a_run_that_was_cancelled_or_dropped_breaks_no_row(start: Callable[..., Night]) -> None:
    night = start()
    night.ends(S.FAILED, S.CANCELLED, S.FAILED, S.CANCELLED, S.FAILED)
    assert night.rests()


def test_one_that_completes_ends_the_row_and_the_rest(start: Callable[..., Night]) -> None:
    night = start()
    night.ends(S.FAILED, S.FAILED, S.COMPLETED, S.FAILED, S.FAILED)
    assert not night.rests()
    night.ends(S.FAILED)
    assert night.rests()
    night.ends(S.COMPLETED)
    assert not night.rests(), "a run in another slot was well all the while"


def test_the_same_experiment_is_held_after_one_failure_and_no_other(start: Callable[..., Night]) -> None:
    night = start()
    night.ends(S.FAILED, experiment="the same")
    same = night.stage("R0050", experiment="the same")
    other = night.stage("R0051", experiment="another")
    person = night.stage("R0052", experiment="the same", proposer="person")
    assert [night.pauses.holds(run, night.now_s) for run in (same, other, person)] == [True, False, False]
    night.attempt_fails("R0050")
    assert not night.pauses.holds(night.run("R0050"), night.now_s), "one that has begun is not held up by another"
    night.time.advance(30)
    assert not night.pauses.holds(same, night.now_s)


def test_a_person_is_never_held_back(start: Callable[..., Night]) -> None:
    night = start()
    night.ends(*[S.FAILED] * 6, proposer="person")
    assert not night.pauses.resting() and not night.events("held_after_failures")
    night.restart()
    assert not night.pauses.resting()


def test_a_restart_changes_nothing(start: Callable[..., Night]) -> None:
    night = start()
    night.ends(*[S.FAILED] * 5)
    night.time.advance(100)
    night.restart()
    assert night.rest_s() == 200 and len(night.events("held_after_failures")) == 3
    night.restart()
    assert not night.rests()


def test_a_clock_that_was_set_back_lets_nobody_rest_for_longer(start: Callable[..., Night]) -> None:
    night = start()
    night.ends(*[S.FAILED] * 3)
    night.time.jump_wall_clock(-86_400)
    night.restart()
    assert night.rest_s() == 30


def test_nothing_starts_for_a_while_after_a_success_where_that_is_wanted(start: Callable[..., Night]) -> None:
    night = start(pause_after_success_seconds=20)
    night.ends(S.FAILED)
    night.pauses.tick(night.now_s)
    assert not night.context.holds
    night.ends(S.COMPLETED)
    night.pauses.tick(night.now_s)
    assert list(night.context.holds) == [HOLD]
    night.time.advance(5)
    night.restart()
    night.pauses.tick(night.now_s)
    assert list(night.context.holds) == [HOLD]
    night.time.advance(15)
    night.pauses.tick(night.now_s)
    assert not night.context.holds


def test_nothing_waits_after_a_success_as_shipped(start: Callable[..., Night]) -> None:
    night = start()
    night.ends(S.COMPLETED)
    night.pauses.tick(night.now_s)
    assert not night.context.holds


def test_the_planner_decides_while_the_worker_rests_and_nobody_while_both_do(start: Callable[..., Night]) -> None:
    night = start()
    code_jobs = CodeJobs(night.context)
    slots = RunSlots(night.context, code_jobs)
    night.pauses = slots.pauses
    lane = PlanLane(night.context, code_jobs, Judge(night.context), slots)
    assert lane._agent_to_ask(night.now_s) == COMMAND
    night.ends(*[S.FAILED] * 3)
    assert lane._agent_to_ask(night.now_s) == BUILTIN
    night.ends(*[S.FAILED] * 3, proposer="builtin")
    assert lane._agent_to_ask(night.now_s) is None
    night.context.config = replace(night.context.config, worker_command=None, max_calls_per_night=0)
    night.context.codex._ready = True
    assert night.context.first_agent(Role.WORKER) == CODEX
    assert lane._agent_to_ask(night.now_s) is None, "nor does the planner stand in for one who is out"
    night.time.advance(31)
    assert lane._agent_to_ask(night.now_s) == BUILTIN
