"""Which waiting run is launched next, and when: nothing stale, nothing while launches are held."""

from __future__ import annotations

from llm_loop.contract.run import PERSON, Run, RunState
from llm_loop.cycle.context import Context
from llm_loop.cycle.failure_pauses import FailurePauses
from llm_loop.cycle.launching import Launching
from llm_loop.cycle.run_endings import RunEndings
from llm_loop.errors import FileWriteError
from llm_loop.memory.finish_up import TOO_LATE
from llm_loop.memory.queue import held_runs
from llm_loop.repairs.in_use import OthersChange
from llm_loop.stages.launch import training_python
from llm_loop.stages.record import Outcome

_RETRY_AFTER_WRITE_ERROR_S = 10.0
_LEAST_SHARE_OF_TIME = 0.6
"""A final round is planned to take three quarters of the time that it is given; some of it goes for its start."""


class LaunchQueue:
    """Give the free slots to the runs that wait: first those that were begun already, then in the order of making."""

    def __init__(self, context: Context, launching: Launching, endings: RunEndings, pauses: FailurePauses) -> None:
        self._context, self._launching, self._endings, self._pauses = context, launching, endings, pauses
        self._others, self._hold_until_s = OthersChange(), 0.0

    def drop_stale(self) -> None:
        """Drop staged runs whose ground has gone: a run they build on failed, or the same was recorded since."""
        for run in self._context.ledger.state.in_state(RunState.STAGED):
            if self._is_too_late(run):
                self._endings.end(run, Outcome(state=RunState.CANCELLED, cause=TOO_LATE))
            elif (why := self._why_stale(run)) is not None:
                self._endings.end(run, Outcome(state=RunState.CANCELLED, cause=f"dropped: {why}"))

    def _is_too_late(self, run: Run) -> bool:
        """Tell whether a final round has waited away the time that it was planned for: it could not end any more."""
        planned_s = (self._context.ledger.state.finish_up.planned_s or {}).get(run.run_id)
        left_s = self._context.last_hour.training_s
        return planned_s is not None and left_s is not None and left_s < _LEAST_SHARE_OF_TIME * planned_s

    def _why_stale(self, run: Run) -> str | None:
        state, memory = self._context.ledger.state, self._context.memory
        for base in run.builds_on:
            if base not in state.runs and not memory.has_result(base):
                return f"it builds on {base}, which has no result"
        same = any(key == run.experiment and seq > run.staged_seq for key, seq in state.recent_experiments)
        is_wanted = run.proposer == PERSON or run.run_id in state.finish_up.rounds_begun  # who wants a repeat knows why
        return "the same experiment was recorded meanwhile" if same and not is_wanted else None

    def launch(self, now_s: float) -> None:
        """Give free slots to what waits for one, unless something holds launches."""
        context = self._context
        self._pauses.tick(now_s)
        if context.holds or now_s < self._hold_until_s:
            return
        state = context.ledger.state
        free = context.config.max_parallel_runs - len(state.in_state(RunState.RUNNING))
        waiting = state.in_state(RunState.QUEUED) + (state.in_state(RunState.STAGED) if context.accepts_cycles else [])
        held = {run.run_id for run in held_runs(state.runs.values(), context.config.requires_approval)}
        if context.last_hour.is_search_over:  # whatever else waits, waits until the finish-up is taken back
            waiting = [run for run in waiting if run.run_id in state.finish_up.rounds_begun]
        waiting = [run for run in waiting if run.run_id not in held and not set(run.builds_on) & state.runs.keys()]
        ready = [run for run in waiting if run.procedure.is_checked and not self._pauses.holds(run, now_s)]
        if not ready or free <= 0 or self._others.is_at_work(training_python(context.config), now_s):
            return
        for run in ready[:free]:
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
