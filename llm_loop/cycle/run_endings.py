"""Record endings: of an attempt, which may be followed by a repair or by another attempt, and of a run."""

from __future__ import annotations

from llm_loop.contract.diagnosis import Cause, Diagnosis
from llm_loop.contract.mend import Phase
from llm_loop.contract.run import Run, RunState
from llm_loop.contract.stop_reasons import SHUTDOWN
from llm_loop.cycle.code_watch import END, CodeWatch
from llm_loop.cycle.context import Context
from llm_loop.cycle.procedure.facts import failure_evidence
from llm_loop.cycle.run_records import evidence_of, history_row
from llm_loop.stages.diagnose import diagnose
from llm_loop.stages.record import Outcome, record
from llm_loop.stages.repair import LEAST_CONFIDENCE
from llm_loop.system.clock import utc_text
from llm_loop.system.processes import EndCause, Ending

MAX_LOST_ATTEMPTS = 6
NOT_INSTALLED = "packages_not_installed"
_OF_THE_DRIVE = frozenset(
    {Cause.DISK_FULL, Cause.PERMISSION, Cause.CHECKPOINT, Cause.NO_RESULT, Cause.CRASHED, Cause.UNKNOWN}
)
"""What a training may seem to end with that cannot write."""
_BROKE = (EndCause.EXITED, EndCause.SIGNALLED, EndCause.KEEPER_ERROR)
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
        lost = sum(attempt.cause in (EndCause.LOST, EndCause.VOID) for attempt in run.attempts)
        if outcome.state is RunState.FAILED:
            self._follow_up(run, ending, outcome)
        elif not outcome.try_again:
            self.end(run, outcome)
        elif lost >= MAX_LOST_ATTEMPTS:  # interrupted ones do not count: machines are switched off each evening
            self.end(run, Outcome(state=RunState.LOST, cause=outcome.cause, detail=f"{lost} attempts were lost"))
        else:
            waits = ending.cause is EndCause.INTERRUPTED or run.stop_reason == SHUTDOWN
            state = RunState.INTERRUPTED if waits else RunState.QUEUED
            context.ledger.record("run_moved", run_id=run.run_id, state=state.value, why=outcome.cause)

    def _follow_up(self, run: Run, ending: Ending, outcome: Outcome) -> None:
        """Journal why an attempt failed; what is done about it is decided next.

        An interrupt is no failure, unless the loop itself has asked the run to end; nor is a drive that cannot be
        written.
        """
        began_s = self._context.clock.monotonic()
        diagnosis = diagnose(failure_evidence(self._context, run, ending, outcome))
        if (why := self._why_relaunched(run, ending, diagnosis)) is not None:
            self._context.ledger.record("run_moved", run_id=run.run_id, state=RunState.QUEUED.value, why=why)
            return
        is_told = _says_nothing(outcome.cause) and diagnosis.confidence >= LEAST_CONFIDENCE
        self._context.ledger.record(
            "diagnosed",
            run_id=run.run_id,
            phase=Phase.EXECUTION.value,
            cause=diagnosis.cause.value if is_told else outcome.cause,
            detail=outcome.detail,
            diagnosis=diagnosis.to_json(),
            seconds=round(self._context.clock.monotonic() - began_s, 4),
        )

    def _why_relaunched(self, run: Run, ending: Ending, diagnosis: Diagnosis) -> str | None:
        """Return why the same is launched once more, None where it is not: one that fills the disk not for ever."""
        if run.stop_reason is not None or not self._context.config.auto_repair_enabled:
            return None
        if diagnosis.cause is Cause.INTERRUPT and diagnosis.confidence >= LEAST_CONFIDENCE:
            return "interrupt" if len(run.attempts) < MAX_LOST_ATTEMPTS else None
        broke = sum(attempt.cause in _BROKE for attempt in run.attempts)
        is_of_drive = ending.drive_refused is not None and diagnosis.cause in _OF_THE_DRIVE
        return "nothing could be written" if is_of_drive and broke < MAX_LOST_ATTEMPTS else None

    def end(self, run: Run, outcome: Outcome) -> None:
        """Journal the end of a run, with its row for the history. Raises FileWriteError.

        One that fails does not end before what was installed for it is taken back.
        """
        if outcome.state is RunState.FAILED and run.procedure.installs and run.state is not RunState.REPAIRING:
            told = {"cause": outcome.cause, "detail": outcome.detail}
            records = list(run.procedure.installs)[::-1]
            self._context.ledger.record("undo_intended", run_id=run.run_id, records=records, **told)
            return
        if run.state in (RunState.RUNNING, RunState.REPAIRING) and run.attempts:
            self._code.look(run, END)
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


def _says_nothing(cause: str | None) -> bool:
    """Tell whether a cause is only the way in which a program ended."""
    return cause == "signalled" or (cause or "").startswith("exit_code_")


def _outcome_text(outcome: Outcome) -> str:
    if outcome.result is not None:
        return f"{outcome.state.value} {outcome.result.metric}={outcome.result.value:.6g}"
    return f"{outcome.state.value} ({outcome.cause})"
