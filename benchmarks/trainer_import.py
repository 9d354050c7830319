"""Measure what a training costs before its first step: imports, and from the start of the process to the first step.

    .venv-train/bin/python benchmarks/trainer_import.py [--rounds 7]

Run it with the training environment. Each import is a fresh process; in each round every kind has one, in an order that
changes, and the ratios are those of a round. Prints seconds, minimum and median, by CPU (user and system, 1 thread) and
by the clock. Targets, by CPU-seconds: all that a training with a network of smp imports at most 1.3 times torch, timm
and smp by themselves; from the end of the imports to the end of the first step of fracture_demo 5 s. Exit code 1 where
a median is above them.
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
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
DEMO = REPOSITORY / "config" / "trainer" / "fracture_demo.yaml"
RATIO_TARGET, FIRST_STEP_TARGET_S = 1.3, 5.0

# torchvision's guard first: on a CPU-only torch neither timm nor smp can be imported without it
_LIBRARIES = (
    "import torch; from llm_loop.trainer.torchvision_guard import ensure_torchvision; ensure_torchvision(); "
    "import timm, segmentation_models_pytorch"
)
_TRAINER = "import llm_loop.trainer.train"
KINDS = {
    "torch": "import torch",
    "torch, timm, smp": _LIBRARIES,
    "trainer": _TRAINER,
    "trainer, timm, smp": f"{_TRAINER}; {_LIBRARIES}",
}
_TIMED = """
import time
wall, cpu = time.perf_counter(), time.process_time()
{imports}
print(time.process_time() - cpu, time.perf_counter() - wall)
"""
_FIRST_STEP = """
import json, os, sys, time
import llm_loop.trainer.train
from llm_loop.trainer.__main__ import main
from llm_loop.trainer.progress_line import ProgressLine
imported = time.process_time(), time.time()

def first(*_arguments):
    print(json.dumps([imported, (time.process_time(), time.time())]), flush=True)
    os._exit(0)

ProgressLine.step = first  # the training calls it after each step
sys.exit(main(sys.argv[1:]))
"""


def run(code: str, *words: str) -> str:
    """Return the last line that a fresh Python prints."""
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    argv = [sys.executable, "-X", "utf8", "-c", code, *words]
    ended = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise SystemExit(ended.stderr[-2000:])
    return ended.stdout.strip().splitlines()[-1]


def imports(rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Return CPU and wall seconds of each kind of import in each round."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in KINDS}
    run(_TIMED.format(imports=KINDS["trainer, timm, smp"]))  # so that the files are in memory, and compiled
    for number in range(rounds):
        names = list(KINDS)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            cpu_s, wall_s = run(_TIMED.format(imports=KINDS[name])).split()
            found[name].append((float(cpu_s), float(wall_s)))
    return found


def first_steps(rounds: int) -> list[dict[str, tuple[float, float]]]:
    """Return CPU and wall seconds from the process's start to the imports, and from these to the first step."""
    found = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            began = time.time()
            said = run(_FIRST_STEP, "--config", str(DEMO), "--output-dir", folder)
        (imported_cpu, imported_at), (stepped_cpu, stepped_at) = json.loads(said)
        found.append(
            {
                "start to imports": (imported_cpu, imported_at - began),
                "imports to first step": (stepped_cpu - imported_cpu, stepped_at - imported_at),
                "start to first step": (stepped_cpu, stepped_at - began),
            }
        )
    return found


def row(name: str, pairs: list[tuple[float, float]]) -> str:
    """Return a row of the table."""
    cpu, wall = ([pair[place] for pair in pairs] for place in (0, 1))
    figures = (min(cpu), statistics.median(cpu), min(wall), statistics.median(wall))
    return f"| {name} | " + " | ".join(f"{seconds:.2f}" for seconds in figures) + " |"


def ratios(found: dict[str, list[tuple[float, float]]], name: str, other: str) -> list[float]:
    """Return the ratios of CPU-seconds of the rounds, in rising order."""
    return sorted(mine[0] / theirs[0] for mine, theirs in zip(found[name], found[other], strict=True))


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="Rounds (default: 7).")
    rounds = parser.parse_args().rounds
    print("| seconds | CPU, least | CPU, median | wall, least | wall, median |\n| --- | --- | --- | --- | --- |")
    found = imports(rounds)
    for name, pairs in found.items():
        print(row(f"import {name}", pairs))
    steps = first_steps(rounds)
    for name in steps[0]:
        print(row(f"fracture_demo: {name}", [step[name] for step in steps]))
    ratio = {name: ratios(found, name, "torch, timm, smp") for name in ("trainer", "trainer, timm, smp")}
    for name, of in ratio.items():
        spread = f"{statistics.median(of):.3f} ({of[0]:.3f} to {of[-1]:.3f})"
        print(f"import of {name}: {spread} times that of torch, timm, smp by CPU-seconds")
    load = f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown"
    print(f"{rounds} rounds, {os.cpu_count()} cores, load average {load} at the end")
    late = statistics.median(step["imports to first step"][0] for step in steps) > FIRST_STEP_TARGET_S
    return 1 if late or statistics.median(ratio["trainer, timm, smp"]) > RATIO_TARGET else 0


if __name__ == "__main__":
    sys.exit(main())
