"""How far a run has come in its procedure: the steps it passed and what was mended on the way, as values."""

from __future__ import annotations

from dataclasses import dataclass

from llm_loop.contract.procedure import Procedure
from llm_loop.views.untrusted import clean, number_of, text_of, whole_of

WHY_CHARACTERS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStatus:
    """Hold one passing of one step, as ``StepRecord`` has it: ``number`` counts it among those of its kind."""

    step: str
    number: int | None
    attempt: int | None
    state: str
    seconds: float | None
    ended_utc: str | None
    cause: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MendStatus:
    """Hold one mend: the rule that chose it, why, and what it came to; ``ok`` is None while that is not known."""

    rule: str
    why: str
    ok: bool | None
    outcome: str | None


def steps_of(procedure: Procedure) -> tuple[StepStatus, ...]:
    """Return the steps, oldest first."""
    return tuple(
        StepStatus(
            step=one.step.value,
            number=whole_of(one.number),
            attempt=whole_of(one.attempt),
            state=one.state.value,
            seconds=number_of(one.seconds),
            ended_utc=text_of(one.ended_utc, 40),
            cause=text_of(one.cause, 120),
        )
        for one in procedure.steps
    )


def mends_of(procedure: Procedure) -> tuple[MendStatus, ...]:
    """Return the mends, oldest first."""
    return tuple(
        MendStatus(
            rule=clean(str(done.mend.rule), 80),
            why=clean(str(done.mend.why), WHY_CHARACTERS),
            ok=done.ok if isinstance(done.ok, bool) else None,
            outcome=text_of(done.mend.outcome, WHY_CHARACTERS),
        )
        for done in procedure.mends
    )


def mended_words(mends: tuple[MendStatus, ...]) -> str | None:
    """Say what was mended: ``mended: half the batch``; None for nothing."""
    whys = [mend.why for mend in mends if mend.ok]
    return f"mended: {'; '.join(whys)}" if whys else None
