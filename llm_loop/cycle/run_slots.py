"""The run slots: launch staged runs, watch them, record their endings, close their cycles.

As in the plan lane, what comes next follows from the state alone; each intent is journaled before its
act, so that after a crash nothing starts twice and no ending is lost.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from llm_loop.contract.run import PERSON, Approval, Attempt, Run, RunState
from llm_loop.contract.stop_reasons import PATTERN, STALL
from llm_loop.cycle.closing import close
from llm_loop.cycle.code_jobs import CodeJobs
from llm_loop.cycle.code_watch import LAUNCH, CodeWatch
from llm_loop.cycle.context import FAREWELL, Context
from llm_loop.cycle.failure_pauses import FailurePauses
from llm_loop.cycle.hazard_desk import HazardDesk
from llm_loop.cycle.launch_queue import LaunchQueue
from llm_loop.cycle.launching import Launching
from llm_loop.cycle.procedure.desk import RepairDesk
from llm_loop.cycle.procedure.validating import Validating
from llm_loop.cycle.run_endings import RunEndings
from llm_loop.cycle.run_records import evidence_of
from llm_loop.cycle.stop_requests import StopRequests
from llm_loop.cycle.waking import Wake, wakes_of
from llm_loop.errors import FileWriteError
from llm_loop.memory.folding import REPLACED
from llm_loop.memory.queue import approval_words, held_runs, is_withdrawn
from llm_loop.stages.hazards import hazard_of_run
from llm_loop.stages.launch import stderr_log, stdout_log
from llm_loop.stages.monitor import RunWatch
from llm_loop.stages.record import Outcome
from llm_loop.system import processes
from llm_loop.system.clock import parse_utc


class RunSlots:
    """Keep the slots busy with what is staged."""

    def __init__(self, context: Context, code_jobs: CodeJobs) -> None:
        self._context = context
        self._code = CodeWatch(context)
        self._endings = RunEndings(context, self._code)
        self.pauses = FailurePauses(context)
        launching = Launching(context, code_jobs, self._code)
        self._queue = LaunchQueue(context, launching, self._endings, self.pauses)
        self._stops = StopRequests(context)
        self._hazards = HazardDesk(context, self.request_stop)
        self._validating = Validating(context, self._endings)
        self._repairs = RepairDesk(context, self._endings, self._validating.is_at_work)
        self._watches: dict[str, RunWatch] = {}
        self._troubles: dict[str, str] = {}

    # ------------------------------------------------------------ once, at a start

    def recover(self) -> None:
        """Adopt or conclude what an earlier daemon left: nothing starts twice."""
        context = self._context
        self.pauses.recover()
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
        self._stops.tell()
        for run in self._context.ledger.state.in_state(RunState.RUNNING):
            try:
                ended |= self._watch(run, now_s)
            except (OSError, FileWriteError) as error:  # its folder is its own; the other runs go on
                self._say_once(run, error)
        ends = FAREWELL in self._context.holds
        ended |= self._repairs.tick(now_s, may_mend=not ends)
        if not ends:
            self._validating.tick(now_s)
        self.end_withdrawn()
        self._queue.drop_stale()
        return ended

    def end_withdrawn(self) -> None:
        """End the waiting runs that a person has cancelled or rejected, and close the cycles of all that ended."""
        for run in list(self._context.ledger.state.runs.values()):
            is_at_work = run.state in (RunState.RUNNING, RunState.REPAIRING)
            if is_withdrawn(run) and not is_at_work and not run.state.is_final:
                self._endings.end(run, Outcome(state=RunState.CANCELLED, cause=run.stop_reason))
        for run in list(self._context.ledger.state.runs.values()):
            if run.state.is_final:
                self.pauses.note(run, self._context.clock.monotonic())
                why = None if run.attempts else run.cause
                close(self._context, run=run, result=_closing_result(run), reason=why)

    def progress(self, now_s: float) -> dict[str, dict[str, Any]]:
        """Return what is known of the running attempts, by run id."""
        return {run_id: watch.progress.to_json(now_s) for run_id, watch in self._watches.items()}

    def waiting_for(self) -> dict[str, str]:
        """Return what the runs that are not launched yet wait for, by run id, where something keeps them."""
        context = self._context
        held = held_runs(context.ledger.state.runs.values(), context.config.requires_approval)
        word = {run.run_id: approval_words(run.run_id) for run in held if run.approval is Approval.WAITING}
        repairs = self._repairs.waiting_for()
        return {**context.devices.waiting_for, **self._validating.waiting_for(), **repairs, **word}

    def wakes(self, now_s: float) -> list[Wake]:
        """Return what the running runs give reason to ask the worker for."""
        stall = self._context.config.stall_seconds
        running = self._context.ledger.state.in_state(RunState.RUNNING)
        known = [(run, self._watches[run.run_id].progress) for run in running if run.run_id in self._watches]
        return [wake for run, progress in known for wake in wakes_of(run, progress, stall, now_s)]

    def drop_staged_run(self, run_id: str) -> None:
        """Close the cycle of one staged run as dropped: a woken worker has decided anew."""
        run = self._context.ledger.state.runs[run_id]
        self._endings.end(run, Outcome(state=RunState.CANCELLED, cause=REPLACED))

    def launch(self, now_s: float) -> None:
        """Give free slots to what waits for one, unless something holds launches."""
        self._queue.launch(now_s)

    def request_stop(self, run: Run, reason: str) -> None:
        """Ask a run to end politely, as ``StopRequests.request`` does."""
        self._stops.request(run, reason)

    def ask_withdrawn_to_end(self) -> None:
        """Ask the running runs that a person has cancelled to end; ``watch`` does that too. Raises FileWriteError."""
        self._stops.ask_withdrawn()

    def looks_at_code(self) -> bool:
        """Tell whether the code of a run is being looked at."""
        return self._code.is_busy

    def drop_staged(self, reason: str) -> None:
        """Close the cycles of all runs that wait for a slot as dropped, but those of a person: they wait on."""
        for run in self._context.ledger.state.in_state(RunState.STAGED, RunState.QUEUED):
            if run.proposer != PERSON:
                self._endings.end(run, Outcome(state=RunState.CANCELLED, cause=reason))

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
        ending = context.engine.poll(folder, now_s, attempt.tag)
        if ending is not None:
            if self._code.is_pending(run, now_s):
                return False  # a run shorter than the first look at its code: the row shall name the version
            self._endings.conclude(run, ending)
            self._watches.pop(run.run_id, None)
            self._troubles.pop(run.run_id, None)
            return True
        if run.stop_reason is not None:
            context.engine.request_stop(folder)
        if not watch.look_due.due(now_s):
            return False
        pattern = watch.look(now_s)
        if pattern is not None:
            self.request_stop(run, f"{PATTERN}{pattern}")
        stall = context.config.stall_seconds
        if stall is not None and now_s - watch.progress.last_output_s > stall:
            self.request_stop(run, STALL)
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


def _started(folder: Path) -> dict[str, Any] | None:
    try:
        return processes.read_started(folder)
    except OSError:  # the run has put something else there; its ending says so
        return None


def _closing_result(run: Run) -> str:
    return "run_command" if run.attempts else "dropped"
