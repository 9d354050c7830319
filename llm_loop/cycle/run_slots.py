"""The run slots: launch staged runs, watch them, record their endings, close their cycles.

As in the plan lane, what comes next follows from the state alone; each intent is journaled before its
act, so that after a crash nothing starts twice and no ending is lost.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from llm_loop.contract.run import PERSON, Approval, Attempt, Run, RunState
from llm_loop.cycle.closing import close
from llm_loop.cycle.code_jobs import CodeJobs
from llm_loop.cycle.code_watch import END, LAUNCH, CodeWatch
from llm_loop.cycle.context import Context
from llm_loop.cycle.hazard_desk import HazardDesk
from llm_loop.cycle.launching import Launching
from llm_loop.cycle.run_records import evidence_of, history_row
from llm_loop.cycle.waking import Wake, wakes_of
from llm_loop.errors import FileWriteError
from llm_loop.memory.folding import REPLACED
from llm_loop.memory.queue import approval_words, held_runs, is_withdrawn
from llm_loop.runs.local import STOP_FILE
from llm_loop.stages.hazards import hazard_of_run
from llm_loop.stages.launch import stderr_log, stdout_log
from llm_loop.stages.monitor import RunWatch
from llm_loop.stages.record import SHUTDOWN, Outcome, record
from llm_loop.system import processes
from llm_loop.system.clock import parse_utc, utc_text
from llm_loop.system.processes import EndCause, Ending

MAX_LOST_ATTEMPTS = 6
FAILURES_BEFORE_A_PAUSE = 3
FAILURES_BEFORE_A_LONG_PAUSE = 5
_RETRY_AFTER_WRITE_ERROR_S = 10.0
_ENDING_FIELDS = (
    "exit_code",
    "duration_s",
    "cpu_s",
    "peak_memory_bytes",
    "started_monotonic_s",
    "ended_monotonic_s",
)


class RunSlots:
    """Keep the slots busy with what is staged."""

    def __init__(self, context: Context, code_jobs: CodeJobs) -> None:
        self._context = context
        self._code = CodeWatch(context)
        self._launching = Launching(context, code_jobs, self._code)
        self._hazards = HazardDesk(context, self.request_stop)
        self._watches: dict[str, RunWatch] = {}
        self._troubles: dict[str, str] = {}
        self._untold_stops: dict[str, str] = {}
        self._hold_until_s = 0.0
        self._failures_until_s = 0.0

    # ------------------------------------------------------------ once, at a start

    def recover(self) -> None:
        """Adopt or conclude what an earlier daemon left: nothing starts twice."""
        context = self._context
        for run in context.ledger.state.in_state(RunState.RUNNING):
            attempt = run.last_attempt
            ending = context.engine.recover(context.paths.attempt(run.run_id, attempt.number), attempt.tag)
            if ending is None:
                context.ledger.record("run_adopted", run_id=run.run_id, attempt=attempt.number)
            if run.code.version is None:  # the daemon ended between the launch and its look at the code
                self._code.look(run, LAUNCH)
        self._code.recover()
        for run in context.ledger.state.in_state(RunState.INTERRUPTED):
            context.ledger.record("run_moved", run_id=run.run_id, state=RunState.QUEUED.value, why="resumed at start")

    # ------------------------------------------------------------ at each tick

    def watch(self, now_s: float) -> bool:
        """Look at what runs, close the cycles of what ended, drop what is stale; tell whether a run ended."""
        ended = False
        self._code.tick(now_s)
        self._hazards.tick(now_s)
        self._tell_stops()
        for run in self._context.ledger.state.in_state(RunState.RUNNING):
            try:
                ended |= self._watch(run, now_s)
            except (OSError, FileWriteError) as error:  # its folder is its own; the other runs go on
                self._say_once(run, error)
        failed = [run for run in self._context.ledger.state.in_state(RunState.FAILED) if run.attempts]
        self.end_withdrawn()
        for _ in failed:
            self._hold_after_failures(now_s)
        self._drop_stale()
        return ended

    def end_withdrawn(self) -> None:
        """End the waiting runs that a person has cancelled or rejected, and close the cycles of all that ended."""
        for run in list(self._context.ledger.state.runs.values()):
            if is_withdrawn(run) and run.state is not RunState.RUNNING and not run.state.is_final:
                self._end(run, Outcome(state=RunState.CANCELLED, cause=run.stop_reason))
        for run in list(self._context.ledger.state.runs.values()):
            if run.state.is_final:
                why = None if run.attempts else run.cause
                close(self._context, run=run, result=_closing_result(run), reason=why)

    def ask_withdrawn_to_end(self) -> None:
        """Ask the running runs that a person has cancelled to end; ``watch`` does that too. Raises FileWriteError."""
        for run in self._context.ledger.state.in_state(RunState.RUNNING):
            if is_withdrawn(run):
                self._context.engine.request_stop(self._context.paths.attempt(run.run_id, run.last_attempt.number))

    def progress(self, now_s: float) -> dict[str, dict[str, Any]]:
        """Return what is known of the running attempts, by run id."""
        return {run_id: watch.progress.to_json(now_s) for run_id, watch in self._watches.items()}

    def waiting_for(self) -> dict[str, str]:
        """Return what the runs that are not launched yet wait for, by run id, where something keeps them."""
        context = self._context
        held = held_runs(context.ledger.state.runs.values(), context.config.requires_approval)
        word = {run.run_id: approval_words(run.run_id) for run in held if run.approval is Approval.WAITING}
        return {**context.devices.waiting_for, **word}

    def wakes(self, now_s: float) -> list[Wake]:
        """Return what the running runs give reason to ask the worker for."""
        stall = self._context.config.stall_seconds
        running = self._context.ledger.state.in_state(RunState.RUNNING)
        known = [(run, self._watches[run.run_id].progress) for run in running if run.run_id in self._watches]
        return [wake for run, progress in known for wake in wakes_of(run, progress, stall, now_s)]

    def drop_staged_run(self, run_id: str) -> None:
        """Close the cycle of one staged run as dropped: a woken worker has decided anew."""
        run = self._context.ledger.state.runs[run_id]
        self._end(run, Outcome(state=RunState.CANCELLED, cause=REPLACED))

    def looks_at_code(self) -> bool:
        """Tell whether the code of a run is being looked at."""
        return self._code.is_busy

    def request_stop(self, run: Run, reason: str) -> None:
        """Ask a run to end politely; the request is journaled first and repeated until it lies there.

        Where the journal refuses, on a full disk, the run is asked all the same, and the reason journaled later. Not
        so when the machine shuts down: such a run is resumed, and without its reason it would count as cancelled.
        """
        if run.stop_reason is not None or run.run_id in self._untold_stops:
            return
        try:
            self._context.ledger.record("stop_requested", run_id=run.run_id, reason=reason)
        except FileWriteError:
            if reason == SHUTDOWN:
                raise
            self._context.engine.request_stop(self._context.paths.attempt(run.run_id, run.last_attempt.number))
            self._untold_stops[run.run_id] = reason

    def _tell_stops(self) -> None:
        """Journal why runs were asked to end while the journal could not be written. Raises FileWriteError."""
        for run_id, reason in list(self._untold_stops.items()):
            run = self._context.ledger.state.runs.get(run_id)
            if run is not None and run.state is RunState.RUNNING and run.stop_reason is None:
                self._context.ledger.record("stop_requested", run_id=run_id, reason=reason)
            del self._untold_stops[run_id]

    def drop_staged(self, reason: str) -> None:
        """Close the cycles of all runs that wait for a slot as dropped, but those of a person: they wait on."""
        for run in self._context.ledger.state.in_state(RunState.STAGED, RunState.QUEUED):
            if run.proposer != PERSON:
                self._end(run, Outcome(state=RunState.CANCELLED, cause=reason))

    # ------------------------------------------------------------ watching

    def _say_once(self, run: Run, error: Exception) -> None:
        if self._troubles.get(run.run_id) != str(error):
            with suppress(FileWriteError):
                self._context.ledger.record("error", run_id=run.run_id, why=f"{run.run_id}: {error}", trace=None)
                self._troubles[run.run_id] = str(error)

    def _watch(self, run: Run, now_s: float) -> bool:
        context = self._context
        attempt = run.last_attempt
        folder = context.paths.attempt(run.run_id, attempt.number)
        watch = self._watches.get(run.run_id) or self._start_watch(run, now_s)
        if attempt.pid is None and (started := _started(folder)) is not None:
            fields = {"run_id": run.run_id, "pid": started["pid"], "started_utc": started["started_utc"]}
            context.ledger.record("attempt_started", **fields)
        if run.stop_reason is not None and not (folder / STOP_FILE).exists():
            context.engine.request_stop(folder)
        ending = context.engine.poll(folder, now_s, attempt.tag)
        if ending is not None:
            if self._code.is_pending(run, now_s):
                return False  # a run shorter than the first look at its code: the row shall name the version
            self._conclude(run, ending)
            return True
        if not watch.look_due.due(now_s):
            return False
        pattern = watch.look(now_s)
        if pattern is not None:
            self.request_stop(run, f"pattern:{pattern}")
        stall = context.config.stall_seconds
        if stall is not None and now_s - watch.progress.last_output_s > stall:
            self.request_stop(run, "stall")
        if (cause := hazard_of_run(watch.progress.not_finite_rows, watch.progress.exploded_rows)) is not None:
            self.request_stop(run, cause)
        return False

    def _start_watch(self, run: Run, now_s: float) -> RunWatch:
        config, paths, attempt = self._context.config, self._context.paths, run.last_attempt
        watch = RunWatch(
            folder=paths.attempt(run.run_id, attempt.number),
            stdout=stdout_log(paths, attempt),
            stderr=stderr_log(paths, attempt),
            stop_patterns=tuple(run.decision["stop_patterns"]),
            metric=config.selection_metric,
            direction=config.selection_direction.value,
            metrics_json=evidence_of(self._context, run).metrics_json,
            now_s=now_s,
            age_s=self._age_s(attempt),
        )
        self._watches[run.run_id] = watch
        return watch

    def _age_s(self, attempt: Attempt) -> float:
        """Return for how long an attempt has run: an adopted one began before this daemon, by the wall clock."""
        try:
            began = parse_utc(attempt.started_utc or "")
        except ValueError:  # not known yet, or the run has written something else there
            return 0.0
        return max(0.0, (self._context.clock.utc_now() - began).total_seconds())

    def _conclude(self, run: Run, ending: Ending) -> None:
        context = self._context
        if run.last_attempt.cause is None:
            fields = {name: getattr(ending, name) for name in _ENDING_FIELDS}
            fields["slot"] = run.last_attempt.slot
            fields["device_peak_bytes"] = context.devices.device_peak_bytes(run.run_id)
            fields["ended_utc"] = ending.ended_utc or utc_text(context.clock.utc_now())
            fields |= {"attempt": run.last_attempt.number, "cause": ending.cause.value, "detail": ending.detail}
            context.ledger.record("attempt_ended", run_id=run.run_id, **fields)
        outcome = record(ending, run.stop_reason, evidence_of(self._context, run))
        self._watches.pop(run.run_id, None)
        self._troubles.pop(run.run_id, None)
        run = context.ledger.state.runs[run.run_id]
        if not outcome.try_again:
            self._code.look(run, END)
        lost = sum(attempt.cause in (EndCause.LOST, EndCause.VOID) for attempt in run.attempts)
        if not outcome.try_again:
            self._end(run, outcome)
        elif lost >= MAX_LOST_ATTEMPTS:  # interrupted ones do not count: machines are switched off each evening
            self._end(run, Outcome(state=RunState.LOST, cause=outcome.cause, detail=f"{lost} attempts were lost"))
        else:
            waits = ending.cause is EndCause.INTERRUPTED or run.stop_reason == SHUTDOWN
            state = RunState.INTERRUPTED if waits else RunState.QUEUED
            context.ledger.record("run_moved", run_id=run.run_id, state=state.value, why=outcome.cause)

    def _end(self, run: Run, outcome: Outcome) -> None:
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

    # ------------------------------------------------------------ launching

    def _drop_stale(self) -> None:
        """Drop staged runs whose ground has gone: a run they build on failed, or the same was recorded since."""
        context = self._context
        state = context.ledger.state
        for run in state.in_state(RunState.STAGED):
            broken = [
                base
                for base in dict.fromkeys(run.builds_on)
                if base not in state.runs and not context.memory.has_result(base)
            ]
            same = any(key == run.experiment and seq > run.staged_seq for key, seq in state.recent_experiments)
            if broken:
                self._end(
                    run,
                    Outcome(state=RunState.CANCELLED, cause=f"dropped: it builds on {broken[0]}, which has no result"),
                )
            elif same:
                self._end(
                    run, Outcome(state=RunState.CANCELLED, cause="dropped: the same experiment was recorded meanwhile")
                )

    def _hold_after_failures(self, now_s: float) -> None:
        """Hold launches for a while when nothing has completed for several runs: no night of mere failures."""
        context = self._context
        failures = context.memory.consecutive_failures()
        if failures < FAILURES_BEFORE_A_PAUSE:
            return
        long = failures >= FAILURES_BEFORE_A_LONG_PAUSE
        config = context.config
        pause_s = config.pause_after_repeated_failures_seconds if long else config.pause_after_failure_seconds
        self._failures_until_s = now_s + pause_s
        context.holds["failures"] = f"the last {failures} runs failed: the next launch comes in {pause_s:g} s"
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
                self._end(run, ending)
            elif ending is not None:
                self._conclude(run, ending)


def _started(folder: Path) -> dict[str, Any] | None:
    try:
        return processes.read_started(folder)
    except OSError:  # the run has put something else there; its ending says so
        return None


def _closing_result(run: Run) -> str:
    return "run_command" if run.attempts else "dropped"


def _outcome_text(outcome: Outcome) -> str:
    if outcome.result is not None:
        return f"{outcome.state.value} {outcome.result.metric}={outcome.result.value:.6g}"
    return f"{outcome.state.value} ({outcome.cause})"
