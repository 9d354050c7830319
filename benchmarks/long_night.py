"""Run a loop for thousands of cycles and say what grows: memory, descriptors, time a cycle.

    .venv/bin/python benchmarks/long_night.py [--cycles 10000]     instant worker and trainings, no process started
    .venv/bin/python benchmarks/long_night.py --real 500           a daemon with real children

The first puts an object of the same interface in the place of the starter of processes (``Keepers``): calls, trainings
and jobs on code are over when they are started, and checks find nothing. Everything else is the loop's own: journal,
state, history, pages, ticks, files on the disk. The clock leaps on by a tenth of a second at each tick, so that all
that happens by the clock happens as often as it would. Time a cycle is the process's own CPU time without what the
stand-ins took. The second reads the figures of a daemon of its own from outside; a worker that answers at once, a
training that ends at once.

Memory is what the process holds (resident set) after the first ten cycles, after 350, when it holds as many of the
latest runs as it ever will, and after each tenth of the night. Exit code 1 when a limit is passed: 5 MB of growth from
the 350th cycle on, one more descriptor, 1.2 times the time a cycle in the last tenth against the first. Linux.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from llm_loop import daemon as daemons  # noqa: E402
from llm_loop.contract.paths import WorkspacePaths  # noqa: E402
from llm_loop.limits import Limits  # noqa: E402
from llm_loop.selftest import trainer  # noqa: E402
from llm_loop.system import files, processes  # noqa: E402
from llm_loop.system.clock import SystemClock  # noqa: E402
from llm_loop.system.processes import HeldCommand  # noqa: E402
from tests.conftest import command_line, make_workspace  # noqa: E402

MOST_GROWTH_MB, MOST_RATIO = 5.0, 1.2
BEGIN, FULL = 10, 350
_PARAMS = 31
_OPEN_TODOS = 20
_WORDS = "warmup cosine mixup cutout dropout momentum schedule crop flip rotation batch width depth focal".split()


class LeapingClock(SystemClock):
    """Tell a time that moves on by what is slept."""

    def __init__(self) -> None:
        super().__init__()
        self._passed_s = 0.0

    def utc_now(self) -> datetime:
        """Return the night's wall clock."""
        return datetime(2026, 3, 1, 22, 0, 0, tzinfo=UTC) + timedelta(seconds=self._passed_s)

    def monotonic(self) -> float:
        """Return seconds since the night began."""
        return 1000.0 + self._passed_s

    def sleep(self, seconds: float) -> None:
        """Leap on."""
        self._passed_s += seconds


class InstantKeepers(processes.Keepers):
    """Do at once what a keeper would hold; ``own_s`` is the CPU time that this took, which is not the loop's."""

    def __init__(self) -> None:
        super().__init__()
        self.own_s = 0.0
        self._held: dict[Path, HeldCommand] = {}
        self._rng = random.Random(1)

    def prepare(self, folder: Path, command: HeldCommand) -> None:
        """Write ``spec.json`` and remember the command until it is started."""
        super().prepare(folder, command)
        self._held[folder] = command

    def start(self, folder: Path, env: Mapping[str, str]) -> str | None:
        """Do the work and write how it ended."""
        began_s = time.process_time()
        command = self._held.pop(folder)
        for log in (command.stdout, command.stderr):
            log.touch()
        code = 0
        if "LLM_LOOP_RUN_DIR" in env:
            code = self._train(Path(env["LLM_LOOP_RUN_DIR"]), float(command.argv[-1]))
        elif command.stdin is not None:
            command.stdout.write_text(json.dumps(answer_to(asked_in(folder))), encoding="utf-8")
        elif command.argv[-2] == "llm_loop.validation.check":
            files.replace_json(folder / "answer.json", {"checks": [], "dry_run": None}, durable=False)
        else:
            code = importlib.import_module(f"{command.argv[-2]}.__main__").main([str(folder)])
        started = {"pid": os.getpid(), "keeper_pid": os.getpid(), "started_utc": "2026-03-01T22:00:00Z"}
        files.replace_json(folder / "started.json", started, durable=False)
        files.replace_json(folder / "exit.json", _ending(code), durable=False)
        self.own_s += time.process_time() - began_s
        return None

    def poll(self, folder: Path, now_s: float) -> processes.Ending | None:
        """Return the ending, which is there."""
        return processes.read_ending(folder)

    def _train(self, folder: Path, value: float) -> int:
        if self._rng.random() < 0.03:
            return 1
        write_result(folder, value)
        return 0


