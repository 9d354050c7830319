"""Validate what is about to run, beside what trains: no slot waits for it while something else is ready.

A run that was validated in vain is under repair. What the check itself cannot do keeps no run from its slot.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llm_loop.contract.diagnosis import Cause, Diagnosis
from llm_loop.contract.mend import Mend, MendKind, Phase
from llm_loop.contract.procedure import Step
from llm_loop.contract.run import Run, RunState
from llm_loop.cycle import failure_pauses
from llm_loop.cycle.asked_jobs import AskedJobs
from llm_loop.cycle.context import PAUSE, Context
from llm_loop.cycle.procedure.facts import edited_files
from llm_loop.cycle.run_endings import NOT_INSTALLED, RunEndings
from llm_loop.memory.queue import held_runs, is_withdrawn
from llm_loop.repairs.allowed import for_request
from llm_loop.repairs.refusal import RepairRefused
from llm_loop.runs.command import choose_shell
from llm_loop.stages.diagnose import diagnose_check
from llm_loop.stages.launch import training_python, where_it_runs
from llm_loop.stages.record import Outcome
from llm_loop.stages.validate import KNOWN, Validation, not_told, validate
from llm_loop.system.jobs import JobOutcome
from llm_loop.validation.remembered import key_of

DRY_RUN_S = 120.0
_MARGIN_S = 60.0
_MODULE = "llm_loop.validation.check"
_NO_CHECKOUT = "its checkout is gone, and is made anew at the launch"
_REMEMBERED_S = 600.0
"""What a script imports may change without anything that is looked at: a person works on it too."""
_WAITS_NOT_FOR = frozenset({PAUSE, failure_pauses.HOLD})
"""Holds that keep nothing from being looked at."""


class Validating:
    """Have waiting runs checked, one after the other, in the order in which they wait."""

    def __init__(self, context: Context, endings: RunEndings) -> None:
        self._context, self._endings = context, endings
        self._jobs = AskedJobs(context.jobs, _MODULE, DRY_RUN_S + _MARGIN_S)
        self._good_until_s: dict[str, float] = {}
        self._keys: dict[str, str | None] = {}

    def tick(self, now_s: float) -> None:
        """Take the next step of the first run that waits for being validated. Raises FileWriteError."""
        run = next(iter(self.waiting()), None)
        if run is not None and self._has_turn(run) and not self._is_preparing(run):
            self._validate(run, now_s)
        self._jobs.forget_unasked(now_s)

    def is_at_work(self) -> bool:
        """Tell whether a validation, or one that nobody asks for any more, still looks at the environment."""
        return any(self._context.jobs.is_open(name) for name in self._keys)

    def _has_turn(self, run: Run) -> bool:
        """Tell whether a run may be looked at: none is begun while the machine, or what is installed, is not ready."""
        holds = self._context.holds.keys() - _WAITS_NOT_FOR
        return self._context.jobs.is_open(_name_of(run)) or not holds

    def waiting(self) -> list[Run]:
        """Return the runs that are to be validated, in the order of their turns; held ones wait for a person first."""
        context, state = self._context, self._context.ledger.state
        held = {run.run_id for run in held_runs(state.runs.values(), context.config.requires_approval)}
        new = state.in_state(RunState.STAGED) if context.accepts_cycles else []
        is_over, final = context.last_hour.is_search_over, state.finish_up.rounds_begun
        return [
            run
            for run in (*state.in_state(RunState.QUEUED), *new)
            if not run.procedure.is_checked
            and run.run_id not in held
            and (not is_over or run.run_id in final)  # what else waits is not launched before the finish-up is over
            and not is_withdrawn(run)
            and not set(run.builds_on) & state.runs.keys()
        ]

    def waiting_for(self) -> dict[str, str]:
        """Return by run id which attempt to validate a run is under way or comes next."""
        most = self._context.config.max_validation_retries + 1
        numbers = {run.run_id: run.procedure.count(Step.PREPARE) + 1 for run in self.waiting()}
        return {run_id: f"validation attempt {number}/{max(most, number)}" for run_id, number in numbers.items()}

    def _is_preparing(self, run: Run) -> bool:
        """Have the packages installed that a decision asks for; tell whether that was begun just now."""
        wanted = run.decision["install_packages"]
        if not wanted or any(done.mend.rule == MendKind.INSTALL_PACKAGES for done in run.procedure.mends):
            return False
        try:
            packages = for_request(wanted, self._context.package_sources())
        except RepairRefused as refused:  # the configuration was changed since the gate judged it
            self._endings.end(run, Outcome(state=RunState.FAILED, cause=NOT_INSTALLED, detail=str(refused)))
            return True
        mend = Mend(
            kind=MendKind.INSTALL_PACKAGES,
            rule=MendKind.INSTALL_PACKAGES.value,
            cause=Cause.MISSING_MODULE,
            phase=Phase.VALIDATION,
            packages=packages,
            why=f"install {', '.join(packages)}, as the decision asks for",
        )
        self._context.ledger.record("mend_intended", run_id=run.run_id, mend=mend.to_json())
        return True

    # ------------------------------------------------------------ one run

    def _validate(self, run: Run, now_s: float) -> None:
        name = _name_of(run)
        if not self._jobs.knows(name):
            key = self._keys[name] = key_of(self._question(run))
            if key is not None and now_s < self._good_until_s.get(key, 0.0):
                del self._keys[name]
                self._tell(run, KNOWN, None)
                return
        outcome = self._jobs.ask(name, lambda: self._question(run), now_s)
        if outcome is None:
            return
        key = self._keys.pop(name, None)
        validation = _validation(outcome) if _has_its_place(run) else not_told(_NO_CHECKOUT)
        if (failed := validation.failed) is not None:
            diagnosis = diagnose_check(failed, validation.dry_run, edited_files(run))
            self._tell(run, validation, diagnosis.cause)
            self._suffers_from(run, diagnosis, failed["why"])
            return
        if key is not None and outcome.answer is not None:
            known = {one: until_s for one, until_s in self._good_until_s.items() if until_s > now_s}
            self._good_until_s = known | {key: now_s + _REMEMBERED_S}
        self._tell(run, validation, None)

    def _tell(self, run: Run, validation: Validation, cause: Cause | None) -> None:
        """Journal one passing of ``prepare`` and ``validate``."""
        told = {"steps": validation.steps(cause), "checks": validation.told()}
        self._context.ledger.record("validated", run_id=run.run_id, ok=validation.failed is None, **told)

    def _suffers_from(self, run: Run, diagnosis: Diagnosis, why: str | None) -> None:
        """Journal what keeps a run from being launched; what is done about it is decided next."""
        self._context.ledger.record(
            "diagnosed",
            run_id=run.run_id,
            phase=Phase.VALIDATION.value,
            cause=diagnosis.cause.value,
            detail=why or diagnosis.evidence_line,
            diagnosis=diagnosis.to_json(),
            seconds=None,
        )

    def _question(self, run: Run) -> dict[str, Any]:
        context, config = self._context, self._context.config
        place = where_it_runs(run, config)
        return {
            "command": run.command,
            "shell": choose_shell(config.run_shell),
            "cwd": str(place.cwd),
            "run_files": run.decision["run_files"] or [],
            "train_python": str(training_python(config)),
            "python_path": list(place.python_path),
            "edited": list(edited_files(run)),
            "checkout": None if run.code.place is None else run.code.place["checkout"],
            "validate_command": config.validate_command,
            "min_free_disk_mb": config.min_free_disk_mb,
            "memory_bytes": context.devices.expected_host_bytes(run),
            "workspace": str(context.paths.root),
            "deadline_s": DRY_RUN_S,
        }


def _name_of(run: Run) -> str:
    return f"validate-{run.run_id}-{run.procedure.count(Step.PREPARE) + 1}"


def _validation(outcome: JobOutcome) -> Validation:
    if outcome.answer is None:
        return not_told(f"nothing could be checked: {outcome.why}")
    return validate(outcome.answer)


def _has_its_place(run: Run) -> bool:
    place = run.code.place
    return place is None or Path(place["checkout"]).is_dir()
