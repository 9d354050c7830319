"""Change the training environment: one change at a time, while no run uses it, nothing launched meanwhile.

What a change comes to is journaled by who wants it. One that was cut off, by a kill of the daemon say, left its record;
it is taken back before the same change is made anew: again and again by new daemons, once by the same one. Programs
that only look at the environment, as a validation does, are waited for too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llm_loop.contract.diagnosis import Cause
from llm_loop.contract.mend import Clone, Mend, MendKind
from llm_loop.contract.run import Run, RunState
from llm_loop.cycle.context import Context
from llm_loop.errors import LoopError
from llm_loop.repairs.allowed import allowed_names
from llm_loop.repairs.git import without_login
from llm_loop.repairs.in_use import OthersChange
from llm_loop.repairs.record import RecordState, read_record
from llm_loop.repairs.refusal import Reason
from llm_loop.repairs.request import job_deadline_s
from llm_loop.repairs.requirement import parse_requirement
from llm_loop.stages.launch import repair_python
from llm_loop.system.clock import utc_stamp
from llm_loop.system.jobs import JobOutcome

HOLD = "install"
INSTALL_S = 900.0
_UNDO_S = 600.0
_AGAIN_S, _MOST_REFUSALS = 20.0, 30
_INSTALL, _CLONE = "llm_loop.repairs.install", "llm_loop.repairs.clone"
_WITHOUT_BUILDING = "install:known_modules"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Hold what a change came to: ``record`` is what takes back what stands now, None for nothing."""

    ok: bool
    outcome: str
    record: str | None = None
    account: Mapping[str, Any] | None = None


