"""Measure start-up, status and a tick behind a short journal and behind a long one, as ratios.

    .venv/bin/python benchmarks/journal_scale.py [--events 1000 100000] [--times 5] [--rotate-mb 64]

The journal is that of a campaign of small runs, fifteen events a run, written through the loop's own ledger, so it
lies in as many parts as it would, with the history, its index and the leaderboard that follow from it. Everything is
timed in this process, each figure is the median of ``--times``. ``start_without_index_ms`` is the first start after
an upgrade, or after somebody changed the history: it reads all of it, once. ``restart_ms`` is that of a real process,
from its start to its first heartbeat, when all is re-adopted. Prints one JSON object; figures are of
this machine under its present load, so read the ratios.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from llm_loop.config import load_config  # noqa: E402
from llm_loop.contract.paths import WorkspacePaths  # noqa: E402
from llm_loop.cycle.ledger import Ledger  # noqa: E402
from llm_loop.daemon import Daemon  # noqa: E402
from llm_loop.limits import Limits  # noqa: E402
from llm_loop.selftest import leftovers  # noqa: E402
from llm_loop.selftest.loop_process import LoopProcess  # noqa: E402
from llm_loop.stages.learn import Memory  # noqa: E402
from llm_loop.system import files  # noqa: E402
from llm_loop.system.clock import SystemClock  # noqa: E402
from llm_loop.views.reading import SnapshotReader  # noqa: E402
from tests.conftest import make_workspace  # noqa: E402
from tests.memory.campaign_events import attempt, ended  # noqa: E402
from tests.views.workspace_builder import WorkspaceBuilder, a_review  # noqa: E402

_SHORT, _LONG = 1_000, 100_000
_TICKS = 200
_OWN = ("seq", "ts_utc", "event")


def one_run(root: Path) -> str:
    """Return the events of one run's cycle, one a line, as the loop's own ledger writes them."""
    workspace = WorkspaceBuilder(root)
    of = workspace.open_cycle()
    record = workspace.ledger.record
    record("call_intended", **of, call_id="call-1", step="decide", agent="builtin")
    run = workspace.stage("tried", mentor=a_review(), of=of)
    record("code_version", run_id=run.run_id, attempt=1, moment="launch", version="a" * 12, why=None)
    workspace.launch(run)
    record("code_version", run_id=run.run_id, attempt=1, moment="end", version="a" * 12, why=None)
    end = {name: value for name, value in ended(run.run_id, "exited", 0, 1.0, 2.0).items() if name != "event"}
    record("attempt_ended", **end)
    for number in range(3):
        record("notice", text=f"word {number} on the way")
    workspace.end(run, 0.25)
    assert attempt(1)["number"] == 1
    return workspace.paths.events.read_text(encoding="utf-8")


def long_campaign(template: str) -> Iterator[dict[str, Any]]:
    """Yield events for ever: the template's, each time of the next cycle and run."""
    number = 0
    while True:
        number += 1
        text = re.sub(r"C0001-", f"C{number:04d}-", template.replace("R0001", f"R{number:04d}"))
        text = text.replace('"cycle": 1,', f'"cycle": {number},').replace('"tried"', f'"tried {number}"')
        text = text.replace('"value": 0.25', f'"value": {0.25 + number % 97 / 100}')
        yield from map(json.loads, text.splitlines())


@contextlib.contextmanager
def not_durable() -> Iterator[None]:
    """Leave out the fsync of each event, to have a long journal soon."""
    real = files.append_line
    files.append_line = lambda path, line, **how: real(path, line, **{**how, "durable": False})  # type: ignore[assignment]
    try:
        yield
    finally:
        files.append_line = real  # type: ignore[assignment]