def _ending(code: int) -> dict[str, Any]:
    ending = {"schema_version": 1, "cause": "exited", "exit_code": code, "detail": None, "duration_s": 1.0}
    return ending | {"started_utc": "2026-03-01T22:00:00Z", "ended_utc": "2026-03-01T22:00:01Z"}


def asked_in(folder: Path) -> dict[str, Any]:
    """Return what is needed of a call's observation; to parse it whole would count as the loop's memory."""
    cycle, _, role, _ = folder.name.split("-")
    todos = re.findall(rb'"id": "(C[0-9]+-W[0-9]+)"', (folder / "observation.json").read_bytes())
    open_todos = [{"id": todo.decode("ascii")} for todo in dict.fromkeys(todos)]
    return {"cycle": int(cycle.removeprefix("C")), "role": role, "open_todos": open_todos}


def write_result(folder: Path, value: float) -> None:
    """Write the result of a training with as many parameters as the reference trainer has, numbers and words."""
    kinds = (round(value, 4), int(value * 1000), value > 0.3, "cosine")
    params = {f"group{number % 6}.parameter_{number}": kinds[number % 4] for number in range(_PARAMS)}
    result = trainer.RESULT | {"value": value, "best_val_score": -value, "run_seconds": 1.0, "params": params}
    text = json.dumps(result | {"stopped_early": False, "seed": int(value * 1e6) % 3})
    (folder / "result.json").write_text(text, encoding="utf-8")


def answer_to(observation: Mapping[str, Any]) -> dict[str, Any]:
    """Return the worker's next experiment, or what the mentor says of it."""
    if observation["role"] == "worker":
        return decision_of(observation)
    return {
        "schema_version": 1,
        "recommendation": "continue",
        "critique": f"on_track: cycle {observation['cycle']} goes on as those before it, and that is well",
        "questions": [],
        "mentor_notes": f"Nothing new has been seen up to cycle {observation['cycle']}.",
        "todo_updates": [],
        "suggested_decision": None,
    }


def _words(rng: random.Random) -> str:
    return " ".join(rng.sample(_WORDS, 3))


