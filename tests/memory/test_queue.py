"""The folded queue: through a snapshot unchanged, and who is held by whom."""

from __future__ import annotations

import json
from dataclasses import replace

from llm_loop.config import ApprovalRule
from llm_loop.contract.observation import KnownRun
from llm_loop.contract.run import Approval, Run, RunState
from llm_loop.memory.queue import QueueState, held_runs
from llm_loop.memory.state import LoopState
from llm_loop.stages.observing.known_runs import with_withdrawn


def a_run(number: int, **changes: object) -> Run:
    run = Run(
        run_id=f"R{number:04d}",
        label=f"run-{number}",
        label_decided=f"run-{number}",
        cycle=number,
        cycle_trace_id=f"C{number:04d}-0",
        state=RunState.STAGED,
        decision={"builds_on": []},
        proposer="command",
        monitor_seconds=60,
        experiment=str(number),
        staged_seq=number,
        cycle_record={},
    )
    return replace(run, **changes)  # type: ignore[arg-type]


def test_a_snapshot_holds_it_and_one_of_before_has_none() -> None:
    queue = QueueState(answered=("a", "b"), to_stage=({"run_id": "R0001"},), withdrawn=({"run_id": "R0002"},))
    state = LoopState(queue=queue, runs={"R0001": a_run(1, approval=Approval.WAITING)})
    value = json.loads(json.dumps(state.to_json()))
    assert LoopState.from_json(value) == state
    del value["queue"]
    del value["runs"]["R0001"]["approval"]
    older = LoopState.from_json(value)
    assert older.queue == QueueState() and older.runs["R0001"].approval is None


def test_what_builds_on_a_held_run_is_held_too() -> None:
    held = a_run(1, approval=Approval.WAITING)
    runs = [
        held,
        a_run(2, decision={"builds_on": ["R0001"]}, proposer="person"),
        a_run(3, decision={"builds_on": ["R0002"]}),
        a_run(4),
        a_run(5, approval=Approval.APPROVED),
        a_run(6, approval=Approval.WAITING, state=RunState.RUNNING),
    ]
    assert [run.run_id for run in held_runs(runs, ApprovalRule.ALWAYS)] == ["R0001", "R0002", "R0003"]
    assert held_runs(runs, ApprovalRule.NEVER) == [] == held_runs(runs, ApprovalRule.EDITS), "a loosened rule frees"


def test_withdrawn_runs_stand_where_they_were_decided() -> None:
    def known(number: int, state: str = "completed") -> KnownRun:
        name = f"R{number:04d}"
        return KnownRun(run_id=name, label=name, state=state, idea_category="loss", cycle=number, proposer="command")

    gone = [
        {"run_id": f"R{number:04d}", "label": "x", "state": "cancelled", "idea_category": "loss", "cycle": number}
        | {"proposer": "command", "cause": "rejected by a person: too long"}
        for number in (2, 9)
    ]
    runs = with_withdrawn([known(1), known(3), known(4)], gone)
    assert [run.run_id for run in runs] == ["R0001", "R0002", "R0003", "R0004", "R0009"]
    assert runs[1].cause == "rejected by a person: too long"
    assert with_withdrawn([], gone)[0].run_id == "R0002"