def build(root: Path, count: int, rotate_mb: int) -> WorkspacePaths:
    """Make a workspace with a journal of ``count`` events, its state and its history."""
    with tempfile.TemporaryDirectory() as folder:
        template = one_run(Path(folder))
    paths = WorkspacePaths(make_workspace(root, journal_rotate_mb=rotate_mb))
    config = load_config(root / "config" / "daemon_config.json", root, {})
    with not_durable():
        memory = Memory(paths, SystemClock(), config)
        ledger = Ledger(paths, SystemClock(), memory.remember)
        ledger.use(config)
        last_end = {}
        for event in long_campaign(template):
            noted = ledger.note(event["event"], **{name: event[name] for name in event if name not in _OWN})
            if noted["event"] == "run_ended":
                last_end = noted
            if noted["event"] == "cycle":
                ledger.save()
            if noted["seq"] >= count:
                break
        ledger.save()
        memory.learn(last_end, ledger.state)  # the leaderboard
    return paths


def start(paths: WorkspacePaths) -> Daemon:
    """Return a daemon as it stands before its first tick."""
    config = paths.root / "config" / "daemon_config.json"
    daemon = Daemon(paths, config, dict(os.environ), SystemClock(), Limits())
    daemon._context.ledger.catch_up()
    return daemon


def median_ms(act: Callable[[], Any], times: int, before: Callable[[], Any] = lambda: None) -> float:
    """Return the median time of ``act``, in milliseconds, each after ``before``."""
    found = []
    for _ in range(times):
        before()
        began = time.perf_counter()
        act()
        found.append(time.perf_counter() - began)
    return round(statistics.median(found) * 1000, 2)


def measure(paths: WorkspacePaths, times: int) -> dict[str, float]:
    """Return the figures of one workspace."""
    figures = {
        "journal_mb": round(sum(file.stat().st_size for file in paths.logs.glob("events*.jsonl")) / 1e6, 1),
        "parts": len(list(paths.logs.glob("events*.jsonl"))),
        "open_journal_and_state_ms": median_ms(lambda: Ledger(paths, SystemClock()), times),
        "runs": len(paths.history.read_bytes().splitlines()),
        "start_ms": median_ms(lambda: start(paths), times),
        "status_ms": median_ms(lambda: status(paths), times),
        "start_without_state_ms": median_ms(lambda: start(paths), times, lambda: lose(paths.state)),
        "start_without_index_ms": median_ms(lambda: start(paths), times, lambda: lose(paths.history_index)),
    }
    start(paths)._context.ledger.save()
    figures["tick_ms"] = tick_ms(paths)
    figures["restart_ms"] = restart_ms(paths, times)
    return figures


def status(paths: WorkspacePaths) -> str:
    """Return what ``status --json`` prints."""
    return json.dumps(SnapshotReader(paths, SystemClock(), os.environ).take().to_json())


def lose(path: Path) -> None:
    """Remove a file, as a disk does that spoils it."""
    path.unlink(missing_ok=True)


def tick_ms(paths: WorkspacePaths) -> float:
    """Return the time of a tick in which one event is journaled, followed and saved, in milliseconds."""
    daemon = start(paths)
    daemon._context.holds["benchmark"] = "nothing is launched here"
    daemon._context.accepts_cycles = False
    daemon._tick()
    return median_ms(daemon._tick, _TICKS, lambda: daemon._context.ledger.note("notice", text="one more"))


def restart_ms(paths: WorkspacePaths, times: int) -> float:
    """Return the time from the start of a process, after a kill, to its first heartbeat, in milliseconds."""
    paths.pause.touch()
    loop = LoopProcess(paths, run_minutes=5)
    try:
        for _ in range(times):
            loop.start_and_wait()
            loop.kill()
    finally:
        loop.kill()
        leftovers.end_everything(paths)
    return round(statistics.median(loop.adopted_s) * 1000, 2)


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, nargs="+", default=[_SHORT, _LONG], help="Lengths of the journals.")
    parser.add_argument("--times", type=int, default=5, help="How often each figure is taken.")
    parser.add_argument("--rotate-mb", type=int, default=64, help="journal_rotate_mb, in megabytes.")
    arguments = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for count in arguments.events:
            paths = build(Path(folder) / str(count), count, arguments.rotate_mb)
            found[count] = measure(paths, arguments.times)
    first, last = found[min(found)], found[max(found)]
    ratios = {name: round(last[name] / first[name], 2) for name in first if name.endswith("_ms")}
    load = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    print(json.dumps({"load_average": load, "by_events": found, "ratios": ratios}, indent=2))


if __name__ == "__main__":
    main()
