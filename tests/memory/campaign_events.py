"""A whole small campaign, as events of the journal."""

from __future__ import annotations

from typing import Any

Event = dict[str, Any]

DECISION: dict[str, Any] = {
    "schema_version": 1,
    "action": "run_command",
    "rationale": "Because of the evidence at hand.",
    "command": "python t.py",
    "run_label": "first try",
    "idea_category": "loss",
    "monitor_seconds": 60,
    "stop_patterns": [],
    "housekeeping": {"todo_new": [], "notes_update": "", "data_exploration_update": "", "resolve_shared_todo_ids": []},
    "working_folder": ".",
    "builds_on": [],
    "target_run_id": None,
    "run_files": None,
    "edits": None,
    "install_packages": None,
}
GATE: dict[str, Any] = {"source": "primary", "blocked": False, "issues": [], "details": []}
BLOCKED = GATE | {"blocked": True, "issues": ["run_label_generic"]}


def proposal(accepted: bool, proposer: str = "command") -> dict[str, Any]:
    gate = GATE if accepted else BLOCKED
    return {
        "proposer": proposer,
        "source": "primary",
        "decision": DECISION,
        "unusable": None,
        "quality_gate": gate,
        "accepted": accepted,
    }


def run_json(run_id: str, cycle: int, trace: str) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "label": f"{run_id}-label",
        "label_decided": "first try",
        "cycle": cycle,
        "cycle_trace_id": trace,
        "state": "staged",
        "decision": DECISION,
        "proposer": "command",
        "monitor_seconds": 60,
        "experiment": f"key-{run_id}",
        "staged_seq": 0,
        "attempts": [],
        "stop_reason": None,
        "cause": None,
        "detail": None,
        "result": None,
        "metrics": None,
        "cycle_record": {
            "proposals": [proposal(True)],
            "review": None,
            "decision_source": "primary",
            "quality_gate": GATE,
        },
        "schema_version": 1,
    }


def attempt(number: int) -> dict[str, Any]:
    return {"number": number, "tag": f"tag-{number}", "log_tag": f"log-{number}", "engine": "local"}


def ended(run_id: str, cause: str, code: int | None, start: float | None, end: float | None) -> Event:
    return {
        "event": "attempt_ended",
        "run_id": run_id,
        "attempt": 1,
        "cause": cause,
        "exit_code": code,
        "duration_s": 3.0,
        "cpu_s": 2.0,
        "peak_memory_bytes": 1000,
        "started_monotonic_s": start,
        "ended_monotonic_s": end,
        "slots": 1,
        "ended_utc": "2026-03-01T22:00:09Z",
        "detail": None,
    }


def run_ended(run_id: str, state: str, bootstrap: bool = False) -> Event:
    return {
        "event": "run_ended",
        "run_id": run_id,
        "state": state,
        "cause": None,
        "detail": None,
        "result": None,
        "metrics": {"val_log_loss": 0.5},
        "bootstrap": bootstrap,
        "outcome": state,
    }


def campaign() -> list[Event]:
    """Return the events: a run with a refusal, a review and a restart; a wait; a dropped run; one that is open."""
    one, two, three, four = (f"C000{n}-aaaaaaa{n}" for n in range(1, 5))
    events: list[Event] = [
        {"event": "daemon_started"},
        {"event": "cycle_opened", "cycle": 1, "cycle_trace_id": one, "agent": "command"},
        {"event": "call_intended", "call_id": "call-1", "step": "decide", "agent": "command"},
        {"event": "proposal", "record": proposal(False)},
        {"event": "call_intended", "call_id": "call-2", "step": "decide", "agent": "command"},
        {"event": "proposal", "record": proposal(True)},
        {"event": "review_due", "reasons": ["cadence_every_4"]},
        {"event": "call_intended", "call_id": "call-3", "step": "review", "agent": "builtin"},
        {"event": "review", "record": {"run": True}, "suggestion": proposal(True, "builtin")},
        {"event": "run_staged", "run": run_json("R0001", 1, one), "bootstrap": True},
        {"event": "attempt_intended", "run_id": "R0001", "attempt": attempt(1)},
        {"event": "attempt_started", "run_id": "R0001", "pid": 77, "started_utc": "2026-03-01T22:00:01Z"},
        {"event": "cycle_opened", "cycle": 2, "cycle_trace_id": two, "agent": "command"},
        ended("R0001", "interrupted", None, 10.0, 14.0),
        {"event": "run_moved", "run_id": "R0001", "state": "interrupted"},
        {"event": "daemon_started"},
        {"event": "run_moved", "run_id": "R0001", "state": "queued"},
        {"event": "attempt_intended", "run_id": "R0001", "attempt": attempt(2)},
        ended("R0001", "exited", 0, 3.0, 5.0),
        run_ended("R0001", "completed", bootstrap=True),
        {"event": "cycle", "cycle_trace_id": one, "result": "run_command"},
        {"event": "an_event_of_a_later_version", "run_id": "R0001", "plan": 3},
        {"event": "cycle", "cycle_trace_id": two, "result": "wait"},
        {"event": "cycle_opened", "cycle": 3, "cycle_trace_id": three, "agent": "builtin"},
        {"event": "run_staged", "run": run_json("R0002", 3, three), "bootstrap": False},
        run_ended("R0002", "cancelled"),
        {"event": "cycle", "cycle_trace_id": three, "result": "dropped"},
        {"event": "cycle_opened", "cycle": 4, "cycle_trace_id": four, "agent": "command"},
        {"event": "run_staged", "run": run_json("R0003", 4, four), "bootstrap": False},
        {"event": "attempt_intended", "run_id": "R0003", "attempt": attempt(1)},
        {"event": "attempt_started", "run_id": "R0003", "pid": 99, "started_utc": "2026-03-01T22:01:00Z"},
        {"event": "stop_requested", "run_id": "R0003", "reason": "stall"},
        {"event": "stop_requested", "run_id": "R0099", "reason": "a run that is gone"},
        {"event": "cycle_opened", "cycle": 5, "cycle_trace_id": "C0005-aaaaaaa5", "agent": "command"},
        {"event": "call_intended", "call_id": "call-4", "step": "decide", "agent": "command"},
    ]
    return [{"seq": seq, "ts_utc": "2026-03-01T22:00:00Z"} | event for seq, event in enumerate(events, 1)]
