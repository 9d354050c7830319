"""What the loop knows right now: the journal, folded.

``apply`` takes one event and returns the next state; replaying the journal from its beginning gives
the same state again. ``state.json`` is a snapshot with the ``seq`` it reaches, so a start reads the
snapshot and the few events behind it; a missing or corrupt snapshot costs one replay and loses
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from llm_loop.contract.context import Streaks
from llm_loop.contract.run import Attempt, Run, RunState
from llm_loop.errors import CorruptFileError
from llm_loop.memory import agent_use, interventions, mentor_worth, queue, reviews, slot_use
from llm_loop.memory.agent_use import AgentUse
from llm_loop.memory.interventions import Interventions
from llm_loop.memory.journal import Event
from llm_loop.memory.mentor_worth import MentorWorth
from llm_loop.memory.queue import QueueState
from llm_loop.memory.reviews import ReviewHistory
from llm_loop.memory.slot_use import SlotUse
from llm_loop.memory.streaks import after_cycle
from llm_loop.system import files

SCHEMA_VERSION = 1
RECENT_EXPERIMENTS = 64
CODE_LOOKS = 16
REPLACED = "dropped: replaced by a later decision"
"""Why a staged run ends when a woken worker decides anew."""
_IDLE_RESULTS = ("wait", "no_active_run")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Hold the open cycle of the plan lane.

    ``step`` is ``decide`` or ``review``, ``agent`` who is asked, ``call_id`` the call in flight (None
    before it starts), ``asks`` how often this agent was asked in this cycle. ``proposals`` are the
    records of everything proposed so far; ``accepted`` is the one that passed the gate and awaits the
    mentor's word. ``review`` is that word's record once it is there. ``woken_by`` are the reasons, run by run, for
    which the worker is asked although each slot has its next decision; () for a cycle that fills a slot. ``running``
    are the runs that the one asked last was shown as running; None in a journal of before that was kept.
    ``has_replaced``: the staged run that a woken worker's decision stands in for was dropped already.
    """

    cycle: int
    cycle_trace_id: str
    step: str = "decide"
    agent: str = "builtin"
    call_id: str | None = None
    asks: int = 0
    proposals: tuple[dict[str, Any], ...] = ()
    accepted: dict[str, Any] | None = None
    review_reasons: tuple[str, ...] = ()
    review: dict[str, Any] | None = None
    woken_by: tuple[dict[str, Any], ...] = ()
    running: tuple[str, ...] | None = None
    has_replaced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopState:
    """Hold the state after event ``seq``. ``runs`` are those whose cycle is not closed, by id.

    ``code_looks`` are, by run id, the ended runs whose code was not looked at again yet: the attempt, the version that
    it began with, and its checkout (None: the training repository).
    """

    seq: int = 0
    cycle: int = 0
    cycles_closed: int = 0
    runs_made: int = 0
    calls_made: int = 0
    waits_in_a_row: int = 0
    cycles_since_run: int = 0
    bootstrap_attempts: int = 0
    bootstrap_successful: bool = False
    plan: Plan | None = None
    runs: dict[str, Run] = field(default_factory=dict)
    last_completed_run: dict[str, Any] | None = None
    recent_experiments: tuple[tuple[str, int], ...] = ()
    code_looks: dict[str, dict[str, Any]] = field(default_factory=dict)
    slot_use: SlotUse = field(default_factory=SlotUse)
    agent_use: AgentUse = field(default_factory=AgentUse)
    reviews: ReviewHistory = field(default_factory=ReviewHistory)
    mentor_worth: MentorWorth = field(default_factory=MentorWorth)
    streaks: Streaks = field(default_factory=Streaks)
    interventions: Interventions = field(default_factory=Interventions)
    queue: QueueState = field(default_factory=QueueState)
    schema_version: int = SCHEMA_VERSION

    def in_state(self, *states: RunState) -> list[Run]:
        """Return the open runs in one of the given states, in the order of their making."""
        return [run for run in self.runs.values() if run.state in states]

    def to_json(self) -> dict[str, Any]:
        """Return the snapshot's form."""
        value = {name: getattr(self, name) for name in self.__slots__}
        value["plan"] = None if self.plan is None else asdict(self.plan)
        value["streaks"] = asdict(self.streaks)
        for name in _FOLDED:
            value[name] = getattr(self, name).to_json()
        value["runs"] = {run_id: run.to_json() for run_id, run in self.runs.items()}
        return value

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Build the state from a snapshot; what one of before did not hold has its default.

        Raises TypeError or KeyError when it is none.
        """
        fields = {name: value[name] for name in cls.__slots__ if name in value or name not in _LATER}
        if fields["plan"] is not None:
            plan = dict(fields["plan"])
            for name in ("proposals", "review_reasons", "woken_by"):
                plan[name] = tuple(plan[name])
            if plan.get("running") is not None:
                plan["running"] = tuple(plan["running"])
            fields["plan"] = Plan(**plan)
        fields["runs"] = {run_id: Run.from_json(run) for run_id, run in fields["runs"].items()}
        fields["streaks"] = Streaks(**fields["streaks"])
        for name, kind in _FOLDED.items():
            if name in fields:
                fields[name] = kind.from_json(fields[name])
        fields["recent_experiments"] = tuple((key, seq) for key, seq in fields["recent_experiments"])
        return cls(**fields)


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
    )


_LATER: frozenset[str] = frozenset({"interventions", "queue", "code_looks"})
"""Fields of the state that the first snapshots did not hold: missing there they have their default."""
_FOLDED: dict[str, Any] = {
    "slot_use": SlotUse,
    "agent_use": AgentUse,
    "reviews": ReviewHistory,
    "mentor_worth": MentorWorth,
    "interventions": Interventions,
    "queue": QueueState,
}


def apply_all(state: LoopState, events: Iterable[Event]) -> LoopState:
    """Return the state after all ``events``."""
    for event in events:
        state = apply(state, event)
    return state


def load(path: Path) -> LoopState | None:
    """Return the snapshot's state, or None when the file is missing.

    Raises CorruptFileError when it is no snapshot of this version.
    """
    try:
        value = files.read_json(path)
        return LoopState.from_json(value["loop"])
    except FileNotFoundError:
        return None
    except (AttributeError, KeyError, TypeError, ValueError, OSError) as error:  # OSError: a folder in its place
        raise CorruptFileError(path, f"not a state of this version ({type(error).__name__}: {error})") from error


# ---------------------------------------------------------------- changes, one a kind of event


def _cycle_opened(state: LoopState, event: Event) -> LoopState:
    woken_by = tuple(event.get("woken_by", ()))
    plan = Plan(cycle=event["cycle"], cycle_trace_id=event["cycle_trace_id"], agent=event["agent"], woken_by=woken_by)
    runs = dict(state.runs)
    for wake in woken_by:
        if (run := runs.get(wake["run_id"] or "")) is not None:
            runs[run.run_id] = replace(run, wakes=(*run.wakes, wake["reason"]))
    return replace(state, cycle=event["cycle"], plan=plan, runs=runs)


def _call_intended(state: LoopState, event: Event) -> LoopState:
    plan = _plan(state)
    asks = plan.asks + 1 if event["agent"] == plan.agent and event["step"] == plan.step else 1
    plan = replace(plan, step=event["step"], agent=event["agent"], call_id=event["call_id"], asks=asks)
    if event["step"] == "decide" and (running := event.get("running")) is not None:
        plan = replace(plan, running=tuple(running))
    return replace(state, plan=plan, calls_made=state.calls_made + 1)


def _proposal(state: LoopState, event: Event) -> LoopState:
    plan = _plan(state)
    record = event["record"]
    accepted = record if record["accepted"] else plan.accepted
    plan = replace(plan, call_id=None, proposals=(*plan.proposals, record), accepted=accepted)
    return replace(state, plan=plan)


def _place_refused(state: LoopState, event: Event) -> LoopState:
    """Take back the acceptance of a proposal whose code cannot run anywhere; an earlier accepted one stands again.

    Else it is the worker's turn again, whoever was asked last: as often as it has not been asked yet.
    """
    plan = _plan(state)
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
    return replace(state, plan=replace(_plan(state), step="review", review_reasons=tuple(event["reasons"])))


def _review(state: LoopState, event: Event) -> LoopState:
    plan = replace(_plan(state), call_id=None, review=event["record"])
    if (suggestion := event["suggestion"]) is not None:
        plan = replace(
            plan,
            proposals=(*plan.proposals, suggestion),
            accepted=suggestion if suggestion["accepted"] else plan.accepted,
        )
    return replace(state, plan=plan)


def _run_staged(state: LoopState, event: Event) -> LoopState:
    """Take the run; the diff of its code stands in the event, and not in each snapshot of the state."""
    run = Run.from_json({**event["run"], "staged_seq": event["seq"]})
    if run.code.change is not None:
        run = replace(run, code=replace(run.code, change=run.code.change | {"diff": "", "config_files": None}))
    is_bootstrap = event["bootstrap"]
    planned = state.plan is not None and state.plan.cycle_trace_id == run.cycle_trace_id
    has_number = any(one["run_id"] == run.run_id for one in state.queue.to_stage)
    return replace(
        state,
        plan=None if planned else state.plan,  # a person's run is a cycle of its own, beside the open one
        runs={**state.runs, run.run_id: run},
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
    return _with_run(state, replace(run, state=RunState.RUNNING, attempts=(*run.attempts, attempt), stop_reason=None))


def _attempt_started(state: LoopState, event: Event) -> LoopState:
    return _with_attempt(state, event, pid=event["pid"], started_utc=event["started_utc"])


def _attempt_ended(state: LoopState, event: Event) -> LoopState:
    names = ("cause", "exit_code", "ended_utc", "duration_s", "cpu_s", "peak_memory_bytes")
    ended = {name: event[name] for name in names}
    ended["device_peak_bytes"] = event.get("device_peak_bytes")  # a journal of before devices has none
    return _with_attempt(state, event, **ended)


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
    return _with_run(state, replace(run, code=replace(run.code, place=event["place"])))


def _stop_requested(state: LoopState, event: Event) -> LoopState:
    run = state.runs.get(event["run_id"])
    return state if run is None else _with_run(state, replace(run, stop_reason=event["reason"]))


def _run_moved(state: LoopState, event: Event) -> LoopState:
    run = state.runs[event["run_id"]]
    return _with_run(state, replace(run, state=RunState(event["state"])))


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
        plan=replace(_plan(state), has_replaced=True) if is_replaced else state.plan,
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
    was_woken = plan is not None and plan.cycle_trace_id == event["cycle_trace_id"] and bool(plan.woken_by)
    waited = event["result"] in _IDLE_RESULTS and not was_woken
    ran = event["result"] == "run_command"
    return replace(
        state,
        runs=runs,
        plan=None if plan is not None and plan.cycle_trace_id == event["cycle_trace_id"] else plan,
        cycles_closed=state.cycles_closed + 1,
        waits_in_a_row=state.waits_in_a_row if was_woken else state.waits_in_a_row + 1 if waited else 0,
        cycles_since_run=0 if ran else state.cycles_since_run + 1,
    )


def _plan(state: LoopState) -> Plan:
    if state.plan is None:
        raise ValueError("the journal names a plan that was never opened")
    return state.plan


def _with_run(state: LoopState, run: Run) -> LoopState:
    return replace(state, runs={**state.runs, run.run_id: run})


def _with_attempt(state: LoopState, event: Event, **changes: Any) -> LoopState:
    run = state.runs[event["run_id"]]
    return _with_run(state, replace(run, attempts=(*run.attempts[:-1], replace(run.last_attempt, **changes))))


_CHANGES: dict[str, Callable[[LoopState, Event], LoopState]] = {
    "cycle_opened": _cycle_opened,
    "call_intended": _call_intended,
    "proposal": _proposal,
    "place_refused": _place_refused,
    "review_due": _review_due,
    "review": _review,
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
}
