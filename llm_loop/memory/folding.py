"""Fold the journal into the state: ``apply`` takes one event and returns the next state.

Replaying the journal from its beginning gives the same state again, whenever a snapshot was taken in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from llm_loop.contract.procedure import ModelRepair
from llm_loop.contract.run import Attempt, Run, RunState
from llm_loop.memory import (
    agent_use,
    finish_up,
    interventions,
    mentor_worth,
    plan_folding,
    procedure_folding,
    queue,
    reviews,
    slot_use,
)
from llm_loop.memory.journal import Event
from llm_loop.memory.plan_folding import open_plan
from llm_loop.memory.state import LoopState
from llm_loop.memory.streaks import after_cycle

RECENT_EXPERIMENTS = 64
CODE_LOOKS = 16
REPLACED = "dropped: replaced by a later decision"
"""Why a staged run ends when a woken worker decides anew."""
_IDLE_RESULTS = ("wait", "no_active_run")


def apply(state: LoopState, event: Event) -> LoopState:
    """Return the state after ``event``; kinds that change nothing only move ``seq``."""
    change = _CHANGES.get(event["event"])
    return replace(
        state if change is None else change(state, event),
        seq=event["seq"],
        slot_use=slot_use.apply(state.slot_use, event),
        agent_use=agent_use.apply(state.agent_use, event),
        reviews=reviews.apply(state.reviews, event),
        mentor_worth=mentor_worth.apply(state.mentor_worth, event),
        streaks=after_cycle(state.streaks, event) if event["event"] == "cycle" else state.streaks,
        interventions=interventions.apply(state.interventions, event),
        queue=queue.apply(state.queue, event),
        finish_up=finish_up.apply(state.finish_up, event),
    )


def apply_all(state: LoopState, events: Iterable[Event]) -> LoopState:
    """Return the state after all ``events``."""
    for event in events:
        state = apply(state, event)
    return state


# ---------------------------------------------------------------- changes, one a kind of event


def _run_staged(state: LoopState, event: Event) -> LoopState:
    """Take the run; the diff of its code stands in the event, and not in each snapshot of the state."""
    run = Run.from_json({**event["run"], "staged_seq": event["seq"]})
    if run.code.change is not None:
        run = replace(run, code=replace(run.code, change=run.code.change | {"diff": "", "config_files": None}))
    is_bootstrap = event["bootstrap"]
    planned = state.plan is not None and state.plan.cycle_trace_id == run.cycle_trace_id
    runs = plan_folding.with_model_repair(state.runs, run.repair_of, ModelRepair.ANSWERED, run.run_id)
    has_number = any(one["run_id"] == run.run_id for one in state.queue.to_stage)
    return replace(
        state,
        plan=None if planned else state.plan,  # a person's run is a cycle of its own, beside the open one
        runs={**runs, run.run_id: run},
        runs_made=run_number(run.run_id, state.runs_made + (0 if has_number else 1)),
        waits_in_a_row=0,
        bootstrap_attempts=state.bootstrap_attempts + (1 if is_bootstrap else 0),
    )


def run_number(run_id: str, default: int) -> int:
    """Return the number in a run's id: it may skip some, never fall back."""
    digits = run_id.removeprefix("R")
    return max(default, int(digits)) if digits.isdecimal() else default


def _request_answered(state: LoopState, event: Event) -> LoopState:
    """Take what somebody asked: of a run, or new runs, whose numbers and cycles are theirs from now on."""
    added = event.get("runs", ())
    return replace(
        state,
        runs=queue.runs_after(state.runs, event),
        runs_made=max([state.runs_made, *(run_number(run["run_id"], 0) for run in added)]),
        cycle=max([state.cycle, *(run["cycle"] for run in added)]),
    )


def _attempt_intended(state: LoopState, event: Event) -> LoopState:
    run = state.runs[event["run_id"]]
    attempt = Attempt(**event["attempt"])
    begun = replace(run, procedure=procedure_folding.of_attempt_intended(run), stop_reason=None)
    return _with_run(state, replace(begun, state=RunState.RUNNING, attempts=(*run.attempts, attempt)))


def _attempt_started(state: LoopState, event: Event) -> LoopState:
    return _with_attempt(state, event, pid=event["pid"], started_utc=event["started_utc"])


def _attempt_ended(state: LoopState, event: Event) -> LoopState:
    names = ("cause", "exit_code", "ended_utc", "duration_s", "cpu_s", "peak_memory_bytes")
    ended = {name: event[name] for name in names}
    ended["device_peak_bytes"] = event.get("device_peak_bytes")  # a journal of before devices has none
    run = state.runs[event["run_id"]]
    state = _with_run(state, replace(run, procedure=procedure_folding.of_attempt_ended(run, event)))
    return _with_attempt(state, event, **ended)


def _of_procedure(state: LoopState, event: Event) -> LoopState:
    return _with_run(state, procedure_folding.CHANGES[event["event"]](state.runs[event["run_id"]], event))


