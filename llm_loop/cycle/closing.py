"""Close a cycle: one event that holds everything proposed, judged, run and learned in it."""

from __future__ import annotations

from typing import Any

from llm_loop.contract.cycle_event import PREVIEW_CHARACTERS, CycleEvent
from llm_loop.contract.run import Attempt, Run, RunState
from llm_loop.cycle.call_records import lean
from llm_loop.cycle.context import Context
from llm_loop.cycle.procedure.account import auto_repair
from llm_loop.memory.state import Plan

_NOTHING_TOLD: dict[str, Any] = {
    "used_web_search": False,
    "parsed_event_lines": 0,
    "trace_file": None,
    "tool_signals": [],
}
_NO_GATE: dict[str, Any] = {"source": "primary", "blocked": False, "issues": [], "details": []}


def close(
    context: Context, *, plan: Plan | None = None, run: Run | None = None, result: str, reason: str | None = None
) -> None:
    """Journal the closing event of the cycle of ``plan`` or of ``run``."""
    proposals, review, accepted, use = _story(context, plan, run)
    decision = accepted["decision"] if accepted is not None else _last_decision(proposals)
    cycle, trace_id = (run.cycle, run.cycle_trace_id) if run is not None else _of(plan)
    gate = accepted["quality_gate"] if accepted is not None else _last_gate(proposals)
    event = CycleEvent(
        cycle=cycle,
        cycle_trace_id=trace_id,
        decision_source=_source(accepted),
        proposer=None if accepted is None else accepted["proposer"],
        action=decision["action"] if accepted is not None and decision is not None else "wait",
        result=result,
        reason=reason,
        run_id=None if run is None else run.run_id,
        run_label="" if run is None else run.label,
        idea_category=None if decision is None else decision["idea_category"],
        rationale="" if decision is None else decision["rationale"],
        command_preview="" if decision is None else decision["command"][:PREVIEW_CHARACTERS],
        quality_gate=gate,
        proposals=[*proposals],
        run_outcome=None if run is None or not run.attempts else _outcome(context, run),
        run_outcome_initial=_initial(context, run),
        run_outcome_retry=_retry(context, run),
        auto_repair=None if run is None else auto_repair(run),
        codex=_codex(context, trace_id, review, proposals),
        use=use,
        best=context.memory.best(),
        delta_best=None if run is None or run.result is None else context.memory.delta_of(run.run_id),
        delta_tied=None if run is None or run.result is None else context.memory.tied_with_best(run.run_id),
    )
    context.ledger.record("cycle", **event.to_json())


def _story(
    context: Context, plan: Plan | None, run: Run | None
) -> tuple[list[dict[str, Any]], dict[str, Any] | None, dict[str, Any] | None, dict[str, Any] | None]:
    if run is not None:
        record = run.cycle_record
        accepted = {
            "decision": run.decision,
            "proposer": run.proposer,
            "source": record["decision_source"],
            "quality_gate": record["quality_gate"],
        }
        return record["proposals"], record["review"], accepted, record.get("use")
    assert plan is not None
    use = context.ledger.state.agent_use.cycle.to_json()
    return [lean(record) for record in plan.proposals], plan.review, plan.accepted, use


def _of(plan: Plan | None) -> tuple[int, str]:
    assert plan is not None
    return plan.cycle, plan.cycle_trace_id


def _source(accepted: dict[str, Any] | None) -> str:
    if accepted is None:
        return "none"
    return "mentor" if accepted["source"] == "mentor_suggested" else "primary"


def _last_decision(proposals: list[dict[str, Any]]) -> dict[str, Any] | None:
    return next((record["decision"] for record in reversed(proposals) if record["decision"] is not None), None)


def _last_gate(proposals: list[dict[str, Any]]) -> dict[str, Any]:
    judged = (record["quality_gate"] for record in reversed(proposals) if record["decision"] is not None)
    return next(judged, _NO_GATE)


def _outcome(context: Context, run: Run) -> dict[str, Any]:
    return {
        "status": run.state.value,
        "cause": run.cause,
        "detail": run.detail,
        **_of_attempt(context, run.last_attempt),
        "value": None if run.result is None else run.result["value"],
        "metric": None if run.result is None else run.result["metric"],
    }


def _of_attempt(context: Context, attempt: Attempt) -> dict[str, Any]:
    return {
        "exit_code": attempt.exit_code,
        "attempts": attempt.number,
        "stdout_log": str(context.paths.logs / f"{attempt.log_tag}.stdout.log"),
        "stderr_log": str(context.paths.logs / f"{attempt.log_tag}.stderr.log"),
    }


def _initial(context: Context, run: Run | None) -> dict[str, Any] | None:
    """Return what came of the last attempt before the first mend, in the form of ``run_outcome``; None without one."""
    before = _attempts_before_a_mend(run)
    if run is None or before is None:
        return None
    attempt = run.attempts[before - 1]
    failed = {"status": RunState.FAILED.value, "cause": attempt.cause, "detail": None}
    return {**failed, **_of_attempt(context, attempt), "value": None, "metric": None}


def _retry(context: Context, run: Run | None) -> dict[str, Any] | None:
    """Return what came of the attempts after a mend, in the form of ``run_outcome``; None without one."""
    return None if run is None or _attempts_before_a_mend(run) is None else _outcome(context, run)


def _attempts_before_a_mend(run: Run | None) -> int | None:
    """Return how many attempts there were before the first mend that was tried out; None without one."""
    mended = [] if run is None else [done.attempts for done in run.procedure.mends if done.ok and done.attempts]
    return mended[0] if run is not None and mended and len(run.attempts) > mended[0] else None


def _codex(
    context: Context, trace_id: str, review: dict[str, Any] | None, proposals: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return the block that readers of the journal know; the worker's figures are those of its last own call."""
    told = [record["told"] for record in proposals if record.get("told") is not None]
    return {
        "interaction_mode": context.config.interaction_mode.value,
        **(told[-1] if told else _NOTHING_TOLD),
        "mentor": review,
        "worker_housekeeping": context.memory.housekeeping_of(trace_id),
    }
