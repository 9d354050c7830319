"""Record endings: of an attempt, which may be followed by another one, and of a run."""

from __future__ import annotations

from llm_loop.contract.run import Run, RunState
from llm_loop.contract.stop_reasons import SHUTDOWN
from llm_loop.cycle.code_watch import END, CodeWatch
from llm_loop.cycle.context import Context
from llm_loop.cycle.run_records import evidence_of, history_row
from llm_loop.stages.record import Outcome, record
from llm_loop.system.clock import utc_text
from llm_loop.system.processes import EndCause, Ending

MAX_LOST_ATTEMPTS = 6
_ENDING_FIELDS = (
    "exit_code",
    "duration_s",
    "cpu_s",
    "peak_memory_bytes",
    "started_monotonic_s",
    "ended_monotonic_s",
)


class RunEndings:
    """Journal the endings of one workspace's runs."""

    def __init__(self, context: Context, code: CodeWatch) -> None:
        self._context, self._code = context, code

    def conclude(self, run: Run, ending: Ending) -> None:
        """Journal how the last attempt ended, and what comes of the run: its end, or another attempt."""
        context = self._context
        if run.last_attempt.cause is None:
            fields = {name: getattr(ending, name) for name in _ENDING_FIELDS}
            fields["slot"] = run.last_attempt.slot
            fields["device_peak_bytes"] = context.devices.device_peak_bytes(run.run_id)
            fields["ended_utc"] = ending.ended_utc or utc_text(context.clock.utc_now())
            fields |= {"attempt": run.last_attempt.number, "cause": ending.cause.value, "detail": ending.detail}
            context.ledger.record("attempt_ended", run_id=run.run_id, **fields)
        outcome = record(ending, run.stop_reason, evidence_of(self._context, run))
        run = context.ledger.state.runs[run.run_id]
        if not outcome.try_again:
            self._code.look(run, END)
        lost = sum(attempt.cause in (EndCause.LOST, EndCause.VOID) for attempt in run.attempts)
        if not outcome.try_again:
            self.end(run, outcome)
        elif lost >= MAX_LOST_ATTEMPTS:  # interrupted ones do not count: machines are switched off each evening
            self.end(run, Outcome(state=RunState.LOST, cause=outcome.cause, detail=f"{lost} attempts were lost"))
        else:
            waits = ending.cause is EndCause.INTERRUPTED or run.stop_reason == SHUTDOWN
            state = RunState.INTERRUPTED if waits else RunState.QUEUED
            context.ledger.record("run_moved", run_id=run.run_id, state=state.value, why=outcome.cause)

    def end(self, run: Run, outcome: Outcome) -> None:
        """Journal the end of a run, with its row for the history. Raises FileWriteError."""
        self._context.ledger.record(
            "run_ended",
            run_id=run.run_id,
            cycle=run.cycle,
            cycle_trace_id=run.cycle_trace_id,
            state=outcome.state.value,
            cause=outcome.cause,
            detail=outcome.detail,
            result=None if outcome.result is None else outcome.result.to_json(),
            metrics=outcome.metrics,
            bootstrap=run.label_decided == self._context.config.bootstrap_label,
            outcome=_outcome_text(outcome),
            row=history_row(self._context, run, outcome).to_json(),
        )


def _outcome_text(outcome: Outcome) -> str:
    if outcome.result is not None:
        return f"{outcome.state.value} {outcome.result.metric}={outcome.result.value:.6g}"
    return f"{outcome.state.value} ({outcome.cause})"
