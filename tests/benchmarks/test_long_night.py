"""The long night in small: the loop really works in it, and its arithmetic tells what grew."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import long_night
from benchmarks.long_night import Look, judge
from llm_loop import daemon
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.memory.journal import Journal
from llm_loop.system.clock import SystemClock
from llm_loop.system.processes import Keepers

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc")


def test_forty_cycles_without_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon, "Keepers", Keepers)  # what the benchmark puts there goes again
    found = long_night.instant(tmp_path / "night", 40, [10, 20, 39])
    assert [one.cycles >= wanted for one, wanted in zip(found, (10, 20, 39), strict=True)] == [True] * 3
    events = Journal(WorkspacePaths(tmp_path / "night").events, SystemClock()).after(0)
    kinds = [event["event"] for event in events]
    assert kinds.count("cycle") == kinds.count("run_ended") == 40 and "review" in kinds and "error" not in kinds
    states = [event["state"] for event in events if event["event"] == "run_ended"]
    assert set(states) <= {"completed", "needs_human"} and states.count("completed") > 30


def test_what_grew_is_told() -> None:
    def look(cycles: int, own_s: float, rss_mb: float, descriptors: int = 6) -> Look:
        return Look(cycles=cycles, own_s=own_s, rss_mb=rss_mb, descriptors=descriptors)

    flat = [look(10, 1, 50), look(350, 5, 57), look(1000, 10, 58), look(9000, 90, 59), look(9999, 100, 60, 7)]
    verdict = judge(flat)
    assert verdict["memory_growth_mb"] == 3 and verdict["memory_growth_from_the_beginning_mb"] == 10
    assert verdict["descriptor_growth"] == 1 and verdict["ratio"] == pytest.approx(1.1, abs=0.01)
