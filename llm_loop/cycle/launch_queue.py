"""Which waiting run is launched next, and when: nothing stale, nothing while launches are held."""

from __future__ import annotations

from datetime import timedelta

from llm_loop.contract.run import PERSON, Run, RunState
from llm_loop.cycle.context import Context
from llm_loop.cycle.launching import Launching
from llm_loop.cycle.run_endings import RunEndings
from llm_loop.errors import FileWriteError
from llm_loop.memory.queue import held_runs
from llm_loop.stages.record import Outcome
from llm_loop.system.clock import utc_text

FAILURES_BEFORE_A_PAUSE = 3
FAILURES_BEFORE_A_LONG_PAUSE = 5
_RETRY_AFTER_WRITE_ERROR_S = 10.0


class LaunchQueue:
    """Give the free slots to the runs that wait, in the order of their making; resumed ones come first."""

    def __init__(self, context: Context, launching: Launching, endings: RunEndings) -> None:
        self._context, self._launching, self._endings = context, launching, endings
        self._hold_until_s = 0.0
        self._failures_until_s = 0.0

    def drop_stale(self) -> None:
        """Drop staged runs whose ground has gone: a run they build on failed, or the same was recorded since."""
        for run in self._context.ledger.state.in_state(RunState.STAGED):
            if (why := self._why_stale(run)) is not None:
                self._endings.end(run, Outcome(state=RunState.CANCELLED, cause=f"dropped: {why}"))

    def _why_stale(self, run: Run) -> str | None:
        state, memory = self._context.ledger.state, self._context.memory
        for base in run.builds_on:
            if base not in state.runs and not memory.has_result(base):
                return f"it builds on {base}, which has no result"
        same = any(key == run.experiment and seq > run.staged_seq for key, seq in state.recent_experiments)
        is_wanted = run.proposer == PERSON  # who wants a repeat knows why
        return "the same experiment was recorded meanwhile" if same and not is_wanted else None

    def hold_after_failures(self, now_s: float) -> None:
        """Hold launches for a while when nothing has completed for several runs: no night of mere failures."""
        context = self._context
        failures = context.memory.consecutive_failures()
        if failures < FAILURES_BEFORE_A_PAUSE:
            return
        long = failures >= FAILURES_BEFORE_A_LONG_PAUSE
        config = context.config
        pause_s = config.pause_after_repeated_failures_seconds if long else config.pause_after_failure_seconds
        self._failures_until_s = now_s + pause_s
        until_utc = utc_text(context.clock.utc_now() + timedelta(seconds=pause_s))
        context.holds["failures"] = f"the last {failures} runs failed: nothing new starts until {until_utc}"
        context.ledger.record("held_after_failures", failures=failures, pause_s=pause_s)

    def launch(self, now_s: float) -> None:
        """Give free slots to what waits for one, unless something holds launches."""
        context = self._context
        if now_s >= self._failures_until_s:
            context.holds.pop("failures", None)
        if context.holds or now_s < self._hold_until_s:
            return
        state = context.ledger.state
        free = context.config.max_parallel_runs - len(state.in_state(RunState.RUNNING))
        waiting = state.in_state(RunState.QUEUED) + (state.in_state(RunState.STAGED) if context.accepts_cycles else [])
        held = {run.run_id for run in held_runs(state.runs.values(), context.config.requires_approval)}
        ready = [run for run in waiting if run.run_id not in held and not set(run.builds_on) & state.runs.keys()]
        for run in ready[: max(0, free)]:
            place = context.devices.place(run, now_s)
            if place.waits_for is not None:
                return  # what comes after it waits too: else smaller runs would keep it waiting
            try:
                ending = self._launching.launch(run, place.device, now_s)
            except FileWriteError as error:
                self._hold_until_s = now_s + _RETRY_AFTER_WRITE_ERROR_S
                context.ledger.record("launch_failed", run_id=run.run_id, why=str(error))
                return
            run = context.ledger.state.runs[run.run_id]
            if isinstance(ending, Outcome):
                self._endings.end(run, ending)
            elif ending is not None:
                self._endings.conclude(run, ending)