def _code_version(state: LoopState, event: Event) -> LoopState:
    """Take the version of the code at a run's launch or end; once its cycle is closed the journal alone holds it."""
    run = state.runs.get(event["run_id"])
    if event["moment"] == "end":
        state = replace(
            state, code_looks={key: look for key, look in state.code_looks.items() if key != event["run_id"]}
        )
    if run is None:
        return state
    if event["moment"] == "end":
        return _with_run(state, replace(run, code=replace(run.code, version_at_end=event["version"])))
    code = replace(run.code, version=event["version"], repository_version=event["version"])
    return _with_run(state, replace(run, code=code))


def _code_placed(state: LoopState, event: Event) -> LoopState:
    run = state.runs[event["run_id"]]
    if run.code.place is None and run.procedure.command is not None:  # it was mapped with the place
        run = replace(run, procedure=replace(run.procedure, command=event["place"]["command"]))
    return _with_run(state, replace(run, code=replace(run.code, place=event["place"])))


def _stop_requested(state: LoopState, event: Event) -> LoopState:
    run = state.runs.get(event["run_id"])
    return state if run is None else _with_run(state, replace(run, stop_reason=event["reason"]))


def _run_moved(state: LoopState, event: Event) -> LoopState:
    """Move a run that waits or goes on; what it suffered from is forgotten with that."""
    run = state.runs[event["run_id"]]
    procedure = replace(run.procedure, trouble=None)
    return _with_run(state, replace(run, state=RunState(event["state"]), procedure=procedure))


def _looks_after(looks: dict[str, dict[str, Any]], run: Run) -> dict[str, dict[str, Any]]:
    """Return what of code is still to be looked at once a run has ended: its own, unless that is known already."""
    place = run.code.place or {"checkout": None}
    is_idle = run.code.version is None or run.code.version_at_end is not None
    if is_idle or not run.attempts or "checkout" not in place:
        return looks
    look = {"attempt": len(run.attempts), "began": run.code.version, "checkout": place["checkout"]}
    return dict([*looks.items(), (run.run_id, look)][-CODE_LOOKS:])


def _run_ended(state: LoopState, event: Event) -> LoopState:
    run = state.runs[event["run_id"]]
    names = ("cause", "detail", "result", "metrics")
    ended = replace(run, state=RunState(event["state"]), **{name: event[name] for name in names})
    completed = ended.state is RunState.COMPLETED
    recent = (*state.recent_experiments, (run.experiment, event["seq"])) if completed else state.recent_experiments
    is_replaced = event["cause"] == REPLACED and state.plan is not None
    return replace(
        _with_run(state, ended),
        plan=replace(open_plan(state), has_replaced=True) if is_replaced else state.plan,
        recent_experiments=recent[-RECENT_EXPERIMENTS:],
        code_looks=_looks_after(state.code_looks, run),
        bootstrap_successful=state.bootstrap_successful or (completed and event["bootstrap"]),
        last_completed_run={
            "ended_utc": event["ts_utc"],
            "status": ended.state.value,
            "run_id": run.run_id,
            "run_label": run.label,
            "command": run.decision["command"],
            "outcome": event["outcome"],
            "log_tag": run.last_attempt.log_tag if run.attempts else None,
        },
    )


def _cycle_closed(state: LoopState, event: Event) -> LoopState:
    runs = {run_id: run for run_id, run in state.runs.items() if run.cycle_trace_id != event["cycle_trace_id"]}
    plan = state.plan
    is_open = plan is not None and plan.cycle_trace_id == event["cycle_trace_id"]
    was_aside = plan is not None and is_open and plan.is_aside
    if plan is not None and is_open:
        runs = plan_folding.with_model_repair(runs, plan.repairs, ModelRepair.GIVEN_UP, event.get("reason"))
    waited = event["result"] in _IDLE_RESULTS and not was_aside
    ran = event["result"] == "run_command"
    return replace(
        state,
        runs=runs,
        plan=None if is_open else plan,
        cycles_closed=state.cycles_closed + 1,
        waits_in_a_row=state.waits_in_a_row if was_aside else state.waits_in_a_row + 1 if waited else 0,
        cycles_since_run=0 if ran else state.cycles_since_run + 1,
    )


def _with_run(state: LoopState, run: Run) -> LoopState:
    return replace(state, runs={**state.runs, run.run_id: run})


def _with_attempt(state: LoopState, event: Event, **changes: Any) -> LoopState:
    run = state.runs[event["run_id"]]
    return _with_run(state, replace(run, attempts=(*run.attempts[:-1], replace(run.last_attempt, **changes))))


_CHANGES: dict[str, Callable[[LoopState, Event], LoopState]] = plan_folding.CHANGES | {
    "run_staged": _run_staged,
    "request_answered": _request_answered,
    "attempt_intended": _attempt_intended,
    "attempt_started": _attempt_started,
    "attempt_ended": _attempt_ended,
    "code_version": _code_version,
    "code_placed": _code_placed,
    "stop_requested": _stop_requested,
    "run_moved": _run_moved,
    "run_ended": _run_ended,
    "cycle": _cycle_closed,
    **dict.fromkeys(procedure_folding.CHANGES, _of_procedure),
}
