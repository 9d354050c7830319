"""Train a demo preset over several seeds and print a table: the score, CPU-seconds and wall seconds of each run.

    .venv-train/bin/python benchmarks/trainer_demo.py [--preset fracture_demo] [--seeds 5]

Run it with the training environment. The trainings are processes like those that the loop starts, one after another;
CPU-seconds (user and system) are those of the whole process: interpreter, imports, data, training, pictures. They
hardly depend on what else the machine does, wall seconds do. Exit code 1 where the mean score is below ``--target``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from llm_loop.trainer import settings_file  # noqa: E402
from llm_loop.trainer.images.load import load_data  # noqa: E402


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Hold what one training came to; ``cpu_s`` is None where the system does not tell it (Windows)."""

    seed: int
    metric: str
    value: float
    best_epoch: int
    images: int
    cpu_s: float | None
    wall_s: float


def children_cpu_s() -> float | None:
    """Return the CPU-seconds of all children that have ended so far."""
    if sys.platform == "win32":
        return None
    times = os.times()
    return times.children_user + times.children_system


def train(config: Path, seed: int) -> Run:
    """Train once in a process of its own."""
    words = ["-X", "utf8", "-m", "llm_loop.trainer", "--config", str(config), "--set", f"seed={seed}"]
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with tempfile.TemporaryDirectory() as folder:
        cpu_before, began = children_cpu_s(), time.perf_counter()
        ended = subprocess.run(
            [sys.executable, *words, "--output-dir", folder], env=environ, capture_output=True, text=True, check=False
        )
        wall_s, cpu_after = time.perf_counter() - began, children_cpu_s()
        if ended.returncode:
            raise SystemExit(f"seed {seed}: the training ended with {ended.returncode}\n{ended.stderr[-2000:]}")
        result = json.loads(Path(folder, "result.json").read_text(encoding="utf-8"))
    return Run(
        seed=seed,
        metric=result["metric"],
        value=result["value"],
        best_epoch=result["best_epoch"],
        images=result["n"],
        cpu_s=None if cpu_before is None or cpu_after is None else cpu_after - cpu_before,
        wall_s=wall_s,
    )


def answer_all_positive(config: Path) -> float | None:
    """Return the Dice, over all validation pixels together, of calling every pixel positive; None without masks."""
    masks = load_data(settings_file.load(config)).val.masks
    if masks is None:
        return None
    share = float((masks > 0).mean())
    return 2 * share / (1 + share)


def spread(values: list[float]) -> float:
    """Return the standard deviation between runs, 0 of a single one."""
    return statistics.stdev(values) if len(values) > 1 else 0.0


def row(name: str, value: str, epoch: str, cpu_s: str, wall_s: str) -> str:
    """Return a row of the table."""
    return f"| {name} | {value} | {epoch} | {cpu_s} | {wall_s} |"


def tell(runs: list[Run]) -> None:
    """Print the mean and the spread."""
    values, walls = [run.value for run in runs], [run.wall_s for run in runs]
    cpus = [run.cpu_s for run in runs if run.cpu_s is not None]
    cpu = (f"{statistics.mean(cpus):.1f}", f"{spread(cpus):.1f}") if cpus else ("-", "-")
    print(row("mean", f"{statistics.mean(values):.4f}", "", cpu[0], f"{statistics.mean(walls):.1f}"))
    print(row("sd", f"{spread(values):.4f}", "", cpu[1], f"{spread(walls):.1f}"))


def main() -> int:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="fracture_demo", help="A file of config/trainer (default: fracture_demo).")
    parser.add_argument("--seeds", type=int, default=5, help="How many, from 0 on (default: 5).")
    parser.add_argument("--target", type=float, help="The least mean score (default: 0.75 for fracture_demo).")
    options = parser.parse_args()
    config = REPOSITORY / "config" / "trainer" / f"{options.preset}.yaml"
    metric = yaml.safe_load(config.read_text(encoding="utf-8-sig"))["selection"]["metric"]
    print(row("seed", metric, "best epoch", "CPU-seconds", "wall seconds"))
    print(row("---", "---", "---", "---", "---"))
    runs = []
    for seed in range(options.seeds):
        runs.append(run := train(config, seed))
        cpu = "-" if run.cpu_s is None else f"{run.cpu_s:.1f}"
        print(row(str(seed), f"{run.value:.4f}", str(run.best_epoch), cpu, f"{run.wall_s:.1f}"), flush=True)
    tell(runs)
    trivial = answer_all_positive(config)
    said = "" if trivial is None else f"; every pixel positive: Dice {trivial:.4f}, none: 0"
    load = f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown"
    print(f"{options.preset}, {runs[0].images} validation images{said}; {os.cpu_count()} cores, load average {load}")
    target = options.target
    if target is None and options.preset == "fracture_demo":
        target = 0.75
    return 0 if target is None or statistics.mean(run.value for run in runs) >= target else 1


if __name__ == "__main__":
    sys.exit(main())
