"""The state is the journal, folded: by events one by one, from a snapshot, or from the beginning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llm_loop.contract.context import Streaks
from llm_loop.contract.run import RunCode, RunState
from llm_loop.errors import CorruptFileError
from llm_loop.memory.folding import RECENT_EXPERIMENTS, apply, apply_all, run_number
from llm_loop.memory.state import LoopState, load
from tests.memory.campaign_events import GATE, campaign, proposal
from tests.memory.old_journal import old_journal, old_state


def after(count: int) -> LoopState:
    return apply_all(LoopState(), campaign()[:count])


def through_json(state: LoopState) -> LoopState:
    return LoopState.from_json(json.loads(json.dumps(state.to_json())))


@pytest.mark.parametrize("cut", range(len(campaign()) + 1))
def test_a_snapshot_and_the_rest_equal_the_whole_replay(cut: int) -> None:
    snapshot = through_json(after(cut))
    assert snapshot == after(cut)
    assert apply_all(snapshot, campaign()[cut:]) == after(len(campaign()))


def test_what_the_campaign_comes_to() -> None:
    state = after(len(campaign()))
    assert (state.seq, state.cycle, state.cycles_closed, state.runs_made, state.calls_made) == (
        len(campaign()),
        5,
        3,
        3,
        4,
    )
    assert list(state.runs) == ["R0003"]
    run = state.runs["R0003"]
    assert (run.state, run.stop_reason, run.last_attempt.pid) == (RunState.RUNNING, "stall", 99)
    assert state.in_state(RunState.RUNNING, RunState.STAGED) == [run] and state.in_state(RunState.STAGED) == []
    assert state.plan is not None and (state.plan.cycle, state.plan.call_id, state.plan.asks) == (5, "call-4", 1)
    assert (state.bootstrap_attempts, state.bootstrap_successful) == (1, True)
    assert [key for key, _ in state.recent_experiments] == ["key-R0001"]
    assert state.last_completed_run is not None and state.last_completed_run["run_id"] == "R0002"
    assert (state.waits_in_a_row, state.cycles_since_run) == (0, 2)


def test_a_plan_remembers_who_was_asked_and_what_they_said() -> None:
    refused, accepted, reviewed = (after(count).plan for count in (4, 6, 9))
    assert refused is not None and (refused.asks, refused.call_id, refused.accepted) == (1, None, None)
    assert refused.proposals[0]["quality_gate"]["blocked"] is True
    assert accepted is not None and (accepted.asks, accepted.accepted) == (2, proposal(True))
    assert reviewed is not None and (reviewed.step, reviewed.asks) == ("review", 1)
    assert reviewed.accepted == proposal(True, "builtin") and len(reviewed.proposals) == 3
    assert after(10).plan is None, "a staged run takes the plan along"


def test_attempts_follow_each_other_in_a_run() -> None:
    run = after(19).runs["R0001"]
    assert [(one.number, one.cause, one.exit_code) for one in run.attempts] == [
        (1, "interrupted", None),
        (2, "exited", 0),
    ]
    assert run.attempts[0].pid == 77 and run.attempts[1].pid is None
    assert run.staged_seq == 10


def test_a_wait_counts_until_something_else_comes() -> None:
    assert [after(count).waits_in_a_row for count in (21, 23, 27)] == [0, 1, 0]
    assert after(29).waits_in_a_row == 0
    assert [after(count).cycles_since_run for count in (21, 23, 27)] == [0, 1, 2]


def test_unknown_events_move_the_number_only() -> None:
    before, later = after(21), after(22)
    assert later.seq == 22
    assert later.to_json() | {"seq": 21} == before.to_json()


def test_an_event_changes_nothing_of_the_state_it_meets() -> None:
    state = LoopState()
    for event in campaign():
        kept = json.dumps(state.to_json())
        following = apply(state, event)
        assert json.dumps(state.to_json()) == kept
        state = following


def test_recent_experiments_are_bounded() -> None:
    ending = campaign()[19]
    state = after(19)
    for seq in range(RECENT_EXPERIMENTS + 10):
        state = apply(state, ending | {"seq": seq})
    assert len(state.recent_experiments) == RECENT_EXPERIMENTS
    assert state.recent_experiments[-1] == ("key-R0001", RECENT_EXPERIMENTS + 9)


# ---------------------------------------------------------------- code versions, and a journal without them


def test_a_runs_code_is_what_its_events_say() -> None:
    first = after(10)
    launched = apply(first, _event("code_version", moment="launch", version="aaa", attempt=1))
    assert launched.runs["R0001"].code == RunCode(version="aaa", repository_version="aaa")
    placed = apply(launched, _event("code_placed", place={"checkout_id": "c"}))
    assert placed.runs["R0001"].code == RunCode(version="aaa", repository_version="aaa", place={"checkout_id": "c"})
    ended = apply(placed, _event("code_version", moment="end", version="bbb", attempt=1))
    assert (ended.runs["R0001"].code.version, ended.runs["R0001"].code.version_at_end) == ("aaa", "bbb")
    assert through_json(ended) == ended
    late = _event("code_version", moment="end", version="bbb", attempt=1) | {"run_id": "R0099"}
    assert apply(ended, late).runs == ended.runs, "a run whose cycle is closed is the journal's alone"


def test_the_look_at_the_code_of_an_ended_run_is_due_until_it_is_journaled() -> None:
    launched = apply(after(19), _event("code_version", moment="launch", version="aaa", attempt=1))
    ending = campaign()[19]
    ended = apply(launched, ending)
    assert ended.code_looks == {"R0001": {"attempt": 2, "began": "aaa", "checkout": None}}
    assert through_json(ended) == ended
    end = _event("code_version", moment="end", version="aaa", attempt=1)
    assert apply(ended, end).code_looks == {}
    assert apply(apply(launched, end), ending).code_looks == {}, "it was looked at before the end was recorded"
    assert apply(after(19), ending).code_looks == {}, "there is nothing to compare with"


def test_code_that_finds_no_place_takes_the_acceptance_back() -> None:
    reviewed = after(9)
    assert reviewed.plan is not None and reviewed.plan.accepted is not None
    refused = apply(reviewed, _event("place_refused", why="no link can be made to data")).plan
    assert refused is not None and refused.step == "decide"
    last = refused.proposals[-1]
    assert last["accepted"] is False and last["quality_gate"]["issues"] == ["code_not_placed"]
    assert last["quality_gate"]["details"][0]["message"] == "no link can be made to data"
    assert refused.accepted == proposal(True), "the worker's own stands again"


def _event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"seq": 99, "ts_utc": "2026-03-01T22:00:00Z", "event": kind, "run_id": "R0001"} | fields


@pytest.mark.parametrize("cut", range(len(old_journal()) + 1))
def test_an_old_journal_folds(cut: int) -> None:
    snapshot = through_json(apply_all(LoopState(), old_journal()[:cut]))
    assert apply_all(snapshot, old_journal()[cut:]) == apply_all(LoopState(), old_journal())


def test_what_an_old_journal_comes_to() -> None:
    state = apply_all(LoopState(), old_journal())
    assert (state.cycle, state.cycles_closed, state.runs_made, state.calls_made) == (4, 2, 3, 5)
    assert state.runs["R0003"].state is RunState.RUNNING and state.runs["R0003"].code == RunCode()
    assert state.plan is not None and state.plan.call_id == "C0004-aaaaaaa4-worker-5"
    use = {key: (role.calls, role.unknown_usage) for key, role in state.agent_use.by_role.items()}
    assert use == {"worker/command": (4, 3), "mentor/command": (1, 1)}, "the call in flight has not ended yet"
    worth = state.mentor_worth
    assert (worth.asked, worth.challenges, worth.adopted, worth.others) == (1, 1, {"gained": 1}, {"first": 1})
    assert (state.reviews.challenge_streak, state.reviews.asked_cycle) == (1, 2)
    assert state.streaks == Streaks(trainings_in_a_row=2, cycles_without_web_search=2, challenges_in_a_row=1)


def test_an_old_snapshot_is_named_and_its_journal_gives_the_state(tmp_path: Path) -> None:
    state = apply_all(LoopState(), old_journal())
    (tmp_path / "state.json").write_text(json.dumps({"loop": old_state(state.to_json())}), encoding="utf-8")
    with pytest.raises(CorruptFileError, match="not a state of this version"):
        load(tmp_path / "state.json")


# ---------------------------------------------------------------- on disk


def test_a_snapshot_is_read_back(tmp_path: Path) -> None:
    assert load(tmp_path / "state.json") is None
    state = after(len(campaign()))
    (tmp_path / "state.json").write_text("\ufeff" + json.dumps({"loop": state.to_json()}), encoding="utf-8")
    assert load(tmp_path / "state.json") == state


def spoilt(**changes: Any) -> dict[str, Any]:
    return {"loop": after(len(campaign())).to_json() | changes}


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        7,
        {"loop": None},
        {"loop": {}},
        spoilt(runs=[]),
        spoilt(runs={"R1": 3}),
        spoilt(runs={"R1": {}}),
        spoilt(plan=3),
        spoilt(plan={"a": 1}),
        spoilt(slot_use={"minutes": 3}),
        spoilt(recent_experiments=[1]),
        spoilt(runs={"R1": GATE}),
    ],
    ids=range(13),
)
def test_what_is_no_snapshot_is_corrupt_and_named(tmp_path: Path, value: object) -> None:
    path = tmp_path / "state.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    with pytest.raises(CorruptFileError, match=r"state\.json"):
        load(path)


def test_a_folder_in_the_place_of_the_state_is_corrupt_and_not_missing(tmp_path: Path) -> None:
    (tmp_path / "state.json").mkdir()
    with pytest.raises(CorruptFileError):
        load(tmp_path / "state.json")


def test_run_numbers_may_skip_and_never_fall_back() -> None:
    assert [run_number(run_id, 4) for run_id in ("R0004", "R0009", "R0001", "odd")] == [4, 9, 4, 4]


def refused_place(agents: list[str]) -> LoopState:
    """Return the state after the code of the last accepted proposal, reviewed by a mentor, could not be placed."""
    of = {"cycle": 1, "cycle_trace_id": "C0001-1a2b3c4d"}
    events: list[dict[str, Any]] = [{"event": "cycle_opened", **of, "agent": agents[0], "woken_by": []}]
    for number, agent in enumerate(agents):
        is_last = number == len(agents) - 1
        events += [
            {"event": "call_intended", **of, "call_id": f"w-{number}", "step": "decide", "agent": agent},
            {"event": "proposal", **of, "record": proposal(is_last, agent) | {"source": "primary"}},
        ]
    events += [
        {"event": "review_due", **of, "reasons": []},
        {"event": "call_intended", **of, "call_id": "m-1", "step": "review", "agent": "the mentor"},
        {"event": "review", **of, "record": {"run": False}, "suggestion": None},
        {"event": "place_refused", **of, "why": "no link can be made here"},
    ]
    state = LoopState()
    for seq, event in enumerate(events, 1):
        state = apply(state, {"seq": seq, "ts_utc": "2026-01-01T00:00:00Z", "call": None, **event})
    return state


@pytest.mark.parametrize(
    ("agents", "agent", "asks"),
    [(["command"], "command", 1), (["codex", "codex"], "codex", 2), (["codex", "codex", "builtin"], "builtin", 1)],
)
def test_after_a_place_refused_the_worker_is_asked_and_not_the_mentor(agents: list[str], agent: str, asks: int) -> None:
    plan = refused_place(agents).plan
    assert plan is not None
    assert (plan.step, plan.accepted, plan.agent, plan.asks) == ("decide", None, agent, asks)
    assert plan.proposals[-1]["quality_gate"]["issues"][-1] == "code_not_placed"


def test_a_snapshot_holds_no_diff_of_a_run() -> None:
    events = campaign()
    staged = next(event for event in events if event["event"] == "run_staged")
    code = RunCode(version="v", change={"version": "v", "diff": "x" * 60_000, "config_files": {"a": "b"}, "files": []})
    staged["run"]["code"] = {name: getattr(code, name) for name in RunCode.__slots__}
    state = apply_all(LoopState(), events[: staged["seq"]])
    change = state.runs[staged["run"]["run_id"]].code.change
    assert change is not None
    assert len(json.dumps(state.to_json())) < 20_000
    assert change["version"] == "v"


def test_a_plan_knows_which_runs_the_worker_was_shown() -> None:
    events = campaign()[:3]
    call = next(event for event in events if event["event"] == "call_intended")
    assert apply_all(LoopState(), events).plan is not None
    assert apply_all(LoopState(), events).plan.running is None, "a journal of before that was kept"  # type: ignore[union-attr]
    call["running"] = ["R0007"]
    state = apply_all(LoopState(), events)
    assert state.plan is not None and state.plan.running == ("R0007",)
    assert through_json(state) == state
