"""A journal as version 0.1.0 wrote it before code versions, costs and the mentor's worth were journaled."""

from __future__ import annotations

from typing import Any

from tests.memory.campaign_events import DECISION, GATE, Event, attempt, proposal, run_json

ONE, TWO, THREE = (f"C000{number}-aaaaaaa{number}" for number in (1, 2, 3))
CHALLENGE: dict[str, Any] = {
    "display_name": "AI-Mentor",
    "role_mode": "challenge_reviewer",
    "enabled": True,
    "run": True,
    "agent": "command",
    "reasons": ["cadence_every_2"],
    "recommendation": "challenge",
    "applied": True,
    "critique": "off_track: the same again",
    "questions": [],
    "suggested_decision": DECISION,
    "mentor_notes": "",
    "todo_updates": [],
    "shared_todo_added": [],
    "error": None,
}
SUGGESTION = proposal(True, "command mentor") | {"source": "mentor_suggested"}


def old_journal() -> list[Event]:
    """Return the events: a run, a challenge that became the second run, a call that was in flight at the end."""
    first, second = "C0001-aaaaaaa1-worker-1", "C0002-aaaaaaa2-worker-2"
    events: list[Event] = [
        {"event": "daemon_started", "pid": 77, "version": "0.1.0", "python": "3.11.7"},
        *_decided(1, ONE, first),
        _staged(1, ONE, "R0001"),
        *_trained("R0001", 0.5, 1, ONE),
        _closed(1, ONE, "R0001", 0.5, None, None),
        *_decided(2, TWO, second),
        {"event": "review_due", "cycle": 2, "cycle_trace_id": TWO, "reasons": ["cadence_every_2"]},
        _called(TWO, "C0002-aaaaaaa2-mentor-3", "mentor"),
        _answered(2, TWO, "review", "C0002-aaaaaaa2-mentor-3", record=CHALLENGE, suggestion=SUGGESTION),
        _staged(2, TWO, "R0002"),
        *_trained("R0002", 0.45, 2, TWO),
        _closed(2, TWO, "R0002", 0.45, -0.05, CHALLENGE),
        *_decided(3, THREE, "C0003-aaaaaaa3-worker-4"),
        _staged(3, THREE, "R0003"),
        {"event": "attempt_intended", "run_id": "R0003", "label": "R0003-label", "attempt": attempt(1)},
        {"event": "cycle_opened", "cycle": 4, "cycle_trace_id": "C0004-aaaaaaa4", "agent": "command"},
        _called("C0004-aaaaaaa4", "C0004-aaaaaaa4-worker-5", "worker"),
    ]
    return [{"seq": seq, "ts_utc": f"2026-03-01T22:00:{seq:02}Z"} | event for seq, event in enumerate(events, 1)]


def old_state(state: dict[str, Any]) -> dict[str, Any]:
    """Return the snapshot of a state as version 0.1.0 wrote it."""
    loop = {name: value for name, value in state.items() if name not in _ADDED}
    runs = {run_id: {k: v for k, v in run.items() if k != "code"} for run_id, run in state["runs"].items()}
    return loop | {"runs": runs}


_ADDED = ("agent_use", "reviews", "mentor_worth", "streaks")


def _decided(cycle: int, trace: str, call_id: str) -> list[Event]:
    return [
        {"event": "cycle_opened", "cycle": cycle, "cycle_trace_id": trace, "agent": "command"},
        _called(trace, call_id, "worker"),
        _answered(cycle, trace, "proposal", call_id, record=proposal(True)),
    ]


def _called(trace: str, call_id: str, role: str) -> Event:
    step = "review" if role == "mentor" else "decide"
    return {
        "event": "call_intended",
        "cycle_trace_id": trace,
        "call_id": call_id,
        "role": role,
        "step": step,
        "agent": "command",
    }


def _answered(cycle: int, trace: str, kind: str, call_id: str, **fields: Any) -> Event:
    call = {"call_id": call_id, "agent": "command", "cause": "exited", "exit_code": 0, "duration_s": 2.0}
    return {"event": kind, "cycle": cycle, "cycle_trace_id": trace, **fields, "call": call}


