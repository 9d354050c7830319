"""Measure what the loop itself costs: its time in a cycle, the gap between two runs, idle CPU, memory.

    .venv/bin/python benchmarks/loop_costs.py [--cycles 60] [--events 50000] [--runs 20]

Real daemons, real keepers, programs of the tests as worker and trainer. Prints one JSON object; figures
are of this machine under its present load, the growth is a ratio of two measurements in one run.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from llm_loop.contract.paths import WorkspacePaths  # noqa: E402
from llm_loop.daemon import Daemon  # noqa: E402
from llm_loop.limits import Limits  # noqa: E402
from llm_loop.system.clock import SystemClock  # noqa: E402
from tests.conftest import make_workspace  # noqa: E402
from tests.loop_process import LoopProcess, script  # noqa: E402


class TimedDaemon(Daemon):
    """Note the time spent in ticks whenever a cycle closes, and never sit out a wait."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.cycle_s: list[float] = []
        self.tick_lengths: list[float] = []
        self._closed = self._context.ledger.state.cycles_closed
        self._spent = 0.0

    def _tick(self) -> bool:
        self._cycle.plan_lane.wake()
        began = time.perf_counter()
        over = super()._tick()
        self.tick_lengths.append(time.perf_counter() - began)
        self._spent += self.tick_lengths[-1]
        closed = self._context.ledger.state.cycles_closed
        if closed > self._closed:
            self.cycle_s.append(self._spent)
            self._closed, self._spent = closed, 0.0
        return over


def wait_cycles(root: Path, cycles: int) -> dict[str, float]:
    """Return the daemon's own time in cycles whose worker answers ``wait`` at once (a real child)."""
    script(root, {"action": "wait"})
    paths = WorkspacePaths(root)
    daemon = TimedDaemon(
        paths, root / "config" / "daemon_config.json", dict(os.environ), SystemClock(), Limits(cycles=cycles)
    )
    daemon.run()
    own = [seconds * 1000 for seconds in daemon.cycle_s[2:]]
    ticks = sorted(seconds * 1000 for seconds in daemon.tick_lengths)
    return {
        "cycles": len(own),
        "own_ms_median": round(statistics.median(own), 2),
        "own_ms_max": round(max(own), 2),
        "tick_ms_median": round(statistics.median(ticks), 2),
        "tick_ms_99th": round(ticks[int(len(ticks) * 0.99)], 2),
    }


def fill_journal(root: Path, count: int) -> None:
    """Put ``count`` events into the journal before the daemon starts."""
    paths = WorkspacePaths(root)
    paths.logs.mkdir(parents=True, exist_ok=True)
    with paths.events.open("w", encoding="utf-8") as stream:
        for seq in range(1, count + 1):
            event = {"seq": seq, "ts_utc": "2026-01-01T00:00:00Z", "event": "notice", "text": "x" * 300}
            stream.write(json.dumps(event) + "\n")


def gaps(root: Path, environ: dict[str, str], runs: int) -> dict[str, float]:
    """Return the time from a run's end to the next one's start, with a decision at hand."""
    script(root, *[{"train": f"sleep {1 + number / 1000}"} for number in range(runs)])  # no two are the same experiment
    with LoopProcess(root, environ, "--cycles", str(runs)) as loop:
        loop.finish(600)
    endings = loop.events("attempt_ended")
    found = [later["started_monotonic_s"] - earlier["ended_monotonic_s"] for earlier, later in pairwise(endings)]
    return {
        "runs": len(endings),
        "end_to_next_start_s_median": round(statistics.median(found), 3),
        "end_to_next_start_s_max": round(max(found), 3),
        "idle_fraction": json.loads(loop.paths.heartbeat.read_text(encoding="utf-8"))["idle_fraction"],
    }


def idle(root: Path, environ: dict[str, str], seconds: float) -> dict[str, float]:
    """Return CPU share and memory of daemon and keeper while one run trains and nothing else happens."""
    import psutil

    script(root, {"train": "silent"})
    with LoopProcess(root, environ) as loop:
        loop.wait_for("run_staged", 2)
        time.sleep(2)
        daemon = psutil.Process(loop.process.pid)
        started = json.loads((loop.paths.attempt("R0001", 1) / "started.json").read_text(encoding="utf-8"))
        keeper = psutil.Process(started["keeper_pid"])
        before, keeper_before = sum(daemon.cpu_times()[:2]), sum(keeper.cpu_times()[:2])
        time.sleep(seconds)
        figures = {
            "seconds": seconds,
            "daemon_cpu_percent": round(100 * (sum(daemon.cpu_times()[:2]) - before) / seconds, 2),
            "keeper_cpu_percent": round(100 * (sum(keeper.cpu_times()[:2]) - keeper_before) / seconds, 2),
            "daemon_rss_mb": round(daemon.memory_info().rss / 1e6, 1),
            "keeper_rss_mb": round(keeper.memory_info().rss / 1e6, 1),
        }
    return figures


def first_training(root: Path, environ: dict[str, str], times: int) -> dict[str, float]:
    """Return the time from the start of the command to the first training process (planner decides)."""
    found = []
    for number in range(times):
        place = root / f"start-{number}"
        make_workspace(place)
        script(place, {"train": "good 0.5"})
        began = time.monotonic()
        with LoopProcess(place, environ, "--cycles", "1") as loop:
            loop.finish()
        found.append(loop.events("attempt_ended")[0]["started_monotonic_s"] - began)
    return {"times": times, "start_to_first_training_s_median": round(statistics.median(found), 2)}


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=60, help="Cycles of wait in each of the two measurements.")
    parser.add_argument("--events", type=int, default=50_000, help="Events in the journal of the second one.")
    parser.add_argument("--runs", type=int, default=20, help="Runs whose gaps are measured.")
    parser.add_argument("--idle-seconds", type=float, default=30, help="Seconds of idling.")
    arguments = parser.parse_args()
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONUTF8": "1"}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        fresh = wait_cycles(make_workspace(place / "fresh"), arguments.cycles)
        old = make_workspace(place / "old")
        fill_journal(old, arguments.events)
        loaded = wait_cycles(old, arguments.cycles)
        figures = {
            "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
            "wait_cycles": fresh,
            f"wait_cycles_behind_{arguments.events}_events": loaded,
            "growth": round(loaded["own_ms_median"] / fresh["own_ms_median"], 2),
            "gaps": gaps(make_workspace(place / "gaps"), environ, arguments.runs),
            "idle": idle(make_workspace(place / "idle"), environ, arguments.idle_seconds),
            "start": first_training(place / "starts", environ, 5),
        }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
