"""Code of decisions and runs, made by children: changes in a checkout, and the place where a run runs.

Each question is a job with a name: until its answer is there, these functions return None and are called again with
the next tick (``asked_jobs`` says how long an answer is kept).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llm_loop.config import CodeIsolation
from llm_loop.contract.code_change import CodeBase, CodeChange
from llm_loop.contract.decision import Action, Decision
from llm_loop.contract.run import Run, RunCode
from llm_loop.cycle.asked_jobs import AskedJobs
from llm_loop.cycle.checkouts import checkout_question, code_rules
from llm_loop.cycle.context import Context
from llm_loop.cycle.run_code import runs_in_checkout
from llm_loop.runs.command import choose_shell
from llm_loop.stages.launch import training_python
from llm_loop.system.jobs import JobOutcome

_KEEP_LAST = 12
_DOES_NOT_READ = "its answer does not read"
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
        self._jobs = AskedJobs(context.jobs, "llm_loop.versions")

    # ------------------------------------------------------------ a decision's change

    def wanted(self, decision: Decision, base: Mapping[str, Any] | None) -> bool:
        """Tell whether a decision that was made without a checkout needs one: for edits, or for another base."""
        if decision.action is not Action.RUN_COMMAND:
            return False
        isolation = self._context.config.code_isolation
        elsewhere = base is not None and base["version"] != base["repository_version"]
        return bool(decision.edits) or isolation is CodeIsolation.CHECKOUT or elsewhere

    def change(
        self, decision: Decision, base: Mapping[str, Any] | None, asked_by: str, now_s: float
    ) -> ChangeAnswer | None:
        """Return the decision's change, made in a fresh checkout of ``base`` (None: the loop's own choice).

        ``asked_by`` is the call, or the request, that the decision comes from.
        """

        def question() -> dict[str, Any]:
            return {
                "job": "edit",
                "checkout": self._new_checkout(asked_by),
                "base": base,
                "edits": decision.to_json()["edits"] or [],
            }

        outcome = self._jobs.ask(f"edit-{asked_by}", question, now_s)
        if outcome is None:
            return None
        if (why := _why(outcome)) is None:
            try:
                return ChangeAnswer(change=CodeChange.from_json((outcome.answer or {})["change"]))
            except (AttributeError, KeyError, TypeError, ValueError):
                why = _DOES_NOT_READ
        return ChangeAnswer(why=f"the change of code cannot be made: {why}")

    # ------------------------------------------------------------ a run's place

    def place(self, accepted: Mapping[str, Any], decision: Decision, now_s: float) -> Placed | None:
        """Return where the run of an accepted decision runs, once its place is made."""
        code = accepted.get("code")
        change = None if code is None else CodeChange.from_json(code)
        isolation = self._context.config.code_isolation
        if change is None or not runs_in_checkout(change, isolation):
            if change is not None and not change.is_empty:  # judged before the configuration changed
                return Placed(refused="code_isolation is in_place by now, and the decision changes code")
            return Placed()
        base = change.base
        begun = RunCode(version=change.version, repository_version=base.repository_version, change=code)
        return self._placed(f"place-{change.checkout}", change, decision, begun, now_s)

    def place_again(self, run: Run, version_at_once: Callable[[Run], str | None], now_s: float) -> Placed | None:
        """Return where a further attempt runs: where the first one did, while the code there is still the same.

        Else in a checkout of the version that the first one ran. ``version_at_once`` tells what lies there now, None
        where that has to be looked up.
        """
        looked = self._version_now(run, version_at_once, now_s)
        if looked is None:
            return None
        version_now = _version_in(looked)
        if version_now == run.code.version:
            return Placed(code=run.code)

        def question() -> dict[str, Any]:
            return {
                "job": "open",
                "checkout": self._new_checkout(f"{run.run_id}-{len(run.attempts)}"),
                "version": run.code.version,
            }

        opened = self._jobs.ask(f"open-{run.run_id}-{len(run.attempts)}", question, now_s)
        if opened is None:
            return None
        checkout_id = None if opened.answer is None else opened.answer.get("checkout_id")
        if (why := _why(opened)) is not None or not isinstance(checkout_id, str):
            return Placed(refused=_changed(run, version_now, why or _DOES_NOT_READ))
        placed = self.place_in(checkout_id, run, now_s)
        if placed is not None and placed.refused is not None:
            return Placed(refused=_changed(run, version_now, placed.refused))
        return placed

    def place_once_more(self, run: Run, version_at_once: Callable[[Run], str | None], now_s: float) -> Placed | None:
        """Return the place of a run that has one: as it is while its code is, else made anew in the same checkout."""
        assert run.code.place is not None
        if Path(run.code.place["checkout"]).is_dir():
            looked = self._version_now(run, version_at_once, now_s)
            if looked is None:
                return None
            if _version_in(looked) == run.code.version:
                return Placed(code=run.code)
        return self.place_in(run.code.place["checkout_id"], run, now_s)

    def place_in(self, checkout_id: str, run: Run, now_s: float) -> Placed | None:
        """Return the place of a run's version in a checkout of that id, made anew whatever lies there."""
        assert run.code.version is not None
        base = CodeBase(version=run.code.version, repository_version=run.code.repository_version or run.code.version)
        change = CodeChange(base=base, version=run.code.version, checkout=checkout_id)
        decision = Decision.from_json(run.decision)
        if run.code.place is None:  # else the paths of what was mended are those of its checkout already
            decision = replace(decision, command=run.command)
        name = f"place-{checkout_id}-again-{len(run.attempts)}"  # an earlier answer may be remembered still
        return self._placed(name, change, decision, run.code, now_s)

    def _version_now(self, run: Run, at_once: Callable[[Run], str | None], now_s: float) -> JobOutcome | None:
        """Return the look at what a run's folder holds now; at all of it, where its version is kept no more."""
        name = f"compare-{run.run_id}-{len(run.attempts)}"
        if not self._jobs.knows(name) and (version := at_once(run)) is not None:
            self._jobs.remember(name, JobOutcome(answer={"version": version}))
        rules = code_rules(self._context.config, self._context.paths)
        if run.code.place is not None:
            rules |= {"repository": run.code.place["checkout"]}
        looked = self._jobs.ask(name, lambda: rules | {"job": "compare", "version": run.code.version}, now_s)
        if looked is None or _version_in(looked) is not None:
            return looked
        return self._jobs.ask(f"take-{run.run_id}-{len(run.attempts)}", lambda: rules | {"job": "take"}, now_s)

    def _placed(self, name: str, change: CodeChange, decision: Decision, begun: RunCode, now_s: float) -> Placed | None:
        config = self._context.config

        def question() -> dict[str, Any]:
            return {
                "job": "place",
                "checkout": checkout_question(self._context, change.checkout),
                "change": change.to_json(),
                "command": decision.command,
                "shell": choose_shell(config.run_shell),
                "working_folder": decision.working_folder,
                "train_python": str(training_python(config)),
            }

        outcome = self._jobs.ask(name, question, now_s)
        if outcome is None:
            return None
        if (why := _why(outcome)) is not None:
            return Placed(refused=why)
        place = (outcome.answer or {}).get("place")
        if not isinstance(place, dict):
            return Placed(refused=_DOES_NOT_READ)
        return Placed(
            code=RunCode(
                version=begun.version,
                repository_version=begun.repository_version,
                change=begun.change,
                place=place,
            )
        )

    # ------------------------------------------------------------ checkouts in use

    def prune(self, now_s: float) -> bool:
        """Have old checkouts removed, those of open cycles and runs apart; tell whether that is done."""

        def question() -> dict[str, Any]:
            return {
                "job": "prune",
                "checkouts": str(self._context.paths.checkouts),
                "keep": sorted(self._in_use()),
                "keep_last": _KEEP_LAST,
            }

        return self._jobs.ask("prune", question, now_s) is not None

    def _in_use(self) -> set[str]:
        """Return the checkouts that somebody works in or waits for: a call in flight, a proposal, a job, a run."""
        state = self._context.ledger.state
        used = self._jobs.checkouts()
        if (plan := state.plan) is not None:
            used |= {record["code"]["checkout"] for record in plan.proposals if record.get("code")}
            used |= set() if plan.call_id is None else {plan.call_id}
        return used | {run.code.place["checkout_id"] for run in state.runs.values() if run.code.place is not None}

    def _new_checkout(self, name: str) -> dict[str, Any]:
        return checkout_question(self._context, f"{name}-{secrets.token_hex(2)}")

    def forget_unasked(self, now_s: float) -> None:
        """Forget the answers that nobody has asked for since the last time."""
        self._jobs.forget_unasked(now_s)


def _why(outcome: JobOutcome) -> str | None:
    if outcome.answer is None:
        return outcome.why or "no answer"
    refused: str | None = outcome.answer.get("refused")
    return refused


def _version_in(outcome: JobOutcome) -> str | None:
    version = None if outcome.answer is None else outcome.answer.get("version")
    return version if isinstance(version, str) else None


def _changed(run: Run, version_now: str | None, why: str) -> str:
    may = "may have changed" if version_now is None else "has changed"
    return f"the training repository {may} since the first attempt (version {run.code.version}), and {why}"
