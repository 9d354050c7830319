"""Fold the events of the plan lane: what each changes in the cycle that is open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from llm_loop.contract.procedure import ModelRepair
from llm_loop.contract.run import Run
from llm_loop.memory.journal import Event
from llm_loop.memory.state import LoopState, Plan


def open_plan(state: LoopState) -> Plan:
    """Return the open cycle. Raises ValueError for a journal that never opened one."""
    if state.plan is None:
        raise ValueError("the journal names a plan that was never opened")
    return state.plan


def _cycle_opened(state: LoopState, event: Event) -> LoopState:
    woken_by = tuple(event.get("woken_by", ()))
    plan = Plan(
        cycle=event["cycle"],
        cycle_trace_id=event["cycle_trace_id"],
        agent=event["agent"],
        woken_by=woken_by,
        repairs=event.get("repairs"),
    )
    runs = with_model_repair(state.runs, plan.repairs, ModelRepair.ASKED)
    for wake in woken_by:
        if (run := runs.get(wake["run_id"] or "")) is not None:
            runs[run.run_id] = replace(run, wakes=(*run.wakes, wake["reason"]))
    return replace(state, cycle=event["cycle"], plan=plan, runs=runs)


def with_model_repair(
    runs: dict[str, Run], run_id: str | None, model: ModelRepair, word: str | None = None
) -> dict[str, Run]:
    """Return the runs, that one's repair by an agent as far as ``model`` says, where it is under repair."""
    run = runs.get(run_id or "")
    if run is None or run.procedure.trouble is None:
        return dict(runs)
    trouble = replace(run.procedure.trouble, model=model, model_word=word)
    return {**runs, run.run_id: replace(run, procedure=replace(run.procedure, trouble=trouble))}


def _call_intended(state: LoopState, event: Event) -> LoopState:
    plan = open_plan(state)
    asks = plan.asks + 1 if event["agent"] == plan.agent and event["step"] == plan.step else 1
    plan = replace(plan, step=event["step"], agent=event["agent"], call_id=event["call_id"], asks=asks)
    if event["step"] == "decide" and (running := event.get("running")) is not None:
        plan = replace(plan, running=tuple(running))
    return replace(state, plan=plan, calls_made=state.calls_made + 1)


def _proposal(state: LoopState, event: Event) -> LoopState:
    plan = open_plan(state)
    record = event["record"]
    accepted = record if record["accepted"] else plan.accepted
    plan = replace(plan, call_id=None, proposals=(*plan.proposals, record), accepted=accepted)
    return replace(state, plan=plan)


def _place_refused(state: LoopState, event: Event) -> LoopState:
    """Take back the acceptance of a proposal whose code cannot run anywhere; an earlier accepted one stands again.

    Else it is the worker's turn again, whoever was asked last: as often as it has not been asked yet.
    """
    plan = open_plan(state)
    assert plan.accepted is not None
    issue = {"code": "code_not_placed", "message": event["why"], "fix": "run the code as it is, or change it elsewhere"}
    judged = plan.accepted["quality_gate"]
    gate = judged | {
        "blocked": True,
        "issues": [*judged["issues"], issue["code"]],
        "details": [*judged["details"], issue],
    }
    refused = plan.accepted | {"quality_gate": gate, "accepted": False}
    proposals = tuple(
        refused if record is plan.accepted or record == plan.accepted else record for record in plan.proposals
    )
    others = [record for record in proposals if record["accepted"]]
    accepted = others[-1] if others else None
    agent, asks = _worker_of(plan)
    return replace(
        state, plan=replace(plan, proposals=proposals, accepted=accepted, step="decide", agent=agent, asks=asks)
    )


def _worker_of(plan: Plan) -> tuple[str, int]:
    """Return who was asked last as the worker of a cycle, and how often in a row."""
    proposers = [record["proposer"] for record in plan.proposals if record["source"] == "primary"]
    if not proposers:
        return plan.agent, plan.asks
    asks = next((n for n, one in enumerate(reversed(proposers)) if one != proposers[-1]), len(proposers))
    return proposers[-1], asks


def _review_due(state: LoopState, event: Event) -> LoopState:
    return replace(state, plan=replace(open_plan(state), step="review", review_reasons=tuple(event["reasons"])))


def _review(state: LoopState, event: Event) -> LoopState:
    plan = replace(open_plan(state), call_id=None, review=event["record"])
    if (suggestion := event["suggestion"]) is not None:
        plan = replace(
            plan,
            proposals=(*plan.proposals, suggestion),
            accepted=suggestion if suggestion["accepted"] else plan.accepted,
        )
    return replace(state, plan=plan)


CHANGES: dict[str, Callable[[LoopState, Event], LoopState]] = {
    "cycle_opened": _cycle_opened,
    "call_intended": _call_intended,
    "proposal": _proposal,
    "place_refused": _place_refused,
    "review_due": _review_due,
    "review": _review,
}
