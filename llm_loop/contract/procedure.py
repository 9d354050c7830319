"""The procedure of a run: the steps that each attempt passes, and what was mended between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

from llm_loop.contract.diagnosis import Diagnosis
from llm_loop.contract.mend import Mend, Phase

_LINE_CHARACTERS, _TRIED_CHARACTERS = 300, 600


class Step(StrEnum):
    """The steps of an attempt, in their order."""

    PREPARE = "prepare"
    VALIDATE = "validate"
    EXECUTE = "execute"
    ANALYSE = "analyse"


class StepState(StrEnum):
    """How a step stands; ``unknown``: it could not be judged, and kept nothing from going on."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """Hold one passing of one step.

    ``number`` counts it among those of its kind in the run, ``attempt`` is the attempt that it belongs to, both from 1.
    ``cause`` is why it failed, or what an analysis found. ``ended_utc`` and ``seconds`` are None while it runs.
    """

    step: Step
    number: int
    attempt: int
    state: StepState
    seconds: float | None = None
    ended_utc: str | None = None
    cause: str | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Build a record from its JSON form."""
        return cls(**{**value, "step": Step(value["step"]), "state": StepState(value["state"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class DoneMend:
    """Hold one mend of a run and what it came to: ``ok`` is None while that is not known.

    ``attempts`` is how many attempts the run had had by then. ``record`` is the file that takes an install back,
    ``account`` what the journal tells of installs and clones.
    """

    mend: Mend
    attempts: int = 0
    ok: bool | None = None
    record: str | None = None
    account: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        plain = {"attempts": self.attempts, "ok": self.ok, "record": self.record, "account": self.account}
        return {"mend": self.mend.to_json(), **plain}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Build it from its JSON form."""
        return cls(**{**value, "mend": Mend.from_json(value["mend"])})


class ModelRepair(StrEnum):
    """How far a repair by an agent has come, which is tried once where no rule mends a run."""

    WANTED = "wanted"
    ASKED = "asked"
    ANSWERED = "answered"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Hold what a run under repair suffers from.

    ``cause`` and ``detail`` are what the run ends with where nothing mends it; ``diagnosis`` is None where packages are
    installed that the decision itself asks for. ``is_mending``: the last mend is under way; ``is_mended``: it is done,
    and nobody wants another try. ``undo`` are the records of the installs that are to be taken back first. ``model`` is
    None while no agent is to mend it, ``model_word`` the run that an agent's mend became, or why there is none.
    """

    phase: Phase
    cause: str | None = None
    detail: str | None = None
    diagnosis: Diagnosis | None = None
    is_mending: bool = False
    is_mended: bool = False
    undo: tuple[str, ...] = ()
    model: ModelRepair | None = None
    model_word: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "phase": self.phase.value,
            "cause": self.cause,
            "detail": self.detail,
            "diagnosis": None if self.diagnosis is None else self.diagnosis.to_json(),
            "is_mending": self.is_mending,
            "is_mended": self.is_mended,
            "undo": list(self.undo),
            "model": None if self.model is None else self.model.value,
            "model_word": self.model_word,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Build it from its JSON form."""
        diagnosis = None if value["diagnosis"] is None else Diagnosis.from_json(value["diagnosis"])
        fields = {**value, "phase": Phase(value["phase"]), "diagnosis": diagnosis, "undo": tuple(value["undo"])}
        model = value["model"]
        return cls(**fields | {"model": None if model is None else ModelRepair(model)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Hold why a run failed, shortly: the diagnosed cause, the line that tells, what was tried and came of it.

    ``is_of_idea``: it may be held against what was tried; a missing package says nothing of an idea.
    """

    is_of_idea: bool = False
    diagnosis: str | None = None
    evidence_line: str | None = None
    tried: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Procedure:
    """Hold how far a run has come and what was mended on the way.

    ``is_checked``: what is to run next was validated. ``command`` is what is run, None for as decided. ``installs`` are
    the records of installs that stand, oldest first.
    """

    steps: tuple[StepRecord, ...] = ()
    is_checked: bool = False
    mends: tuple[DoneMend, ...] = ()
    command: str | None = None
    installs: tuple[str, ...] = ()
    trouble: Trouble | None = None

    def count(self, step: Step) -> int:
        """Return how often a step was passed so far."""
        return max((one.number for one in self.steps if one.step is step), default=0)

    def failure(self) -> Failure | None:
        """Return why the run is under repair and what was tried; None where that is not known."""
        diagnosis = None if self.trouble is None else self.trouble.diagnosis
        if diagnosis is None:
            return None
        return Failure(
            is_of_idea=diagnosis.is_failure_of_idea,
            diagnosis=diagnosis.cause.value,
            evidence_line=(diagnosis.evidence_line or "")[:_LINE_CHARACTERS] or None,
            tried="; ".join(map(_said, self.mends))[:_TRIED_CHARACTERS] or None,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "steps": [asdict(one) | {"step": one.step.value, "state": one.state.value} for one in self.steps],
            "is_checked": self.is_checked,
            "mends": [one.to_json() for one in self.mends],
            "command": self.command,
            "installs": list(self.installs),
            "trouble": None if self.trouble is None else self.trouble.to_json(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Build it from its JSON form. Raises ValueError for one that no journal leads to: somebody has changed it."""
        procedure = cls(
            steps=tuple(StepRecord.from_json(one) for one in value["steps"]),
            is_checked=value["is_checked"],
            mends=tuple(DoneMend.from_json(one) for one in value["mends"]),
            command=value["command"],
            installs=tuple(value["installs"]),
            trouble=None if value["trouble"] is None else Trouble.from_json(value["trouble"]),
        )
        if not procedure.is_whole():
            raise ValueError("a procedure that does not fit together")
        return procedure

    def is_whole(self) -> bool:
        """Tell whether what is under way has its mend, and what is installed too."""
        trouble, records = self.trouble, {done.record for done in self.mends}
        undo = () if trouble is None else trouble.undo
        is_mending = trouble is not None and trouble.is_mending
        return records.issuperset({*self.installs, *undo}) and (bool(self.mends) or not is_mending)


def _said(done: DoneMend) -> str:
    """Say what was done about a failure, and what it came to."""
    mend = done.mend
    if done.ok is None:
        return f"{mend.why}: under way"
    return f"{mend.why}: done" if done.ok else f"{mend.why}: in vain, {mend.outcome}"


NOT_BEGUN = Procedure()
"""The procedure of a run that was just made."""
