"""A night on the real Codex client in which every third call fails, each time in another way."""

from __future__ import annotations

import os
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.codex_workspace import codex_environment, codex_workspace, decision, is_worker, review
from tests.fakes.responses_server import USAGE, Entry, ResponsesServer, answer, status
from tests.test_codex_pair import run_loop, status_of

pytestmark = pytest.mark.codex
Environ = dict[str, str]

CYCLES = int(os.environ.get("CODEX_NIGHT_CYCLES", "10" if os.name == "nt" else "40"))
TIMEOUT_S = 12
FAILURES: tuple[tuple[str, Entry], ...] = (
    ("login", status(401, "token expired")),
    ("usage_limit", status(429, "limit", type="usage_limit_reached", resets_in_seconds=1)),
    ("rate_limit", status(429, "slow down")),
    ("overload", status(500, "boom")),
    ("network", {"cut": "before_headers"}),
    ("context_full", {"failed": "context_length_exceeded", "message": "too long"}),
    ("incomplete", {"incomplete": "max_output_tokens"}),
    ("no_answer", {"output": []}),
    ("schema", answer({"action": "dance"})),
    ("schema", answer("I would rather not.")),
    ("bad_request", status(400, "bad", type="invalid_request_error")),
    ("timeout", {"silent": "before_headers"}),
    ("quota", status(429, "quota", type="insufficient_quota")),
)
REPAIRED = {"no_answer", "schema"}
"""An answer that breaks the contract is asked for once more in the same call, and the next one holds."""


class Night:
    """Answer calls; all requests of a failing call fail, whatever the client tries."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.failed: list[str] = []
        self._of: dict[str, Entry | None] = {}
        self._lock = threading.Lock()

    def play(self, body: dict[str, Any], number: int) -> Entry:
        call = str(body.get("prompt_cache_key"))
        with self._lock:
            if call not in self._of:
                self._of[call] = self._next(call)
            failure = self._of[call]
        if failure is not None:
            return failure
        value = round(0.9 - 0.01 * len(self.calls), 3)
        return answer(decision(f"good {value}")) if is_worker(body) else answer(review("continue"))

    def _next(self, call: str) -> Entry | None:
        self.calls.append(call)
        if len(self.calls) % 3:
            return None
        cause, entry = FAILURES[len(self.failed) % len(FAILURES)]
        self.failed.append(cause)
        return entry


def test_a_night_with_a_failure_in_every_third_call(tmp_path: Path, clean_environ: Environ) -> None:
    night = Night()
    with ResponsesServer(night.play) as server:
        workspace = codex_workspace(
            tmp_path / "work space",
            server,
            planner="sleep 1.2",  # a rest is over while it trains
            mentor_enabled=True,
            mentor_every_n_cycles=4,
            codex_timeout_seconds=TIMEOUT_S,
            codex_longest_rest_seconds=1,
        )
        environ = codex_environment(clean_environ, tmp_path / "home")
        loop = run_loop(workspace, environ, "--cycles", str(CYCLES), seconds=280)
        counted = dict(server.tokens)
    cycles = loop.events("cycle")
    assert len(cycles) == CYCLES
    assert [cycle["result"] for cycle in cycles] == ["run_command"] * CYCLES, "each cycle trained"
    rows = loop.history()
    assert [row["state"] for row in rows] == ["completed"] * CYCLES
    proposers = Counter(row["proposer"] for row in rows)
    assert proposers["builtin"] > 0
    assert proposers["codex"] > proposers["builtin"] / 2
    calls = [event["call"] for kind in ("proposal", "review") for event in loop.events(kind)]
    asked = [call for call in calls if call is not None and call["agent"] == "codex"]
    causes = [call["failure"]["cause"] for call in asked if call["failure"] is not None]
    wanted = set(night.failed[:-1]) - REPAIRED  # the night may end before its last failure does
    assert wanted <= set(causes) <= set(night.failed), (Counter(causes), Counter(night.failed))
    told = status_of(workspace, clean_environ)["agents"]
    untold = causes.count("incomplete")  # the client tells no tokens of a turn that was cut off
    assert {name: told["tokens"][name] + untold * USAGE[name] for name in counted} == counted
    assert told["unknown_usage"] >= untold
    assert sum(role["calls"] for role in told["roles"] if role["agent"] == "codex") == len(asked)
    print(f"{len(asked)} calls, {len(causes)} failed: {dict(Counter(causes))}; runs by {dict(proposers)}")
