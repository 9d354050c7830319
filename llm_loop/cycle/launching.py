"""Launch one run: its next attempt, in the folder where its code lies, everything written down before it starts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from llm_loop.contract.run import Attempt, Run, RunState
from llm_loop.cycle.code_jobs import CodeJobs
from llm_loop.cycle.code_watch import LAUNCH, CodeWatch
from llm_loop.cycle.context import Context
from llm_loop.cycle.run_records import foreign_metrics
from llm_loop.errors import CommandError, FileWriteError
from llm_loop.runs.local import Launch
from llm_loop.stages.launch import launch_of, next_attempt, stdout_log
from llm_loop.stages.record import FOREIGN_MARK, Outcome
from llm_loop.system import files
from llm_loop.system.processes import EndCause, Ending
from llm_loop.versions.linking import lead_outputs
from llm_loop.versions.refusal import CodeRefused

CODE_CHANGED = "code_changed"


class Launching:
    """Launch runs one at a time."""

    def __init__(self, context: Context, code_jobs: CodeJobs, code: CodeWatch) -> None:
        self._context = context
        self._code_jobs = code_jobs
        self._code = code

    def launch(self, run: Run, device: str | None, now_s: float) -> Ending | Outcome | None:
        """Launch the run's next attempt on a device, None for none in particular.

        Returns how the attempt ended when it could not even start, what became of the run when its code is gone, and
        None when it was started or has to wait. Raises FileWriteError: then nothing was started.
        """
        if self._has_to_settle(run):
            settled = self._settle_code(run, now_s)
            if not isinstance(settled, bool):
                return settled
            run = self._context.ledger.state.runs[run.run_id]
        return self._launch(run, device)

    def _has_to_settle(self, run: Run) -> bool:
        """Tell whether a run's code may be another by now: changed by an attempt or a person, its checkout gone."""
        if run.code.version is None:
            return False
        place = run.code.place
        if place is None and run.reproduces is not None:
            return True
        return bool(run.attempts) or (place is not None and not Path(place["checkout"]).is_dir())

    def _settle_code(self, run: Run, now_s: float) -> Outcome | bool | None:
        """See that an attempt runs the code of its run: True when it does or its own place is made.

        None while that is not known yet.
        """
        if run.code.place is None:
            placed = self._code_jobs.place_again(run, self._code.version_now, now_s)
        else:
            placed = self._code_jobs.place_once_more(run, self._code.version_now, now_s)
        if placed is None:
            return None
        if placed.refused is not None:
            return Outcome(state=RunState.FAILED, cause=CODE_CHANGED, detail=placed.refused)
        if placed.code is not run.code and placed.code.place is not None:
            # also the same place made anew: journaled before anything runs there
            self._context.ledger.record("code_placed", run_id=run.run_id, place=placed.code.place)
        return True

    def _launch(self, run: Run, device: str | None) -> Ending | None:
        """Prepare an attempt, journal that it is meant, start it: a disk that refuses costs no attempt."""
        context = self._context
        slot = context.ledger.state.slot_use.lowest_free()
        attempt = replace(next_attempt(run, context.clock.utc_now()), device=device, slot=slot)
        if stdout_log(context.paths, attempt).exists():  # another label's, alike but for its case or signs
            attempt = replace(attempt, log_tag=f"{attempt.log_tag}_{run.run_id.lower()}")
        launch = launch_of(run, attempt, context.config, context.paths, context.environment)
        refusal = self._prepare(run, launch)
        context.ledger.record("attempt_intended", run_id=run.run_id, label=run.label, attempt=_attempt_json(attempt))
        try:
            if refusal is not None:
                raise refusal
            notice = context.engine.start(launch)
        except CommandError as error:
            return Ending(cause=EndCause.START_FAILED, detail=str(error))
        if run.code.version is None:  # the first attempt, or a daemon ended before it had looked
            self._code.look(context.ledger.state.runs[run.run_id], LAUNCH)
        if notice is not None:
            context.ledger.record("notice", text=notice)
        return None

    def _prepare(self, run: Run, launch: Launch) -> CommandError | None:
        """Write what the attempt needs; return why its command cannot be started. Raises FileWriteError."""
        metrics_json = foreign_metrics(self._context, run, launch.folder)
        if metrics_json is not None:
            files.replace_json(launch.folder / FOREIGN_MARK, files.signature(metrics_json))
        try:
            if run.code.place is not None:
                lead_outputs(run.code.place, launch.folder)
            self._context.engine.prepare(launch)
        except CommandError as error:
            return error
        except CodeRefused as error:
            return CommandError(str(error))
        except OSError as error:
            raise FileWriteError(launch.folder, "prepare", error) from error
        return None


def _attempt_json(attempt: Attempt) -> dict[str, object]:
    return {name: getattr(attempt, name) for name in ("number", "tag", "log_tag", "engine", "device", "slot")}
