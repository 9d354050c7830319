"""What a closed cycle says: its line in the summaries and its entry in the storyline."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from llm_loop.contract.result import Direction
from llm_loop.memory.journal import Event
from llm_loop.memory.storyline import Best, GateReason, StoryEntry

_SUMMARY_FIELDS = (
    "seq",
    "ts_utc",
    "cycle",
    "cycle_trace_id",
    "action",
    "result",
    "run_id",
    "run_label",
    "idea_category",
    "proposer",
    "decision_source",
    "delta_best",
)


def summary_of(event: Event) -> dict[str, Any]:
    """Return the line of ``cycle_summaries.jsonl`` for a closing ``cycle`` event."""
    mentor = event["codex"]["mentor"] or {}
    outcome = event["run_outcome"] or {}
    return {name: event[name] for name in _SUMMARY_FIELDS} | {
        "status": outcome.get("status"),
        "metric": outcome.get("metric"),
        "value": outcome.get("value"),
        "best_value": (event["best"] or {}).get("value"),
        "gate_blocked": event["quality_gate"]["blocked"],
        "mentor": mentor.get("recommendation"),
        "mentor_applied": mentor.get("applied"),
        "used_web_search": event["codex"]["used_web_search"],
    }


def story_of(event: Event, direction: Direction) -> StoryEntry:
    """Return the entry of the storyline for a closing ``cycle`` event; ``direction`` says which way a gain goes."""
    outcome, mentor = event["run_outcome"], event["codex"]["mentor"]
    best = None
    if outcome is not None and outcome["value"] is not None:
        best = Best(metric=outcome["metric"], value=outcome["value"])
    return StoryEntry(
        cycle=event["cycle"],
        cycle_trace_id=event["cycle_trace_id"],
        at_utc=event["ts_utc"],
        action=event["action"],
        category=event["idea_category"],
        run=event["run_label"] or None,
        outcome=_outcome_words(event),
        best=best,
        delta=event["delta_best"],
        improved=None if event["delta_best"] is None else _is_gain(event["delta_best"], direction),
        proposer=event["proposer"],
        mentor=None if mentor is None else _mentor_words(mentor),
        gate_blocked=event["quality_gate"]["blocked"],
        why=event["rationale"] or event["reason"] or "",
        gate_reasons=tuple(_gate_reasons(event["proposals"])),
    )


def _is_gain(delta: float, direction: Direction) -> bool:
    return delta < 0 if direction is Direction.MIN else delta > 0


def _outcome_words(event: Event) -> str:
    outcome = event["run_outcome"]
    if outcome is None:
        return str(event["result"]) + (f" ({event['reason']})" if event["result"] == "dropped" else "")
    cause = f" ({outcome['cause']})" if outcome["cause"] else ""
    return f"{outcome['status']}{cause}"


def _mentor_words(mentor: dict[str, Any]) -> str:
    if not mentor["run"]:
        return "unreviewed"
    return str(mentor["recommendation"]) + (" (applied)" if mentor["applied"] else "")


def _gate_reasons(proposals: list[dict[str, Any]]) -> Iterable[GateReason]:
    for record in proposals:
        for reason in record["unusable"] or ():
            yield GateReason(
                proposer=record["proposer"], reason=reason, fix="answer with one JSON object of the schema"
            )
        if record["quality_gate"]["blocked"]:
            for issue in record["quality_gate"]["details"]:
                yield GateReason(
                    proposer=record["proposer"], reason=f"{issue['code']}: {issue['message']}", fix=issue["fix"]
                )
