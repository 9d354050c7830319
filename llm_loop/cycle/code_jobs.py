"""Code of decisions and runs, made by children: changes in a checkout, and the place where a run runs.

Each question is a job with a name, and asked once: until its answer is there, these functions return None and
are called again with the next tick.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llm_loop.config import CodeIsolation
from llm_loop.contract.code_change import CodeBase, CodeChange
from llm_loop.contract.decision import Action, Decision
from llm_loop.contract.run import Run, RunCode
from llm_loop.cycle.checkouts import checkout_question, code_rules
from llm_loop.cycle.context import Context
from llm_loop.cycle.run_code import runs_in_checkout
from llm_loop.memory.state import Plan
from llm_loop.runs.command import choose_shell
from llm_loop.stages.launch import training_python
from llm_loop.system.jobs import JobOutcome

_MODULE = "llm_loop.versions"
_DEADLINE_S = 180.0
_KEEP_LAST = 12
IN_PLACE = RunCode()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeAnswer:
    """Hold the code that a decision changes, or ``why`` it cannot be made."""

    change: CodeChange | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Hold which code a run runs and where, or why that cannot be (``refused``, a sentence)."""

    code: RunCode = IN_PLACE
    refused: str | None = None


class CodeJobs:
    """Have code made, one job of a name at a time."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._answers: dict[str, JobOutcome] = {}

    # ------------------------------------------------------------ a decision's change

    def wanted(self, decision: Decision, base: Mapping[str, Any] | None) -> bool:
        """Tell whether a decision that was made without a checkout needs one: for edits, or for another base."""
        if decision.action is not Action.RUN_COMMAND:
            return False
        isolation = self._context.config.code_isolation
        elsewhere = base is not None and base["version"] != base["repository_version"]
        return bool(decision.edits) or isolation is CodeIsolation.CHECKOUT or elsewhere

    def change(
        self, decision: Decision, base: Mapping[str, Any] | None, plan: Plan, now_s: float
    ) -> ChangeAnswer | None:
        """Return the decision's change, made in a fresh checkout of ``base`` (None: the loop's own choice)."""
        name = f"edit-{plan.call_id}"
        question = {
            "job": "edit",
            "checkout": checkout_question(self._context, f"{plan.call_id}-{secrets.token_hex(2)}"),
            "base": base,
            "edits": decision.to_json()["edits"] or [],
        }
        outcome = self._ask(name, question, now_s)
        if outcome is None:
            return None
        self._answers.pop(name)
        if (why := _why(outcome)) is not None:
            return ChangeAnswer(why=f"the change of code cannot be made: {why}")
        assert outcome.answer is not None
        return ChangeAnswer(change=CodeChange.from_json(outcome.answer["change"]))

    # ------------------------------------------------------------ a run's place

    def place(self, accepted: Mapping[str, Any], decision: Decision, trace_id: str, now_s: float) -> Placed | None:
        """Return where the run of an accepted decision runs, once its place is made."""
        code = accepted.get("code")
        change = None if code is None else CodeChange.from_json(code)
        if change is None or not runs_in_checkout(change, self._context.config.code_isolation):
            return Placed()
        name = f"place-{trace_id}"
        base = change.base
        begun = RunCode(version=change.version, repository_version=base.repository_version, change=code)
        return self._placed(name, change, decision, begun, now_s)

    def place_again(self, run: Run, version_now: str | None, now_s: float) -> Placed | None:
        """Return where a further attempt runs: where the first one did, while the code there is still the same.

        Else in a checkout of the version that the first one ran. ``version_now`` is None where it has to be looked up.
        """
        number = len(run.attempts)
        compare, reopen = f"compare-{run.run_id}-{number}", f"open-{run.run_id}-{number}"
        if version_now is None:
            looked = self._ask(
                compare,
                code_rules(self._context.config, self._context.paths) | {"job": "compare", "version": run.code.version},
                now_s,
            )
            if looked is None:
                return None
            version_now = None if looked.answer is None else looked.answer.get("version")
        if version_now == run.code.version:
            self._answers.pop(compare, None)
            return Placed(code=run.code)
        checkout_id = f"{run.run_id}-{number}-{secrets.token_hex(2)}"
        question = {
            "job": "open",
            "checkout": checkout_question(self._context, checkout_id),
            "version": run.code.version,
        }
        opened = self._ask(reopen, question, now_s)
        if opened is None:
            return None
        if (why := _why(opened)) is not None:
            return self._done(Placed(refused=_changed(run, why)), compare, reopen)
        assert opened.answer is not None and run.code.version is not None
        base = CodeBase(version=run.code.version, repository_version=run.code.version)
        change = CodeChange(base=base, version=run.code.version, checkout=opened.answer["checkout_id"])
        placed = self._placed(f"place-{run.run_id}-{number}", change, Decision.from_json(run.decision), run.code, now_s)
        if placed is None:
            return None
        if placed.refused is not None:
            placed = Placed(refused=_changed(run, placed.refused))
        return self._done(placed, compare, reopen)

    def _done(self, placed: Placed, *names: str) -> Placed:
        for name in names:
            self._answers.pop(name, None)
        return placed

    def _placed(self, name: str, change: CodeChange, decision: Decision, begun: RunCode, now_s: float) -> Placed | None:
        config = self._context.config
        question = {
            "job": "place",
            "checkout": checkout_question(self._context, change.checkout),
            "change": change.to_json(),
            "command": decision.command,
            "shell": choose_shell(config.run_shell),
            "working_folder": decision.working_folder,
            "train_python": str(training_python(config)),
        }
        outcome = self._ask(name, question, now_s)
        if outcome is None:
            return None
        self._answers.pop(name)
        if (why := _why(outcome)) is not None:
            return Placed(refused=why)
        assert outcome.answer is not None
        place: dict[str, Any] = outcome.answer["place"]
        if place["refused"] is not None:
            return Placed(refused=place["refused"])
        return Placed(
            code=RunCode(
                version=begun.version,
                repository_version=begun.repository_version,
                change=begun.change,
                place=place,
            )
        )

    # ------------------------------------------------------------ jobs

    def prune(self, now_s: float) -> bool:
        """Have old checkouts removed, those of open cycles and runs apart; tell whether that is done."""
        state = self._context.ledger.state
        records = () if state.plan is None else state.plan.proposals
        keep = [record["code"]["checkout"] for record in records if record.get("code")]
        keep += [run.code.place["checkout_id"] for run in state.runs.values() if run.code.place is not None]
        question = {
            "job": "prune",
            "checkouts": str(self._context.paths.checkouts),
            "keep": keep,
            "keep_last": _KEEP_LAST,
        }
        if self._ask("prune", question, now_s) is None:
            return False
        self._answers.pop("prune")
        return True

    def _ask(self, name: str, question: Mapping[str, Any], now_s: float) -> JobOutcome | None:
        """Return what a job came to, again and again until it is forgotten; None while it works."""
        if name not in self._answers:
            jobs = self._context.jobs
            if not jobs.is_open(name):
                jobs.open(name, _MODULE, {"schema_version": 1, **question}, _DEADLINE_S)
            outcome = jobs.take(name, now_s)
            if outcome is None:
                return None
            self._answers[name] = outcome
        return self._answers[name]


def _why(outcome: JobOutcome) -> str | None:
    if outcome.answer is None:
        return outcome.why or "no answer"
    refused: str | None = outcome.answer.get("refused")
    return refused


def _changed(run: Run, why: str) -> str:
    return f"the training repository has changed since the first attempt (version {run.code.version}), and {why}"
