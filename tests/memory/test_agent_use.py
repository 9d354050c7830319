"""Calls, tokens and outages add up from the events alone, and a snapshot loses nothing of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from llm_loop.contract.call_report import CallFailure, CallReport, FailureCause, TokenUse
from llm_loop.memory import outages
from llm_loop.memory.agent_use import AgentUse, apply, failure_cause
from llm_loop.memory.call_budget import Budget, rest_reason
from llm_loop.memory.call_rate import CallRate
from llm_loop.memory.money import cost
from llm_loop.system.clock import utc_text

Event = dict[str, Any]
START = datetime(2026, 3, 1, 22, 0, 0, tzinfo=UTC)
TOKENS = TokenUse(input=1000, cached_input=400, output=50, reasoning_output=20)


class Story:
    """Tell a night, event by event, on a clock that moves when told."""

    def __init__(self, use: AgentUse | None = None) -> None:
        self.use = AgentUse() if use is None else use
        self.now = START
        self.calls = 0
        self.trace = "C0001-a"

    def tell(self, kind: str, **fields: Any) -> Story:
        event = {"event": kind, "ts_utc": utc_text(self.now), "cycle_trace_id": self.trace} | fields
        kept = json.dumps(self.use.to_json())
        before, self.use = self.use, apply(self.use, event)
        assert json.dumps(before.to_json()) == kept, "the fold changes nothing of what it met"
        assert AgentUse.from_json(json.loads(json.dumps(self.use.to_json()))) == self.use
        return self

    def cycle(self, number: int) -> Story:
        self.trace = f"C{number:04d}-a"
        return self.tell("cycle_opened", cycle=number, agent="codex")

    def ask(self, role: str = "worker", agent: str = "codex") -> Story:
        self.calls += 1
        step = "review" if role == "mentor" else "decide"
        return self.tell("call_intended", call_id=f"call-{self.calls}", role=role, step=step, agent=agent)

    def answer(self, role: str = "worker", agent: str = "codex", **changes: Any) -> Story:
        call = a_call(self.calls, agent, role, **changes)
        record = {"unusable": None} if role == "worker" else {"run": True, "error": None}
        return self.tell("proposal" if role == "worker" else "review", record=record, call=call)

    def out(self, role: str | None, wait_s: float, cause: str = "quota") -> Story:
        failures = outages.next_failures(self.use.outages, "codex", role)
        until = utc_text(self.now + timedelta(seconds=wait_s))
        fields = {"agent": "codex", "role": role, "cause": cause, "wait_s": wait_s, "until_utc": until}
        return self.tell("agent_out", **fields, message="m", failures=failures)

    def later(self, **time: float) -> Story:
        self.now += timedelta(**time)
        return self


def a_call(number: int, agent: str, role: str, **changes: Any) -> dict[str, Any]:
    tokens = changes.pop("tokens", TOKENS)
    cause = changes.pop("failure_of_report", None)
    failure = None if cause is None else CallFailure(cause=FailureCause(cause), message="m")
    report = CallReport(tokens=tokens, failure=failure).to_json() if agent == "codex" else None
    return {
        "call_id": f"call-{number}",
        "agent": agent,
        "role": role,
        "model": "big",
        "cause": "exited",
        "exit_code": 0,
        "duration_s": 3.0,
        "report": report,
    } | changes


def a_night() -> Story:
    """Two cycles: a worker's and a mentor's call, then a failed call and the planner in its place."""
    story = (
        Story().tell("daemon_started").cycle(1).ask().answer().ask("mentor").answer("mentor", tokens=TokenUse(input=5))
    )
    story.tell("cycle", cycle=1).cycle(2).ask().answer(failure_of_report="quota", tokens=None).out(None, 3600)
    return story.ask(agent="builtin").answer(agent="builtin")


def test_what_a_night_adds_up_to() -> None:
    use = a_night().use
    worker, mentor, planner = use.of("worker", "codex"), use.of("mentor", "codex"), use.of("worker", "builtin")
    assert (worker.calls, worker.failed, worker.unknown_usage, worker.seconds) == (2, {"quota": 1}, 1, 6.0)
    assert (worker.tokens, mentor.tokens) == ({"big": TOKENS}, {"big": TokenUse(input=5)})
    assert (planner.calls, planner.unknown_usage, planner.tokens) == (1, 0, {})
    assert use.tokens == TokenUse(input=1005, cached_input=400, output=50, reasoning_output=20)
    assert (use.tokens_total, use.unknown_usage, use.night_calls) == (1055, 1, 3)
    assert use.of("worker", "never asked").calls == 0


def test_a_cycle_has_its_own_cost() -> None:
    story = Story().cycle(1).ask().answer().ask("mentor").answer("mentor")
    assert story.use.cycle.tokens == TokenUse(input=2000, cached_input=800, output=100, reasoning_output=40)
    assert (story.use.cycle.cycle_trace_id, story.use.cycle.calls, story.use.cycle.unknown_usage) == ("C0001-a", 2, 0)
    story.cycle(2).ask(agent="builtin").answer(agent="builtin")
    assert (story.use.cycle.cycle_trace_id, story.use.cycle.calls, story.use.cycle.tokens) == ("C0002-a", 0, TokenUse())


def test_a_call_in_flight_counts_and_one_that_never_started_does_not() -> None:
    story = Story().tell("daemon_started").cycle(1).ask()
    assert (story.use.night_calls, story.use.rate.in_hour(START), story.use.open_call is not None) == (1, 1, True)
    story.answer(cause=None, exit_code=None, report=None)
    assert (story.use.night_calls, story.use.rate.in_hour(START), story.use.open_call) == (0, 0, None)
    assert (story.use.of("worker", "codex").calls, story.use.cycle.calls, story.use.unknown_usage) == (0, 0, 0)


def test_a_call_that_was_cancelled_with_its_cycle_stays_counted_at_unknown_cost() -> None:
    story = Story().cycle(1).ask().tell("cycle", cycle_trace_id="C0009-another")
    assert story.use.open_call is not None
    story.tell("cycle")
    worker = story.use.of("worker", "codex")
    assert (worker.calls, worker.failed, worker.unknown_usage, story.use.open_call) == (1, {"stopped": 1}, 1, None)


def test_an_answer_is_counted_once() -> None:
    story = Story().cycle(1).ask().answer()
    counted = story.use
    assert story.answer().use == counted, "an answer of no open call changes nothing"


def test_a_call_goes_on_over_a_restart_and_belongs_to_no_night_twice() -> None:
    story = Story().tell("daemon_started").cycle(1).ask().tell("daemon_started").answer()
    assert (story.use.night_calls, story.use.of("worker", "codex").calls, story.use.tokens) == (0, 1, TOKENS)


def test_models_are_bounded() -> None:
    story = Story().cycle(1)
    for number in range(40):
        story.ask().answer(model=f"model-{number}")
    tokens = story.use.of("worker", "codex").tokens
    assert len(tokens) <= 13 and sum(one.input for one in tokens.values()) == 40_000
    assert Story().cycle(1).ask().answer(model=None).use.of("worker", "codex").tokens == {"default": TOKENS}


@pytest.mark.parametrize(
    ("changes", "unusable", "cause"),
    [
        ({}, None, None),
        ({}, ["not JSON"], "schema"),
        ({"failure": None}, ["our own policy file is missing"], None),
        ({"failure": {"cause": "network", "message": "m", "retry_after_s": None}}, None, "network"),
        ({"failure_of_report": "rate_limit"}, ["no answer"], "rate_limit"),
        ({"report": None, "cause": "deadline", "exit_code": None}, ["no answer"], "timeout"),
        ({"report": None, "cause": "stopped", "exit_code": None}, ["no answer"], "stopped"),
        ({"report": None, "cause": "lost", "exit_code": None}, ["no answer"], "crashed"),
        ({"report": None, "exit_code": 3}, ["no answer"], "crashed"),
    ],
)
def test_why_a_call_failed(changes: dict[str, Any], unusable: list[str] | None, cause: str | None) -> None:
    assert failure_cause(a_call(1, "codex", "worker", **changes), unusable) == cause


def test_events_of_an_earlier_version_are_understood() -> None:
    old = {"call_id": "call-1", "agent": "command", "cause": "exited", "exit_code": 0, "duration_s": 1.0}
    story = Story().ask(agent="command").tell("proposal", record={"unusable": ["not JSON"]}, call=old)
    assert story.use.of("worker", "command").failed == {"schema": 1}
    nothing = apply(story.use, {"event": "review", "ts_utc": utc_text(START), "record": {"run": True}})
    assert nothing is story.use


# ---------------------------------------------------------------- who is out


def resting(story: Story, role: str) -> outages.Outage | None:
    return outages.resting(story.use.outages, "codex", role, story.now)


def test_an_account_that_is_out_rests_both_roles_and_a_role_itself_alone() -> None:
    story = Story().cycle(1).out(None, 600)
    assert resting(story, "worker") is not None and resting(story, "mentor") is not None
    story = Story().cycle(1).out("mentor", 600, "timeout")
    assert resting(story, "worker") is None and resting(story, "mentor") is not None
    assert outages.resting(story.use.outages, "command", "mentor", story.now) is None


def test_the_longest_rest_counts() -> None:
    story = Story().cycle(1).out("worker", 60, "timeout").out(None, 600)
    outage = resting(story, "worker")
    assert outage is not None and (outage.cause, outage.wait_left_s(story.now)) == ("quota", 600.0)


def test_failures_in_a_row_are_counted_until_a_good_call() -> None:
    story = Story().cycle(1).ask().answer(failure_of_report="overload").out("worker", 10).later(seconds=10)
    assert resting(story, "worker") is None and outages.told_out(story.use.outages, "codex", "worker")
    story.ask().answer(failure_of_report="overload").out("worker", 20)
    outage = outages.outage_of(story.use.outages, "codex", "worker")
    assert outage is not None and (outage.failures, outage.since_utc) == (2, utc_text(START))
    assert outages.next_failures(story.use.outages, "codex", "worker") == 3
    story.later(seconds=20).ask().answer()
    assert story.use.outages == {} and outages.next_failures(story.use.outages, "codex", "worker") == 1


def test_a_good_call_of_one_role_proves_the_account_and_not_the_other_role() -> None:
    story = Story().cycle(1).out(None, 1).out("mentor", 1, "timeout").out("worker", 1).later(seconds=2)
    story.ask().answer()
    assert [one.role for one in story.use.outages.values()] == ["mentor"]


def test_being_back_may_be_said_before_the_rest_is_over() -> None:
    story = Story().cycle(1).out(None, 9000).out("mentor", 9000).tell("agent_back", agent="codex", role=None)
    assert story.use.outages == {}


def test_a_clock_that_is_set_back_does_not_make_a_rest_longer() -> None:
    story = Story().cycle(1).out(None, 600).later(seconds=-7200)
    assert resting(story, "worker") is None


# ---------------------------------------------------------------- budgets


def test_no_limit_is_never_spent() -> None:
    assert rest_reason(a_night().use, Budget(), START) is None


def test_each_limit_is_spent_at_its_number() -> None:
    use = a_night().use
    assert rest_reason(use, Budget(max_calls_per_night=4, max_calls_per_hour=4, max_tokens_total=1056), START) is None
    night = rest_reason(use, Budget(max_calls_per_night=3, max_calls_per_hour=3), START)
    assert night is not None and (night.key, night.until) == ("max_calls_per_night", None)
    assert night.sentence == "3 of 3 calls since this start are made (max_calls_per_night)"
    tokens = rest_reason(use, Budget(max_tokens_total=1055), START)
    assert tokens is not None and tokens.sentence == "1055 of 1055 tokens are spent (max_tokens_total)"
    assert rest_reason(AgentUse(), Budget(max_calls_per_hour=0), START) is not None


def test_an_hour_frees_its_calls_again() -> None:
    story = Story().cycle(1).ask().answer().later(minutes=10).ask().answer()
    rest = rest_reason(story.use, Budget(max_calls_per_hour=2), story.now)
    assert rest is not None and rest.until == START + timedelta(minutes=61)
    assert rest_reason(story.use, Budget(max_calls_per_hour=2), rest.until - timedelta(seconds=1)) is not None
    assert rest_reason(story.use, Budget(max_calls_per_hour=2), rest.until) is None
    assert rest_reason(story.use, Budget(max_calls_per_hour=1), rest.until) is not None


def test_a_night_begins_with_the_daemon() -> None:
    story = a_night().tell("daemon_started")
    assert rest_reason(story.use, Budget(max_calls_per_night=1), START) is None
    assert rest_reason(story.use, Budget(max_calls_per_hour=3), START) is not None, "the hour goes on"


def test_the_rate_stays_small_however_many_calls_there_are() -> None:
    rate = CallRate()
    for second in range(0, 86_400, 5):
        rate = rate.with_call(START + timedelta(seconds=second))
        assert len(rate.minutes) <= 61
    now = START + timedelta(seconds=86_395)
    assert 720 <= rate.in_hour(now) <= 732
    assert rate.in_hour(now + timedelta(hours=2)) == 0


# ---------------------------------------------------------------- money


def test_money_by_the_price_table() -> None:
    table = {"big": {"input": 2.0, "cached_input": 0.5, "output": 10.0}}
    money = cost([("big", TOKENS), ("small", TokenUse(input=7, output=3))], table, "EUR")
    assert money is not None and (money.currency, money.unpriced_tokens) == ("EUR", 10)
    assert money.amount == pytest.approx((600 * 2.0 + 400 * 0.5 + 50 * 10.0) / 1e6)
    assert cost([("big", TOKENS)], {}, "EUR") is None


def test_the_star_stands_for_other_models_and_cached_tokens_cost_as_others_where_nothing_else_is_said() -> None:
    money = cost([("any", TOKENS)], {"*": {"input": 1.0, "output": 2.0}}, "USD")
    assert money is not None and (money.amount, money.unpriced_tokens) == (pytest.approx(1100 / 1e6), 0)


# ---------------------------------------------------------------- snapshots


@pytest.mark.parametrize(
    "changes",
    [
        {"by_role": {"a": {}}},
        {"by_role": []},
        {"rate": [3]},
        {"rate": [["a", 1]]},
        {"open_call": {"call_id": 1}},
        {"cycle": {}},
        {"outages": {"codex/account": {"agent": "codex"}}},
        {"outages": {"k": {**a_night().use.to_json()["outages"]["codex/account"], "until_utc": "soon"}}},
    ],
)
def test_what_is_no_snapshot_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises((AttributeError, KeyError, TypeError, ValueError)):
        AgentUse.from_json(a_night().use.to_json() | changes)
