"""Measure how long the run slots stand idle while a model thinks, with planning ahead and without.

    .venv/bin/python benchmarks/idle.py [--scale 0.2] [--rows 1 2] [--runs 12]

Real daemons, keepers and child processes; a worker that takes D seconds a decision, trainings that take T seconds.
Prints a table. Idle is the share of slot time between the first launch and the last end of each slot:

- product: as `status` tells it; journal: from the keepers' times in the journal, without the loop's own sums (both
  have to agree, else the exit code is 1); trainings: from the first and the last file that each training wrote, so
  that the start of its interpreter counts as idle too.
- least: what a loop without any costs of its own could reach with the trainings as long as they were: one decision at
  a time, D seconds each; with planning ahead, it begins the next one as soon as fewer than one a slot is staged.

The full table takes about 20 minutes, nearly all of it sleep. ``--scale`` shortens D and T, and not what the loop
costs: idle is larger then, and says nothing of the targets.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from tests.conftest import make_workspace  # noqa: E402
from tests.loop_process import LoopProcess, script  # noqa: E402

AGREE_WITHIN = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Hold one line of the table; times in seconds, ``target`` in words."""

    model_s: float
    training_s: float
    slots: int = 1
    plan_ahead: bool = True
    target: str = ""

    def scaled(self, scale: float) -> Row:
        """Return the row with shorter times."""
        return Row(
            model_s=self.model_s * scale,
            training_s=self.training_s * scale,
            slots=self.slots,
            plan_ahead=self.plan_ahead,
            target=self.target if scale == 1 else "",
        )


ROWS = (
    Row(model_s=10, training_s=20, target="2 %"),
    Row(model_s=10, training_s=5, target="least + 3 %"),
    Row(model_s=10, training_s=30, slots=2),
    Row(model_s=10, training_s=20, plan_ahead=False),
    Row(model_s=10, training_s=5, plan_ahead=False),
)


@dataclass(frozen=True, slots=True)
class Stay:
    """Hold one attempt in its slot: start and end, in seconds of one clock."""

    slot: int
    start_s: float
    end_s: float


def idle_of(stays: Sequence[Stay]) -> float:
    """Return the idle share of all slots, each from its first start to its last end."""
    spans = 0.0
    for slot in {stay.slot for stay in stays}:
        own = [stay for stay in stays if stay.slot == slot]
        spans += max(stay.end_s for stay in own) - min(stay.start_s for stay in own)
    return 1 - sum(stay.end_s - stay.start_s for stay in stays) / spans


def least_possible(row: Row, lengths_s: Sequence[float]) -> list[Stay]:
    """Return when the trainings would have run in a loop that costs no time itself."""
    stays: list[Stay] = []
    free_s = [0.0] * row.slots
    decided_s = 0.0
    for number, length_s in enumerate(lengths_s):
        asked_s = decided_s
        if number >= row.slots and row.plan_ahead:
            asked_s = max(decided_s, stays[number - row.slots].start_s)
        elif number >= row.slots:
            asked_s = max(decided_s, sorted(stay.end_s for stay in stays)[number - row.slots])
        decided_s = asked_s + row.model_s
        slot = min(range(row.slots), key=lambda one: max(free_s[one], decided_s))
        start_s = max(decided_s, free_s[slot])
        free_s[slot] = start_s + length_s
        stays.append(Stay(slot + 1, start_s, free_s[slot]))
    return stays


def measure(row: Row, root: Path, runs: int) -> dict[str, float]:
    """Return the figures of one row, from a loop of its own."""
    settings = {"plan_ahead": row.plan_ahead, "max_parallel_runs": row.slots, "devices": "none"}
    make_workspace(root, **settings)
    lengths = [row.training_s + number / 1000 for number in range(runs)]  # no two are the same experiment
    script(root, *({"train": f"sleep {length:.3f}", "takes_s": row.model_s} for length in lengths))
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONUTF8": "1"}
    with LoopProcess(root, environ, "--cycles", str(runs)) as loop:
        code, _, said = loop.finish(60 + runs * (row.model_s + row.training_s + 10))
    ended = loop.events("attempt_ended")
    if code != 0 or len(ended) != runs:
        raise SystemExit(f"the loop did not come to {runs} runs (exit code {code}): {said}")
    slot_of = {event["run_id"]: event["attempt"]["slot"] for event in loop.events("attempt_intended")}
    kept = [Stay(slot_of[one["run_id"]], one["started_monotonic_s"], one["ended_monotonic_s"]) for one in ended]
    kept.sort(key=lambda stay: stay.start_s)
    beat: dict[str, Any] = json.loads(loop.paths.heartbeat.read_text(encoding="utf-8"))
    return {
        "least": idle_of(least_possible(row, [stay.end_s - stay.start_s for stay in kept])),
        "product": beat["idle_fraction"],
        "journal": idle_of(kept),
        "trainings": idle_of([_as_it_saw_itself(loop, run_id, slot) for run_id, slot in slot_of.items()]),
        "gap_s": statistics.median(_gaps(kept)),
    }


def _as_it_saw_itself(loop: LoopProcess, run_id: str, slot: int) -> Stay:
    folder = loop.paths.attempt(run_id, 1)
    first, last = (folder / name for name in ("metrics.jsonl", "result.json"))
    return Stay(slot, first.stat().st_mtime_ns / 1e9, last.stat().st_mtime_ns / 1e9)


def _gaps(stays: Sequence[Stay]) -> list[float]:
    """Return the seconds from each end to the next launch in its slot."""
    last_s: dict[int, float] = {}
    found = []
    for stay in stays:
        if stay.slot in last_s:
            found.append(stay.start_s - last_s[stay.slot])
        last_s[stay.slot] = stay.end_s
    return found or [0.0]


def _line(row: Row, runs: int, figures: dict[str, float]) -> str:
    shares = [f"{figures[name]:.2%}" for name in ("least", "product", "journal", "trainings")]
    excess = f"{100 * (figures['product'] - figures['least']):+.2f} points"
    what = [f"{row.model_s:g} s", f"{row.training_s:g} s", str(row.slots), "on" if row.plan_ahead else "off", str(runs)]
    gap = f"{figures['gap_s']:.3f} s"
    return f"| {' | '.join([*what, *shares, excess, gap, row.target or '-'])} |"


def main() -> int:
    """Measure the rows and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="Multiply D and T by this (default: 1).")
    parser.add_argument("--runs", type=int, default=12, help="Runs in each row (default: 12).")
    parser.add_argument(
        "--rows", type=int, nargs="+", choices=range(1, len(ROWS) + 1), default=list(range(1, len(ROWS) + 1))
    )
    arguments = parser.parse_args()
    columns = ("model", "training", "slots", "plan ahead", "runs", "least", "product", "journal", "trainings")
    columns += ("above least", "end to launch", "target")
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}", flush=True)
    agreed = True
    with tempfile.TemporaryDirectory() as folder:
        for number in arguments.rows:
            row = ROWS[number - 1].scaled(arguments.scale)
            figures = measure(row, Path(folder) / f"row-{number}", arguments.runs)
            agreed &= abs(figures["product"] - figures["journal"]) <= AGREE_WITHIN
            print(_line(row, arguments.runs, figures), flush=True)
    load = f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown"
    scale = f"times scaled by {arguments.scale:g}"
    print(f"\nload average {load}, {os.cpu_count()} cores, {arguments.runs} runs a row, {scale}")
    print("product and journal agree" if agreed else "PRODUCT AND JOURNAL DO NOT AGREE")
    return 0 if agreed else 1


if __name__ == "__main__":
    sys.exit(main())