class EnvironmentDesk:
    """Have packages installed into the training environment and taken back.

    ``is_looked_at`` tells whether a program that is no run uses the environment.
    """

    def __init__(self, context: Context, is_looked_at: Callable[[], bool] = lambda: False) -> None:
        self._context, self._is_looked_at = context, is_looked_at
        self._others = OthersChange()
        self._at_work: str | None = None
        self._broke: set[str] = set()
        self._is_wanted = False
        self._again_s = 0.0
        self._refused_for_use = 0

    def install(self, run: Run, mend: Mend, now_s: float) -> Change | None:
        """Return what an install or clone came to; None while it waits or works."""
        name = _name_of(run)
        if not self._has_turn(name, now_s):
            return None
        record, undo = self._record(name), _undo_of(name)
        if self._context.jobs.is_open(undo) or (not self._context.jobs.is_open(name) and _is_begun(record)):
            undone = self._ask(undo, _INSTALL, self._undo_question(run, record), job_deadline_s(_UNDO_S), now_s)
            if undone is None or _says(undone) == "undone" or self._is_to_be_asked_again(undo, undone, now_s):
                return None
            return self._cut_off(undone, record)
        question = self._install_question(run, mend, record)
        module = _INSTALL if mend.clone is None else _CLONE
        outcome = self._ask(name, module, question, job_deadline_s(INSTALL_S), now_s)
        if outcome is None or self._is_to_be_asked_again(name, outcome, now_s):
            return None
        self._at_work = None
        return (
            self._cut_off(outcome, record) if outcome.answer is None else _change(outcome.answer, self._named(record))
        )

    def is_begun(self, run: Run) -> bool:
        """Tell whether the run's last mend has changed, or may have changed, anything by now."""
        name = _name_of(run)
        return self._is_open(name) or _is_begun(self._record(name))

    def undo(self, run: Run, record: str, now_s: float) -> Change | None:
        """Return what taking an install back came to; None while it waits or works."""
        name = f"undo-{Path(record).parent.name}"
        if not self._has_turn(name, now_s):
            return None
        path = self._context.paths.root / record
        outcome = self._ask(name, _INSTALL, self._undo_question(run, path), job_deadline_s(_UNDO_S), now_s)
        if outcome is None or self._is_to_be_asked_again(name, outcome, now_s):
            return None
        self._at_work = None
        answer = outcome.answer or {}
        ok = answer.get("state") == "undone"
        why = answer.get("why") or outcome.why
        return Change(ok=ok, outcome="the environment is as it was" if ok else f"not taken back: {why}")

    def settle(self, now_s: float) -> None:
        """Let launches go on once no change is wanted any more; called at the end of each tick."""
        if not self._is_wanted and HOLD in self._context.holds:
            del self._context.holds[HOLD]
            self._context.ledger.record("environment_freed", monotonic_s=round(now_s, 3))
        self._is_wanted = False

    # ------------------------------------------------------------ turns

    def _has_turn(self, name: str, now_s: float) -> bool:
        """Hold launches, and tell whether a change may be made: no run lives, no other change is at work."""
        context = self._context
        self._is_wanted = True
        if HOLD not in context.holds:
            context.ledger.record("environment_held", monotonic_s=round(now_s, 3))
            context.holds[HOLD] = "packages of the training environment are changed: nothing starts meanwhile"
        if self._at_work is not None and not self._is_open(self._at_work):
            self._at_work = None
        if self._at_work is not None:
            return self._at_work == name
        is_used = bool(context.ledger.state.in_state(RunState.RUNNING)) or self._is_looked_at()
        if now_s < self._again_s or is_used or self._others.is_at_work(repair_python(context.config), now_s):
            return False
        self._at_work = name
        return True

    def _is_open(self, name: str) -> bool:
        return self._context.jobs.is_open(name) or self._context.jobs.is_open(_undo_of(name))

    def _ask(
        self, name: str, module: str, question: Mapping[str, Any], deadline_s: float, now_s: float
    ) -> JobOutcome | None:
        jobs = self._context.jobs
        if not jobs.is_open(name):
            jobs.open(name, module, question, deadline_s)
        return jobs.take(name, now_s)

    def _is_to_be_asked_again(self, name: str, outcome: JobOutcome, now_s: float) -> bool:
        """Tell whether a change is asked for again: somebody used the environment, or it was cut off once."""
        if outcome.answer is None and not outcome.is_late and name not in self._broke:
            self._broke.add(name)
            self._at_work = None
            return True
        return self._is_in_use(outcome, now_s)

    def _is_in_use(self, outcome: JobOutcome, now_s: float) -> bool:
        """Tell whether somebody else used the environment, so that the change is asked for again a little later."""
        is_in_use = (outcome.answer or {}).get("reason") == Reason.IN_USE
        self._refused_for_use = self._refused_for_use + 1 if is_in_use else 0
        if not is_in_use or self._refused_for_use > _MOST_REFUSALS:
            self._refused_for_use = 0
            return False
        self._at_work, self._again_s = None, now_s + _AGAIN_S
        return True

    def _cut_off(self, outcome: JobOutcome, record: Path) -> Change:
        """Return a change that gave no answer: what it left is still to be taken back."""
        self._at_work = None
        why = (outcome.answer or {}).get("why") or outcome.why
        left = self._named(record) if _is_begun(record) else None
        return Change(ok=False, outcome=f"the install came to no end: {why}", record=left)

    # ------------------------------------------------------------ questions

    def _record(self, name: str) -> Path:
        return self._context.paths.repairs / name / "record.json"

    def _named(self, record: Path) -> str:
        return record.relative_to(self._context.paths.root).as_posix()

    def _log(self, run: Run, what: str) -> str:
        stamp = utc_stamp(self._context.clock.utc_now())
        return str(self._context.paths.logs / f"{stamp}_{run.label}_autofix_{what}.log")

    def _in_use_by(self) -> list[str]:
        paths, runs = self._context.paths, self._context.ledger.state.runs.values()
        return [str(paths.attempt(run.run_id, run.last_attempt.number)) for run in runs if run.attempts]

    def _undo_question(self, run: Run, record: Path) -> dict[str, Any]:
        return {
            "act": "undo",
            "record": str(record),
            "deadline_s": _UNDO_S,
            "log": self._log(run, "pip"),
            "in_use_by": self._in_use_by(),
        }

    def _install_question(self, run: Run, mend: Mend, record: Path) -> dict[str, Any]:
        is_module = mend.cause is Cause.MISSING_MODULE and mend.subject is not None
        question = {
            "act": "install" if mend.clone is None else "clone",
            "python": str(repair_python(self._context.config)),
            "requirements": list(mend.packages),
            "import_names": [mend.subject] if is_module else [],
            "protected": None,
            "allow_source": self._may_build(mend),
            "deadline_s": INSTALL_S,
            "log": self._log(run, "pip"),
            "record": str(record),
            "in_use_by": self._in_use_by(),
        }
        if mend.clone is None:
            return question
        clone = mend.clone
        return question | {
            "name": mend.subject,
            "repo": self._address(clone),
            "ref": clone.ref,
            "subdir": clone.subdir,
            "editable": clone.editable,
            "base": str(self._context.paths.root),
            "sources": str(self._context.paths.model_sources),
            "clone_log": self._log(run, "clone"),
        }

    def _may_build(self, mend: Mend) -> bool:
        """Tell whether packages may be built from source, which runs their code: only those that a person named."""
        if mend.rule != MendKind.INSTALL_PACKAGES:
            return mend.rule != _WITHOUT_BUILDING
        named = allowed_names(replace(self._context.package_sources(), allow_known=False))
        return all(parse_requirement(text).name in named for text in mend.packages)

    def _address(self, clone: Clone) -> str:
        """Return the address of a source with its login, which the configuration alone holds."""
        config = self._context.config
        maps = (config.auto_repair_module_clone_map, config.auto_repair_model_clone_map)
        known = [source.repo for one in maps for source in one.values()]
        return next((repo for repo in known if without_login(repo) == clone.repo), clone.repo)


def _name_of(run: Run) -> str:
    """Return the name of the run's last mend: no other one, of any run, has it."""
    return f"{run.run_id}-{len(run.procedure.mends)}"


def _undo_of(name: str) -> str:
    return f"{name}-undo"


def _is_begun(record: Path) -> bool:
    """Tell whether a record stands for packages that are there, or half there."""
    try:
        return read_record(record).state is not RecordState.UNDONE
    except FileNotFoundError:
        return False
    except (OSError, ValueError, LoopError):
        return True


def _says(outcome: JobOutcome) -> str | None:
    return None if outcome.answer is None else outcome.answer.get("state")


def _change(answer: Mapping[str, Any], record: str) -> Change:
    """Return what the answer to an install or clone says."""
    ok = answer["state"] in ("installed", "unchanged")
    stands = answer["state"] == "installed" or answer.get("needs_undo") is True
    account = {key: answer.get(key) for key in ("pip", "clone", "pip_from_clone")}
    return Change(ok=ok, outcome=_words(answer), record=record if stands else None, account=account)


def _words(answer: Mapping[str, Any]) -> str:
    if answer["state"] == "installed":
        added = [f"{one['name']} {one['version']}" for one in answer["added"]]
        changed = [f"{one['name']} {one['from']} to {one['to']}" for one in answer["changed"]]
        return f"installed {', '.join([*added, *changed])}"
    if answer["state"] == "unchanged":
        return "everything was installed already"
    return f"{answer['state']}: {answer['why']}"
