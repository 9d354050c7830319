"""After a failure only who or what failed is held back: the same experiment, and the agent whose runs keep failing.

A slot that has another decision never waits, nor does a person's run. A pause after a success, where one is set, holds
every launch. What rests of a pause at a restart is told by the history; that of a single experiment is forgotten then.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import takewhile

from llm_loop.contract.run import FAILED, PERSON, Run, RunState
from llm_loop.cycle.context import Context
from llm_loop.memory.history import HistoryRow
from llm_loop.system.clock import parse_utc, utc_text

HOLD = "pause_after_success"
FAILURES_BEFORE_A_PAUSE = 3
FAILURES_BEFORE_A_LONG_PAUSE = 5
_LAST_ROWS = 60


class FailurePauses:
    """Know what is held back, and until when (monotonic seconds)."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._agents: dict[str, tuple[float, str]] = {}
        self._experiments: dict[str, float] = {}
        self._quiet_until_s = 0.0

    def recover(self) -> None:
        """Take up the pauses that an earlier daemon began."""
        rows = self._context.memory.latest_rows(_LAST_ROWS)
        now_s = self._context.clock.monotonic()
        for agent in {_agent_in(row.proposer) for row in rows} - {PERSON}:
            failed = _failed_in_a_row(rows, agent)
            if len(failed) >= FAILURES_BEFORE_A_PAUSE:
                left_s = self._left_s(failed[0], self._pause_s(len(failed)))
                self._let_rest(agent, len(failed), left_s, now_s)
        completed = [row for row in rows if row.state == RunState.COMPLETED]
        if completed:
            pause_s = self._context.config.pause_after_success_seconds
            self._quiet_until_s = now_s + self._left_s(completed[-1], pause_s)

    def note(self, run: Run, now_s: float) -> None:
        """Take that a run is over. Raises FileWriteError."""
        agent = agent_of(run)
        if run.state is RunState.COMPLETED:
            self._agents.pop(agent, None)
            self._quiet_until_s = now_s + self._context.config.pause_after_success_seconds
        if not run.state.is_failure or agent == PERSON:
            return
        failures = len(_failed_in_a_row(self._context.memory.latest_rows(_LAST_ROWS), agent))
        pause_s = self._pause_s(failures)
        held = {key: until_s for key, until_s in self._experiments.items() if until_s > now_s}
        self._experiments = held | {run.experiment: now_s + pause_s}
        if failures >= FAILURES_BEFORE_A_PAUSE and pause_s > 0:
            self._context.ledger.record("held_after_failures", agent=agent, failures=failures, pause_s=pause_s)
            self._let_rest(agent, failures, pause_s, now_s)

    def tick(self, now_s: float) -> None:
        """Hold launches for as long as the pause after a success lasts."""
        if now_s < self._quiet_until_s:
            seconds = self._context.config.pause_after_success_seconds
            self._context.holds[HOLD] = f"a run has completed: nothing starts for {seconds:g} s (pause_after_success)"
        else:
            self._context.holds.pop(HOLD, None)

    def rests(self, agent: str, now_s: float) -> str | None:
        """Return why an agent is not asked at present, None when it may be."""
        until_s, why = self._agents.get(agent, (0.0, ""))
        return why if now_s < until_s else None

    def resting(self) -> dict[str, str]:
        """Return the agents that are not asked at present, and why, for people."""
        now_s = self._context.clock.monotonic()
        return {agent: why for agent in self._agents if (why := self.rests(agent, now_s)) is not None}

    def holds(self, run: Run, now_s: float) -> bool:
        """Tell whether the run is an experiment that has just failed."""
        return run.proposer != PERSON and not run.attempts and now_s < self._experiments.get(run.experiment, 0.0)

    def _let_rest(self, agent: str, failures: int, seconds: float, now_s: float) -> None:
        until = utc_text(self._context.clock.utc_now() + timedelta(seconds=seconds))
        why = f"the last {failures} runs of the agent {agent} failed: it is not asked until {until}"
        self._agents[agent] = (now_s + seconds, why)

    def _pause_s(self, failures: int) -> float:
        config = self._context.config
        is_long = failures >= FAILURES_BEFORE_A_LONG_PAUSE
        return config.pause_after_repeated_failures_seconds if is_long else config.pause_after_failure_seconds

    def _left_s(self, row: HistoryRow, pause_s: float) -> float:
        """Return what is left of a pause after a run, by the wall clock; never more than all of it."""
        since_s = (self._context.clock.utc_now() - parse_utc(row.ended_utc)).total_seconds()
        return min(pause_s, max(0.0, pause_s - since_s))


def agent_of(run: Run) -> str:
    """Return who made a run's decision, the role apart."""
    return _agent_in(run.proposer)


def _agent_in(proposer: str) -> str:
    return proposer.partition(" ")[0]


def _failed_in_a_row(rows: Sequence[HistoryRow], agent: str) -> list[HistoryRow]:
    """Return the agent's last runs in a row that failed, the latest first; one that was cancelled tells nothing."""
    own = [row for row in rows if _agent_in(row.proposer) == agent and row.state != RunState.CANCELLED]
    return list(takewhile(lambda row: row.state in FAILED, reversed(own)))
