"""Compare the built-in planner with random search on the demo, with real trainings.

    python benchmarks/planner_against_random.py --train-python .venv-train/bin/python

Run it from the repository root with the loop's environment (Optuna) and give the training
environment's interpreter. Each campaign starts with the same baseline. At the end the planner's best
configuration and the baseline are trained with three seeds each: the gain counts when it is larger
than both spreads together. One training takes about 4 s; the defaults make 58 of them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from llm_loop.agents.builtin_worker import decide, read_space  # noqa: E402
from llm_loop.agents.evidence import gather  # noqa: E402
from llm_loop.agents.search_space import flat_config, parse_search_space  # noqa: E402
from llm_loop.agents.start_points import random_point  # noqa: E402
from llm_loop.contract.observation import Bootstrap, Domain, KnownRun, Observation, Role  # noqa: E402

SPACE = yaml.safe_load((ROOT / "config" / "search_space.yaml").read_text(encoding="utf-8-sig"))
BASE = yaml.safe_load((ROOT / SPACE["base_config"]).read_text(encoding="utf-8-sig"))
METRIC, DIRECTION = BASE["selection"]["metric"], BASE["selection"]["direction"]
Train = Callable[[dict[str, Any]], dict[str, Any] | None]


def trainer(python: str) -> Train:
    """Return a function that trains one configuration in a child process; None when it has no result."""

    def train(config: dict[str, Any]) -> dict[str, Any] | None:
        with tempfile.TemporaryDirectory() as folder:
            file, out = Path(folder, "trial.yaml"), Path(folder, "out")
            file.write_text(yaml.safe_dump(config), encoding="utf-8")
            command = [python, "-m", "llm_loop.trainer", "--config", str(file), "--output-dir", str(out)]
            environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
            subprocess.run(command, env=environment, cwd=folder, capture_output=True, timeout=600, check=False)
            result = out / "result.json"
            return json.loads(result.read_text(encoding="utf-8")) if result.exists() else None

    return train


def observe(history: list[KnownRun], seed: int) -> Observation:
    """Return what the worker is shown after these runs."""
    return Observation(
        role=Role.WORKER,
        cycle=len(history) + 1,
        cycle_trace_id="C0000-benchmark",
        domain=Domain(images="", metric_meaning="", selection_metric=METRIC, selection_direction=DIRECTION),
        training_repo_root="demo",
        history=tuple(history),
        active_runs=(),
        staged_runs=(),
        open_todos=(),
        open_todo_count=0,
        bootstrap=Bootstrap(label="bootstrap", command="", pending=False),
        search_space=SPACE,
        base_config=BASE,
        default_monitor_seconds=300,
        seed=seed,
    )


def campaign(train: Train, runs: int, seed: int, *, by_luck: bool) -> list[KnownRun]:
    """Run one campaign and return its history; the baseline comes first either way."""
    space = parse_search_space(SPACE, BASE)
    history: list[KnownRun] = []
    for number in range(1, runs + 1):
        decision = decide(observe(history, seed))
        assert decision.run_files is not None
        config = yaml.safe_load(decision.run_files[0].text)
        if by_luck and number > 1:
            config = space.trial_config(random_point(space, 1000 * seed + number))
        result = train(config)
        history.append(
            KnownRun(
                run_id=f"R{number:04}",
                label=decision.run_label,
                state="completed" if result else "failed",
                idea_category=decision.idea_category.value,
                cycle=number,
                proposer="benchmark",
                cause=None if result else "diverged",
                value=result["value"] if result else None,
                seed=config[SPACE["seed_key"]],
                params=result["params"] if result else flat_config(config),
            )
        )
    return history


def best_value(history: list[KnownRun]) -> float:
    """Return the best single value of a campaign."""
    values = [run.value for run in history if run.value is not None]
    return max(values) if DIRECTION == "max" else min(values)


def seeds_of(train: Train, changes: dict[str, Any]) -> list[float]:
    """Train one configuration with three fresh seeds."""
    space = parse_search_space(SPACE, BASE)
    results = [train(space.trial_config({**changes, SPACE["seed_key"]: seed})) for seed in (11, 12, 13)]
    return [result["value"] for result in results if result]


def main() -> int:
    """Run the comparison and print it; exit 1 when the gain over the baseline is inside the spread."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train-python", required=True, help="Interpreter of the training environment.")
    parser.add_argument("--runs", type=int, default=13, help="Trainings in a campaign (default 13).")
    parser.add_argument("--campaigns", type=int, default=2, help="Campaigns of each kind (default 2).")
    options = parser.parse_args()
    train = trainer(str(Path(options.train_python).absolute()))
    histories = [campaign(train, options.runs, seed, by_luck=False) for seed in range(options.campaigns)]
    lucky = [campaign(train, options.runs, seed, by_luck=True) for seed in range(options.campaigns)]
    for name, kind in (("planner", histories), ("random", lucky)):
        for runs in sorted({min(6, options.runs), options.runs}):
            values = [best_value(history[:runs]) for history in kind]
            print(f"{name:8} best {METRIC} after {runs:2} runs: {fmean(values):.4f}  {[round(v, 4) for v in values]}")
    observation = observe(histories[0], 0)
    space = read_space(observation)
    best = gather(observation, space).best if space else None
    assert best is not None
    first, last = seeds_of(train, {}), seeds_of(train, dict(best.exact))
    gain, spread = abs(fmean(first) - fmean(last)), max(first) - min(first) + max(last) - min(last)
    better = (fmean(last) > fmean(first)) == (DIRECTION == "max")
    print(f"baseline over 3 seeds {[round(v, 4) for v in first]}, best {[round(v, 4) for v in last]} ({best.name})")
    print(f"gain {gain:.4f}, both spreads together {spread:.4f}")
    return 0 if better and gain > spread else 1


if __name__ == "__main__":
    sys.exit(main())
