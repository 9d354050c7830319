"""Make the run of an accepted decision: its number, its label that nobody else has, what its cycle came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from llm_loop.contract.decision import Decision
from llm_loop.contract.run import PERSON, Approval, Run, RunCode
from llm_loop.cycle.call_records import lean
from llm_loop.cycle.context import Context
from llm_loop.memory.finish_up import Phase
from llm_loop.memory.queue import needs_approval
from llm_loop.memory.role_use import CycleUse
from llm_loop.stages.prepare import prepare


def run_of(
    context: Context,
    accepted: Mapping[str, Any],
    *,
    of_cycle: Mapping[str, Any],
    proposals: Iterable[dict[str, Any]],
    review: dict[str, Any] | None,
    use: CycleUse,
    code: RunCode,
    beside: Iterable[Run] = (),
) -> Run:
    """Return the run of an accepted proposal's record, not staged yet.

    ``of_cycle`` holds ``cycle`` and ``cycle_trace_id``; ``beside`` are runs that were made with this one and are not
    staged yet either.
    """
    decision = Decision.from_json(accepted["decision"])
    others = (*context.ledger.state.runs.values(), *beside)
    labels, ids = {run.label for run in others}, {run.run_id for run in others}
    run = prepare(
        decision,
        run_number=_next_run_number(context, ids),
        proposer=accepted["proposer"],
        label_is_taken=lambda label: label in labels or context.memory.label_is_taken(label),
        config=context.config,
        code=code,
        cycle_record={
            "proposals": [lean(record) for record in proposals],
            "review": review,
            "decision_source": accepted["source"],
            "quality_gate": accepted["quality_gate"],
            "use": use.to_json(),
        },
        **of_cycle,
    )
    waits = needs_approval(run, context.config.requires_approval)
    return replace(run, approval=Approval.WAITING) if waits else run


def stage(context: Context, run: Run) -> None:
    """Journal that a run is staged. Raises FileWriteError."""
    is_bootstrap = run.label_decided == context.config.bootstrap_label
    of_cycle = {"cycle": run.cycle, "cycle_trace_id": run.cycle_trace_id}
    is_final = context.ledger.state.finish_up.phase is Phase.FINAL_TRAINING and run.proposer != PERSON
    event = {"run": run.to_json(), "bootstrap": is_bootstrap, "is_final_round": is_final}
    if is_final and (told := context.last_hour.told) is not None:
        event["training_s"] = told.training_seconds_left
    context.ledger.record("run_staged", **of_cycle, **event)


def _next_run_number(context: Context, ids: set[str]) -> int:
    """Return the number behind the last run's; those whose folder or history is there are passed over.

    They are when a person moved the journal away: a new run must not meet an old one's result.
    """
    paths, memory = context.paths, context.memory
    number = context.ledger.state.runs_made + 1
    while (run_id := f"R{number:04d}") in ids or memory.has_ended(run_id) or paths.run(run_id).exists():
        number += 1
    return number
