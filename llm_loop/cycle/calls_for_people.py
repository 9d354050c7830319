"""Call a person once for each reason, and take the call back when the reason has gone."""

from __future__ import annotations

from llm_loop.config import ApprovalRule
from llm_loop.cycle.ledger import Ledger
from llm_loop.memory.interventions import NEEDED, NO_LONGER, id_of
from llm_loop.memory.queue import held_runs

MOST_HELD = 4
"""So many runs may wait for a person's word; then nothing more is planned."""
APPROVAL, MANY_WAIT = "approval", "many_wait"


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
) -> None:
    """Journal a reason for which a person is needed, unless it is open already. Raises FileWriteError."""
    if ledger.state.interventions.of(phase, cause) is not None:
        return
    ledger.record(
        NEEDED,
        id=id_of(ledger.state.seq + 1),
        phase=phase,
        cause=cause,
        why=why,
        attempted=attempted,
        failure=failure,
        what_to_do=what_to_do,
        is_global=is_global,
    )


def call_no_longer(ledger: Ledger, phase: str, cause: str, why: str) -> None:
    """Journal that a reason has gone, where it was open. Raises FileWriteError."""
    reason = ledger.state.interventions.of(phase, cause)
    if reason is not None:
        ledger.record(NO_LONGER, id=reason.id, phase=phase, cause=cause, why=why)


def call_for_approval(ledger: Ledger, rule: ApprovalRule) -> None:
    """Say once that nothing more is planned until a person's word, and once that it is. Raises FileWriteError."""
    held = held_runs(ledger.state.runs.values(), rule)
    if len(held) >= MOST_HELD:
        names = ", ".join(run.run_id for run in held)
        why = f"{len(held)} runs wait for a person's word ({names}): nothing more is planned until then"
        to_do = "llm-loop approve RUN or llm-loop reject RUN; `llm-loop queue` lists them"
        call_a_person(ledger, phase=APPROVAL, cause=MANY_WAIT, why=why, what_to_do=to_do)
    else:
        call_no_longer(ledger, APPROVAL, MANY_WAIT, "fewer runs wait for a person's word")
