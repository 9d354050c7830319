"""What the journal keeps of a call and of what it proposed."""

from __future__ import annotations

from typing import Any

from llm_loop.agents.agent import CODEX, CallOutcome
from llm_loop.contract.call_report import CallReport, FailureCause
from llm_loop.contract.code_change import CodeChange
from llm_loop.contract.decision import Decision
from llm_loop.memory.state import Plan
from llm_loop.stages import gate
from llm_loop.system.processes import Ending

_TOLD = ("used_web_search", "parsed_event_lines", "trace_file", "tool_signals")
_NO_VERDICT: dict[str, Any] = {"blocked": False, "issues": [], "details": []}


def of_cycle(plan: Plan) -> dict[str, Any]:
    """Return the fields by which an event belongs to a cycle."""
    return {"cycle": plan.cycle, "cycle_trace_id": plan.cycle_trace_id}


def call_record(
    plan: Plan, ending: Ending | None, outcome: CallOutcome | None, why: list[str] | None, model: str | None
) -> dict[str, Any]:
    """Return what the journal keeps of a call: how it ended, what it cost, why it gave nothing that can be used."""
    report = None if outcome is None or outcome.report is None else outcome.report.to_json() | {"code": None}
    record = {
        "call_id": plan.call_id,
        "agent": plan.agent,
        "role": "mentor" if plan.step == "review" else "worker",
        "model": model if plan.agent == CODEX else None,
        "cause": None if ending is None else ending.cause.value,
        "exit_code": None if ending is None else ending.exit_code,
        "duration_s": None if ending is None else ending.duration_s,
        "report": report,
    }
    if plan.agent != CODEX:
        return record
    failure = None if report is None else report["failure"]
    if failure is None and why and ending is not None:
        failure = {"cause": FailureCause.SCHEMA.value, "message": "; ".join(why)[:500], "retry_after_s": None}
    return record | {"failure": failure}


def proposal_record(
    proposer: str,
    source: str,
    decision: Decision | None,
    *,
    unusable: list[str] | None = None,
    verdict: gate.Verdict | None = None,
    code: CodeChange | None = None,
    report: CallReport | None = None,
) -> dict[str, Any]:
    """Return what history keeps of a proposal: the decision as made, the change of code, and the gate's verdict."""
    judged = (_NO_VERDICT if verdict is None else verdict.to_json()) | {"source": source}
    return {
        "proposer": proposer,
        "source": source,
        "decision": None if decision is None else decision.to_json(),
        "code": None if code is None else code.to_json(),
        "unusable": unusable,
        "told": None if report is None else {name: report.to_json()[name] for name in _TOLD},
        "quality_gate": judged,
        "accepted": decision is not None and not judged["blocked"],
    }


def lean(record: dict[str, Any]) -> dict[str, Any]:
    """Return a proposal's record without the diff, which stands once in the event of the proposal."""
    code = record.get("code")
    return record if code is None else record | {"code": code | {"diff": "", "config_files": None}}
