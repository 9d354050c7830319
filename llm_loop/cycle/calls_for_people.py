"""Call a person once for each reason, and take the call back when the reason has gone."""

from __future__ import annotations

from llm_loop.config import ApprovalRule, Config
from llm_loop.cycle.ledger import Ledger
from llm_loop.memory.interventions import NEEDED, NO_LONGER, id_of
from llm_loop.memory.queue import held_runs

MOST_HELD = 4
"""So many runs may wait for a person's word; then nothing more is planned that may need one."""
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
