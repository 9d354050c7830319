"""Status tells who decides and why, what it cost, and what the mentor's word came to."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from llm_loop.config import Config, load_config
from llm_loop.contract.call_report import TokenUse
from llm_loop.memory.agent_use import AgentUse
from llm_loop.memory.mentor_worth import MentorWorth
from llm_loop.memory.outages import with_outage
from llm_loop.memory.role_use import RoleUse
from llm_loop.system.clock import utc_text
from llm_loop.views.agents_lines import lines_of
from llm_loop.views.agents_status import AgentsStatus, SandboxStatus, agents_status
from llm_loop.views.past_outages import PastOutages
from llm_loop.views.wording import local_moment

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
WORKER = RoleUse(
    role="worker",
    agent="codex",
    calls=41,
    failed={"timeout": 1, "quota": 2},
    unknown_usage=3,
    tokens={"big": TokenUse(input=123_000, cached_input=100_000, output=4500, reasoning_output=2000)},
    seconds=1234.56,
)
PLANNER = RoleUse(role="worker", agent="builtin", calls=5)
USE = AgentUse(by_role={"worker/codex": WORKER, "worker/builtin": PLANNER}, night_calls=41)
WORTH = MentorWorth(
    asked=6, unreached=1, challenges=3, adopted={"gained": 1, "failed": 1}, declined={"tied": 1}, others={"lost": 9}
)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    path = tmp_path / "daemon_config.json"
    settings = {"price_table": {"big": {"input": 1, "cached_input": 0.1, "output": 10}}, "price_currency": "EUR"}
    path.write_text(json.dumps(settings), encoding="utf-8")
    return load_config(path, tmp_path, {})


def status(use: AgentUse = USE, **changes: Any) -> AgentsStatus:
    given: dict[str, Any] = {"worker": "codex", "mentor": "codex", "config": None, "sandbox": None, "now": NOW}
    return agents_status(use, changes.pop("worth", WORTH), **given | changes)


def out(use: AgentUse, role: str | None, minutes: float, message: str = "try again later", since: int = 10) -> AgentUse:
    """Return the use with an agent that has been out since ``since`` minutes ago for ``minutes`` from now on."""
    event = {
        "ts_utc": utc_text(NOW - timedelta(minutes=since)),
        "agent": "codex",
        "role": role,
        "cause": "usage_limit",
        "message": message,
        "failures": 3,
        "wait_s": 60 * (since + minutes),
        "until_utc": utc_text(NOW + timedelta(minutes=minutes)),
    }
    return replace(use, outages=with_outage(use.outages, event))


def at(minutes: float) -> str:
    return local_moment(utc_text(NOW + timedelta(minutes=minutes)))[11:16]


def test_what_all_is_told_of_a_good_night(config: Config) -> None:
    sandbox = SandboxStatus(mode="read-only", reason="no namespaces here", mend="sysctl x=1")
    assert lines_of(status(config=config, sandbox=sandbox)) == [
        "Codex decides",
        "worker, Codex: 41 calls (3 failed: 2 quota, 1 timeout), 123,000 tokens in (100,000 cached), "
        "4,500 out (2,000 reasoning), 0.078 EUR",
        "model calls: 41 since this start, 0 within the hour, 127,500 tokens in all at least (3 calls told none), "
        "0.078 EUR",
        "sandbox read-only: no namespaces here; mend: sysctl x=1",
        "mentor: due 6 times, 1 without an answer; 3 challenges, 2 adopted",
        "  adopted: 1 gained, 1 without a result",
        "  not adopted, the worker's own: 1 tied",
        "  all other cycles: 9 lost",
    ]


def test_a_past_outage_is_told_with_who_stood_in() -> None:
    past = PastOutages()
    for event in (
        {"event": "agent_out", "ts_utc": utc_text(NOW - timedelta(minutes=9)), "cause": "usage_limit", "role": None},
        {"event": "run_staged", "run": {"proposer": "builtin"}},
        {"event": "agent_out", "ts_utc": utc_text(NOW - timedelta(minutes=7)), "cause": "network", "role": None},
        {"event": "run_staged", "run": {"proposer": "builtin"}},
        {"event": "run_staged", "run": {"proposer": "codex"}},
        {"event": "agent_back", "ts_utc": utc_text(NOW - timedelta(minutes=2)), "role": "worker"},
        {"event": "run_staged", "run": {"proposer": "builtin"}},
    ):
        past.follow(event | {"agent": "codex"})
    (outage,) = past.over()
    assert outage.stand_in_runs == 2
    assert lines_of(status(past_outages=past.over()))[1] == (
        f"Codex was out from {at(-9)} to {at(-2)}: usage limit; the built-in planner proposed 2 runs meanwhile"
    )
    past.follow({"event": "agent_back", "ts_utc": "nonsense", "agent": None, "role": 3})
    past.clear()
    assert past.over() == ()


def test_nothing_is_told_where_there_is_nothing_to_tell() -> None:
    planner = status(AgentUse(by_role={"worker/builtin": PLANNER}), worker="builtin", worth=MentorWorth())
    assert lines_of(planner) == ["the built-in planner decides"]
    assert lines_of(status(AgentUse(), worth=MentorWorth())) == ["Codex decides"]


def test_who_decides_while_codex_is_out_and_until_when() -> None:
    found = status(out(USE, None, 30))
    assert found.decides == "builtin"
    assert lines_of(found)[0] == (
        f"the built-in planner decides since {at(-10)}, Codex is out: usage limit until {at(30)} (try again later)"
    )
    assert not any(line.startswith("the mentor") for line in lines_of(found)), "the account is told once"


def test_a_time_on_another_day_is_told_with_its_date() -> None:
    until = local_moment(utc_text(NOW + timedelta(days=3)))[:16]
    assert f"until {until} (" in lines_of(status(out(USE, None, 3 * 1440)))[0]


def test_an_agent_whose_rest_is_over_decides_again() -> None:
    found = status(out(USE, "worker", -1))
    assert found.decides == "codex"
    assert lines_of(found)[0] == "Codex decides, after 3 failed in a row: usage limit (try again later)"


def test_a_mentor_alone_that_is_out() -> None:
    found = status(out(USE, "mentor", 30))
    assert found.decides == "codex"
    assert lines_of(found)[:2] == [
        "Codex decides",
        f"the mentor is out since {at(-10)}: usage limit until {at(30)} (try again later)",
    ]
    beside_a_command = status(out(USE, None, 30), worker="command")
    assert lines_of(beside_a_command)[0] == "the command decides"
    assert lines_of(beside_a_command)[1].startswith("the mentor is out since")


def test_a_budget_that_is_spent(config: Config) -> None:
    found = status(config=replace(config, max_tokens_total=1000))
    assert (found.decides, found.budget is not None and found.budget.key) == ("builtin", "max_tokens_total")
    assert lines_of(found)[0] == (
        "the built-in planner decides, Codex rests until the limit is raised: "
        "127500 of 1000 tokens are spent (max_tokens_total)"
    )
    hourly = replace(USE, rate=USE.rate.with_call(NOW))
    found = status(hourly, config=replace(config, max_calls_per_hour=1))
    assert f"Codex rests until {at(61)}: 1 of 1 calls" in lines_of(found)[0]
    alone = status(config=replace(config, max_tokens_total=1000), worker="builtin")
    assert lines_of(alone)[0] == "the built-in planner decides"


def test_without_the_planner_nobody_decides(config: Config) -> None:
    found = status(out(USE, None, 30), config=replace(config, fallback_planner=False))
    assert found.decides is None and lines_of(found)[0].startswith("nobody decides since")


def test_foreign_texts_do_nothing_to_the_terminal() -> None:
    evil = "\x1b[2J\x1b]0;owned\x07" + "y" * 5000
    sandbox = SandboxStatus(mode="workspace-write", reason=evil, pinned=True)
    for line in lines_of(status(out(USE, None, 30, message=evil), sandbox=sandbox)):
        assert line.isprintable() and len(line) < 600


def test_the_block_is_json_with_all_that_the_lines_tell(config: Config) -> None:
    block = status(out(USE, None, 30), config=config, sandbox=SandboxStatus(mode="read-only", reason="r")).to_json()
    assert json.loads(json.dumps(block)) == block
    assert (block["decides"], block["worker"], block["outages"][0]["rests"]) == ("builtin", "codex", True)
    assert block["tokens"] == {"input": 123_000, "cached_input": 100_000, "output": 4500, "reasoning_output": 2000}
    assert block["roles"][1]["money"]["currency"] == "EUR" and block["roles"][0]["money"] is None
    assert block["mentor_worth"]["adopted"] == {"gained": 1, "failed": 1}