def decision_of(observation: Mapping[str, Any]) -> dict[str, Any]:
    """Return the next experiment: the search gets slowly better, and the TODO list is worked off."""
    cycle = observation["cycle"]
    rng = random.Random(cycle)
    todos = observation["open_todos"]
    value = 0.1 + 0.5 / (1 + cycle / 50) + rng.random() / 3
    return {
        "schema_version": 1,
        "action": "run_command",
        "rationale": f"A long night wants its experiment number {cycle}, for nothing must grow with their number.",
        "command": f'python "{Path(__file__).as_posix()}" --train {value:.6f}',
        "run_label": f"long-night-{cycle}",
        "idea_category": rng.choice(["augmentation", "optimization", "loss", "model_arch"]),
        "monitor_seconds": 60,
        "stop_patterns": [],
        "housekeeping": {
            "todo_new": [f"Compare {_words(rng)} over several seeds against {_words(rng)}"],
            "notes_update": f"What cycle {cycle} has shown is that {value:.4f} is within the reach of {rng.random()}.",
            "data_exploration_update": "",
            "resolve_shared_todo_ids": [todo["id"] for todo in todos[:2]] if len(todos) > _OPEN_TODOS else [],
        },
        "working_folder": ".",
        "builds_on": [],
        "target_run_id": None,
        "run_files": [{"name": "own.yaml", "text": f"number: {cycle}\n"}],
        "edits": None,
        "install_packages": None,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Hold what was seen of a daemon after so many cycles: its CPU seconds so far, its memory, its descriptors."""

    cycles: int
    own_s: float
    rss_mb: float
    descriptors: int


def look(pid: int, cycles: int, own_s: float) -> Look:
    """Return what a process holds now."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    rss_mb = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    return Look(cycles=cycles, own_s=own_s, rss_mb=rss_mb, descriptors=len(os.listdir(f"/proc/{pid}/fd")))  # noqa: PTH208


def _workspace(root: Path) -> Path:
    agent = command_line(Path(__file__), "--work")
    agents = {"worker_command": agent, "mentor_command": agent, "mentor_enabled": True, "mentor_every_n_cycles": 5}
    return make_workspace(root, **agents, max_parallel_runs=1, devices="none", journal_rotate_mb=8)


def instant(root: Path, cycles: int, wanted: list[int]) -> list[Look]:
    """Run the loop in this process with nothing to wait for; return a look after each of the ``wanted`` cycles."""
    workspace = _workspace(root)
    daemons.Keepers = InstantKeepers  # type: ignore[misc]
    config = workspace / "config" / "daemon_config.json"
    clock = LeapingClock()
    daemon = daemons.Daemon(WorkspacePaths(workspace), config, dict(os.environ), clock, Limits(cycles=cycles))
    keepers: Any = daemon._keepers
    daemon._begin()
    found, state = [], daemon._context.ledger
    while not daemon._tick():
        clock.sleep(daemons.TICK_S)
        while len(found) < len(wanted) and state.state.cycles_closed >= wanted[len(found)]:
            gc.collect()
            found.append(look(os.getpid(), state.state.cycles_closed, time.process_time() - keepers.own_s))
    daemon._end()
    return found


def real(root: Path, cycles: int, wanted: list[int]) -> list[Look]:
    """Run a daemon with real children; return a look after each of the ``wanted`` cycles."""
    workspace = _workspace(root)
    paths = WorkspacePaths(workspace)
    argv = [sys.executable, "-X", "utf8", "-m", "llm_loop", "--workspace", str(workspace), "start", "--quiet"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("LLM_LOOP_")}
    environ |= {"PYTHONPATH": str(REPOSITORY), "PYTHONUTF8": "1"}
    daemon = subprocess.Popen([*argv, "--cycles", str(cycles)], env=environ, stdout=subprocess.DEVNULL)
    found: list[Look] = []
    try:
        while daemon.poll() is None:
            time.sleep(0.2)
            closed = _closed(paths)
            if len(found) < len(wanted) and closed >= wanted[len(found)]:
                found.append(look(daemon.pid, closed, _cpu_s(daemon.pid)))
    finally:
        daemon.kill()
        daemon.wait()
    return found


def _closed(paths: WorkspacePaths) -> int:
    try:
        return int(files.read_json(paths.state)["loop"]["cycles_closed"])
    except FileNotFoundError:
        return 0


def _cpu_s(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def judge(found: list[Look]) -> dict[str, float]:
    """Return what has grown from the first look, and the time a cycle of the last tenth against the first."""
    tenth = found[-1].cycles // 10
    early_end = next(one for one in found if one.cycles >= tenth)
    early = (early_end.own_s - found[0].own_s) / (early_end.cycles - found[0].cycles)
    late = (found[-1].own_s - found[-2].own_s) / (found[-1].cycles - found[-2].cycles)
    full = next(one for one in found if one.cycles >= min(FULL, found[-1].cycles // 2))
    return {
        "memory_growth_mb": round(found[-1].rss_mb - full.rss_mb, 2),
        "memory_growth_from_the_beginning_mb": round(found[-1].rss_mb - found[0].rss_mb, 2),
        "descriptor_growth": found[-1].descriptors - found[0].descriptors,
        "own_ms_a_cycle_first_tenth": round(early * 1000, 2),
        "own_ms_a_cycle_last_tenth": round(late * 1000, 2),
        "ratio": round(late / early, 2),
    }


def table(found: list[Look]) -> str:
    """Return the looks as lines; the time a cycle is that since the line before."""
    lines = ["  cycles  own ms a cycle  memory MB  descriptors"]
    for number, one in enumerate(found):
        before = found[number - 1] if number else None
        own = "-" if before is None else f"{(one.own_s - before.own_s) / (one.cycles - before.cycles) * 1000:.2f}"
        lines.append(f"{one.cycles:8d}  {own:>14s}  {one.rss_mb:9.1f}  {one.descriptors:11d}")
    return "\n".join(lines)


def main() -> int:
    """Run a night, print what was seen, and say whether it was flat."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=10_000, help="Cycles without processes (default 10000).")
    parser.add_argument("--real", type=int, metavar="CYCLES", help="Cycles with real children instead.")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--train", type=float, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        print(json.dumps(answer_to(json.load(sys.stdin))))
        return 0
    if arguments.train is not None:
        write_result(Path(os.environ["LLM_LOOP_RUN_DIR"]), arguments.train)
        return 0
    cycles = arguments.real or arguments.cycles
    wanted = sorted({BEGIN, min(FULL, cycles // 2), *(cycles * tenth // 10 for tenth in range(1, 10)), cycles - 1})
    load = os.getloadavg()[0]
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = (real if arguments.real else instant)(Path(folder) / "night", cycles, wanted)
    print(table(found))
    verdict = judge(found)
    print(
        json.dumps({"load_average": round(load, 2), "wall_s": round(time.monotonic() - began, 1)} | verdict, indent=2)
    )
    grown = verdict["memory_growth_mb"] > MOST_GROWTH_MB or verdict["descriptor_growth"] > 0
    return int(grown or verdict["ratio"] > MOST_RATIO)


if __name__ == "__main__":
    sys.exit(main())
