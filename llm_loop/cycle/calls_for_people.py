"""Call a person once for each reason, and take the call back when the reason has gone."""

from __future__ import annotations

from llm_loop.config import ApprovalRule, Config
from llm_loop.cycle.ledger import Ledger
from llm_loop.memory.interventions import NEEDED, NO_LONGER, Intervention, Interventions, id_of
from llm_loop.memory.queue import held_runs
from llm_loop.views.untrusted import clean

MOST_HELD = 4
"""So many runs may wait for a person's word; then nothing more is planned that may need one."""
APPROVAL, MANY_WAIT = "approval", "many_wait"
ALL = "all"
"""What a person writes in place of an id to resolve every reason."""
BY_LOOP, BY_PERSON = "loop", "person"
_SENTENCE, _MANY_SENTENCES, _NAME, _PATH = 400, 1000, 120, 1000


def call_a_person(
    ledger: Ledger,
    *,
    phase: str,
    cause: str,
    why: str,
    what_to_do: str,
    attempted: str | None = None,
    failure: str | None = None,
    is_global: bool = False,
    run_id: str | None = None,
    subject: str | None = None,
    log: str | None = None,
) -> None:
    """Journal a reason for which a person is needed, unless it is open already. Raises FileWriteError.

    Phase, cause and subject tell a reason from others: another run that meets the same one is not told. Texts may be
    of a training or a model: each becomes one line of a bounded length. See ``Intervention`` for what they mean.
    """
    cause, subject = clean(cause, _NAME), _line(subject, _NAME)
    if ledger.state.interventions.of(phase, cause, subject) is not None:
        return
    ledger.record(
        NEEDED,
        id=id_of(ledger.state.seq + 1),
        phase=phase,
        cause=cause,
        why=clean(why, _SENTENCE),
        attempted=_line(attempted, _MANY_SENTENCES),
        failure=_line(failure, _SENTENCE),
        what_to_do=clean(what_to_do, _MANY_SENTENCES),
        is_global=is_global,
        run_id=run_id,
        subject=subject,
        log=_line(log, _PATH),
    )


def call_no_longer(ledger: Ledger, phase: str, cause: str, why: str, subject: str | None = None) -> None:
    """Journal that a reason has gone, where it was open. Raises FileWriteError."""
    reason = ledger.state.interventions.of(phase, clean(cause, _NAME), _line(subject, _NAME))
    if reason is not None:
        _close(ledger, reason, why, by=BY_LOOP)


def meant_by(wanted: str, known: Interventions) -> tuple[Intervention, ...]:
    """Return the open reasons that a person means: the one of that id, whatever its case, or all; () for none."""
    name = wanted.strip().lower()
    return tuple(one for one in known.reasons if not one.resolved and name in (ALL, one.id.lower()))


def not_open(wanted: str, known: Interventions) -> tuple[str, ...]:
    """Say that no reason of that id is open, and which are: a line each."""
    if not known.reasons:
        return ("nothing is open: nobody is needed",)
    listed = [clean(f"{one.id} {one.phase}: {one.why}", 160) for one in known.reasons]
    return (f"no reason {clean(wanted, 40)!r} is open here; open {'is' if len(listed) == 1 else 'are'}", *listed)


def close_resolved(ledger: Ledger) -> None:
    """Close what a person has resolved: at once, or after a crash. Raises FileWriteError."""
    for reason in ledger.state.interventions.reasons:
        if reason.resolved:
            why = "a person resolved it" + (f": {reason.note}" if reason.note else "")
            _close(ledger, reason, why, by=BY_PERSON)


def _close(ledger: Ledger, reason: Intervention, why: str, *, by: str) -> None:
    ledger.record(
        NO_LONGER,
        id=reason.id,
        phase=reason.phase,
        cause=reason.cause,
        subject=reason.subject,
        why=why,
        by=by,
        note=reason.note,
    )


def _line(text: str | None, most: int) -> str | None:
    return None if text is None else clean(text, most) or None


def planner_fills_in(config: Config) -> bool:
    """Tell whether the built-in planner feeds the slots while people are waited for: it changes no code."""
    return config.requires_approval is ApprovalRule.EDITS and config.fallback_planner


def call_for_approval(ledger: Ledger, config: Config) -> None:
    """Say once that runs enough wait for a person's word, and once that it is fewer. Raises FileWriteError."""
    held = held_runs(ledger.state.runs.values(), config.requires_approval)
    if len(held) >= MOST_HELD:
        names = ", ".join(run.run_id for run in held)
        rest = "only the built-in planner plans" if planner_fills_in(config) else "nothing more is planned"
        why = f"{len(held)} runs wait for a person's word ({names}): {rest} until then"
        to_do = "llm-loop approve RUN or llm-loop reject RUN; `llm-loop queue` lists them"
        call_a_person(ledger, phase=APPROVAL, cause=MANY_WAIT, why=why, what_to_do=to_do)
    else:
        call_no_longer(ledger, APPROVAL, MANY_WAIT, "fewer runs wait for a person's word")