def _staged(cycle: int, trace: str, run_id: str) -> Event:
    run = run_json(run_id, cycle, trace)
    return {"event": "run_staged", "cycle": cycle, "cycle_trace_id": trace, "run": run, "bootstrap": False}


def _trained(run_id: str, value: float, cycle: int, trace: str) -> list[Event]:
    result = {
        "metric": "val_log_loss",
        "direction": "min",
        "value": value,
        "best_val_score": -value,
        "best_epoch": 1,
        "epochs_run": 1,
        "n": 100,
        "split": "val",
        "seed": 0,
        "budget": {"epochs": 1},
        "params": {"x": value},
        "stopped_early": False,
        "trainer_version": "fake",
        "data_hash": "d",
        "score_source": "self_reported",
        "interval": None,
        "model": "fake",
        "run_seconds": 0.1,
        "test_opened": False,
        "schema_version": 1,
    }
    ended = {"cause": "exited", "exit_code": 0, "duration_s": 3.0, "cpu_s": 2.0, "peak_memory_bytes": 1000}
    times = {"started_monotonic_s": 1.0, "ended_monotonic_s": 4.0, "slots": 1, "ended_utc": "2026-03-01T22:00:09Z"}
    row = {
        "seq": 0,
        "run_id": run_id,
        "label": f"{run_id}-label",
        "label_decided": "first try",
        "cycle": cycle,
        "cycle_trace_id": trace,
        "state": "completed",
        "cause": None,
        "proposer": "command",
        "idea_category": "loss",
        "started_utc": "2026-03-01T22:00:01Z",
        "ended_utc": "2026-03-01T22:00:09Z",
        "run_seconds": 3.0,
        "attempts": 1,
        "command": DECISION["command"],
        "params": {"x": value},
        "result": result,
        "metrics": {"val_log_loss": value},
        "code_version": None,
        "peak_memory_bytes": 1000,
        "cpu_seconds": 2.0,
        "config_hash": "0123456789ab",
        "schema_version": 1,
    }
    of = {"run_id": run_id}
    return [
        {"event": "attempt_intended", **of, "label": f"{run_id}-label", "attempt": attempt(1)},
        {"event": "attempt_started", **of, "pid": 99, "started_utc": "2026-03-01T22:00:01Z"},
        {"event": "attempt_ended", **of, "attempt": 1, **ended, **times, "detail": None},
        {
            "event": "run_ended",
            **of,
            "cycle": cycle,
            "cycle_trace_id": trace,
            "state": "completed",
            "cause": None,
            "detail": None,
            "result": result,
            "metrics": {"val_log_loss": value},
            "bootstrap": False,
            "outcome": f"completed val_log_loss={value:g}",
            "row": row,
        },
    ]


def _closed(
    cycle: int, trace: str, run_id: str, value: float, delta: float | None, mentor: dict[str, Any] | None
) -> Event:
    return {
        "event": "cycle",
        "cycle": cycle,
        "cycle_trace_id": trace,
        "decision_source": "primary" if mentor is None else "mentor",
        "proposer": "command" if mentor is None else "command mentor",
        "action": "run_command",
        "result": "run_command",
        "reason": None,
        "run_id": run_id,
        "run_label": f"{run_id}-label",
        "idea_category": "loss",
        "rationale": DECISION["rationale"],
        "command_preview": DECISION["command"],
        "quality_gate": GATE,
        "proposals": [proposal(True)] if mentor is None else [proposal(True), SUGGESTION],
        "run_outcome": {
            "status": "completed",
            "cause": None,
            "detail": None,
            "exit_code": 0,
            "attempts": 1,
            "stdout_log": "log-1.stdout.log",
            "stderr_log": "log-1.stderr.log",
            "value": value,
            "metric": "val_log_loss",
        },
        "run_outcome_retry": None,
        "auto_repair": None,
        "codex": {
            "interaction_mode": "standard",
            "used_web_search": False,
            "mentor": mentor,
            "worker_housekeeping": None,
        },
        "best": {"run_id": run_id, "label": f"{run_id}-label", "metric": "val_log_loss", "value": value},
        "delta_best": delta,
        "schema_version": 1,
    }
