"""Call a person once for each reason, and take the call back when the reason has gone."""

from __future__ import annotations

from llm_loop.cycle.ledger import Ledger
from llm_loop.memory.interventions import NEEDED, NO_LONGER, id_of


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
