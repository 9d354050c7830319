"""Who starts a loop again: judged from journals, and with real daemons that are killed, stopped, closed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.restarts import MOST_DEATHS, Verdict, judge
from llm_loop.system.clock import utc_text
from tests.conftest import eventually
from tests.loop_process import LoopProcess, script, set_config

NOW = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)


def started(minutes_ago: float) -> dict[str, Any]:
    return {"event": "daemon_started", "ts_utc": utc_text(NOW - timedelta(minutes=minutes_ago))}


def ended(reason: str, ending: str = "polite") -> dict[str, Any]:
    return {"event": "daemon_ended", "reason": reason, "ending": ending}


CALLED = {"event": "needs_human", "phase": "start", "deaths": 3, "why": "it died"}
REFUSED = {"event": "needs_human", "phase": "start", "deaths": 0, "why": "a broken configuration"}
PAUSED = {"event": "needs_human", "phase": "disk", "why": "the disk is full"}


@pytest.mark.parametrize(
    "words, verdict, deaths",
    [
        ([], Verdict.START, 0),
        ([started(9)], Verdict.START, 1),
        ([started(9), started(5)], Verdict.START, 2),
        ([started(9), started(5), started(1)], Verdict.CRASH_LOOP, 3),
        ([started(11), started(5), started(1)], Verdict.START, 2),
        ([started(9), started(5), PAUSED, started(1), PAUSED], Verdict.CRASH_LOOP, 3),
        ([started(600)], Verdict.START, 0),
        ([started(-3), started(-5), started(-1)], Verdict.CRASH_LOOP, 3),
        # an end that was none is no death, and the count begins anew after it
        ([started(9), started(8), started(7), ended("log-off or shutdown", "interrupt")], Verdict.START, 0),
        ([started(9), started(8), ended("its window was closed", "leave"), started(1)], Verdict.START, 1),
        ([started(1), ended("its window was closed", "leave")], Verdict.START, 0),
        # on purpose
        ([started(1), ended("stopped on request")], Verdict.LEFT, 0),
        ([started(1), ended("stopped on request", "leave")], Verdict.LEFT, 0),
        ([started(1), ended("6 cycles done (--cycles)"), REFUSED], Verdict.LEFT, 0),
        ([started(1), ended("stopped on request"), started(0.5)], Verdict.START, 1),
        # a person was called: it stays so, however long ago, until a person starts it
        ([started(3), started(2), started(1), CALLED], Verdict.CRASH_LOOP, 3),
        ([started(903), started(902), started(901), CALLED], Verdict.CRASH_LOOP, 3),
        ([started(4), started(3), started(2), CALLED, started(1)], Verdict.START, 1),
        ([started(4), started(3), started(2), CALLED, started(1), ended("Ctrl-C")], Verdict.LEFT, 0),
        ([started(1), REFUSED], Verdict.START, 1),
    ],
)
def test_the_verdict(words: list[dict[str, Any]], verdict: Verdict, deaths: int) -> None:
    found = judge(words, NOW)
    assert (found.verdict, found.deaths) == (verdict, deaths)


# ---------------------------------------------------------------- real daemons


def start_again(root: Path, environ: dict[str, str], seconds: float = 30) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "llm_loop", "--workspace", str(root), "start", "--quiet", "--autostarted"]
    return subprocess.run(argv, env=environ, capture_output=True, text=True, encoding="utf-8", timeout=seconds)


def called(loop: LoopProcess) -> list[dict[str, Any]]:
    return loop.events("needs_human")


def test_a_crash_loop_waits_for_a_person(workspace: Callable[..., Path], clean_environ: dict[str, str]) -> None:
    root = workspace()
    script(root, {"action": "wait"})
    loop = LoopProcess(root, clean_environ, "--autostarted")
    for number in range(1, MOST_DEATHS + 1):
        loop.start()
        loop.wait_for("daemon_started", number)
        assert called(loop) == []
        loop.kill()
    for _ in range(2):
        done = start_again(root, clean_environ)
        assert done.returncode == 4, done
        assert "died 3 times within 10 minutes" in done.stderr and "Traceback" not in done.stderr
    assert [(event["phase"], event["deaths"]) for event in called(loop)] == [("start", 3)], "once, not at each look"
    with LoopProcess(root, clean_environ) as by_person:
        by_person.wait_for("daemon_started", MOST_DEATHS + 1)
    done = start_again(root, clean_environ)
    assert done.returncode == 0 and "ended on purpose" in done.stdout
    assert len(loop.events("daemon_started")) == MOST_DEATHS + 1


def test_a_torn_line_under_a_call_for_a_person_is_set_aside_and_told(
    workspace: Callable[..., Path], clean_environ: dict[str, str]
) -> None:
    root = workspace()
    paths = WorkspacePaths(root)
    paths.logs.mkdir(parents=True)
    now = utc_text(datetime.now(UTC))
    lines = [json.dumps({"seq": n, "ts_utc": now, "event": "daemon_started", "pid": 1}) for n in (1, 2, 3)]
    paths.events.write_text("\n".join([*lines, '{"seq": 4, "ts']), encoding="utf-8", newline="\n")
    assert start_again(root, clean_environ).returncode == 4
    events = [json.loads(line) for line in paths.events.read_text(encoding="utf-8").splitlines()]
    assert [(event["seq"], event["event"]) for event in events[3:]] == [(4, "repaired"), (5, "needs_human")]


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("number", ["SIGTERM", "SIGHUP"])
def test_log_off_and_a_closed_window_are_no_end_on_purpose(
    number: str, workspace: Callable[..., Path], clean_environ: dict[str, str]
) -> None:
    root = workspace()
    script(root, {"action": "wait"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("daemon_started")
        loop.send(getattr(signal, number))
        loop.finish()
        loop = LoopProcess(root, clean_environ, "--autostarted")
        with loop:
            loop.wait_for("daemon_started", 2)


def test_it_waits_beside_a_loop_that_a_person_started_and_takes_over_when_that_dies(
    workspace: Callable[..., Path], clean_environ: dict[str, str]
) -> None:
    root = workspace()
    script(root, {"action": "wait"})
    with LoopProcess(root, clean_environ) as first:
        first.wait_for("daemon_started")
        with LoopProcess(root, clean_environ, "--autostarted") as second:
            first.kill()
            second.wait_for("daemon_started", 2)
            assert second.process.poll() is None
        first.start()  # a stopped one is not taken over
        first.wait_for("daemon_started", 3)
        third = LoopProcess(root, clean_environ, "--autostarted")
        third.start()
        first.interrupt()
        first.finish()
        code, out, _ = third.finish()
        assert code == 0 and "ended on purpose" in out
        assert len(first.events("daemon_started")) == 3


def test_what_keeps_the_machine_from_starting_it_is_journaled_once(
    workspace: Callable[..., Path], clean_environ: dict[str, str]
) -> None:
    root = workspace(max_parallel_runs=-3)
    for _ in range(2):
        assert start_again(root, clean_environ).returncode == 2
    loop = LoopProcess(root, clean_environ, "--autostarted")
    (call,) = called(loop)
    assert "max_parallel_runs" in call["why"] and call["deaths"] == 0
    set_config(root, max_parallel_runs=1)
    script(root, {"action": "wait"})
    with loop:
        eventually(lambda: loop.events("daemon_started"))
