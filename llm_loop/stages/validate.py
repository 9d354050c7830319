"""Validate: from the checks made of a run to whether it may be launched, and what its procedure tells of them. Pure.

The checks themselves take seconds, so a child makes them (``llm_loop.validation.check``); its answer is read here.
What a check could not tell keeps no run from its slot. Why a run may not be launched is told by ``stages.diagnose``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llm_loop.contract.diagnosis import Cause
from llm_loop.contract.procedure import Step, StepState

_OF_PREPARE = frozenset({"code"})
"""Checks of what the worker made, as the step ``prepare`` tells them; all others are of ``validate``."""

Check = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """Hold the checks of a run and the one that failed, None where it may be launched.

    ``dry_run`` is how the dry run ended and what it printed, None where there was none.
    """

    checks: tuple[Check, ...] = ()
    failed: Check | None = None
    dry_run: Mapping[str, Any] | None = None

    def told(self) -> list[dict[str, Any]]:
        """Return the checks as the journal tells them."""
        return [{"name": check["name"], "state": check["state"], "why": check["why"]} for check in self.checks]

    def steps(self, cause: Cause | None) -> list[dict[str, Any]]:
        """Return the steps that were passed, up to the one that failed for ``cause``, in their JSON form."""
        prepared = _step(Step.PREPARE, [one for one in self.checks if one["name"] in _OF_PREPARE], cause)
        if prepared["state"] == StepState.FAILED:
            return [prepared]
        return [prepared, _step(Step.VALIDATE, [one for one in self.checks if one["name"] not in _OF_PREPARE], cause)]


KNOWN = Validation()
"""The validation of a run of which the checks of another one speak: nothing was looked at."""


def validate(answer: Mapping[str, Any]) -> Validation:
    """Return what the child's answer says: the first check that surely fails decides."""
    checks = tuple(answer["checks"])
    failed = next((one for one in checks if one["state"] == StepState.FAILED and not _passes_by(one)), None)
    return Validation(checks=checks, failed=failed, dry_run=answer.get("dry_run"))


def not_told(why: str) -> Validation:
    """Return the validation of a run that could not be checked at all, and why."""
    check = {"name": "validation", "state": StepState.UNKNOWN.value, "seconds": None, "cause": None, "why": why}
    return Validation(checks=(check,))


def _passes_by(check: Check) -> bool:
    """Tell whether a failed check is of the machine as it is now: launches are held for that, no run fails of it."""
    return bool(check["cause"] == Cause.DISK_FULL)


def _step(step: Step, checks: Sequence[Check], cause: Cause | None) -> dict[str, Any]:
    states = [check["state"] for check in checks]
    worst = next((state for state in (StepState.FAILED, StepState.UNKNOWN) if state in states), StepState.DONE)
    seconds = sum(check["seconds"] or 0.0 for check in checks)
    return {
        "step": step.value,
        "state": worst.value,
        "seconds": round(seconds, 3),
        "cause": cause.value if worst is StepState.FAILED and cause is not None else None,
    }
