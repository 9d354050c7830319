"""A small campaign on a landscape that takes no time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import yaml

from llm_loop.agents.builtin_worker import decide
from llm_loop.agents.search_space import flat_config
from llm_loop.contract.decision import Decision
from llm_loop.contract.observation import Bootstrap, Domain, KnownRun, Observation, Role

SPACE = """
schema_version: 1
base_config: config/trainer/base.yaml
config_file: trial.yaml
command: python -m llm_loop.trainer --config {run_dir}/trial.yaml --output-dir {run_dir}
working_folder: .
seed_key: seed
parameters:
  - {name: optimizer.name, type: categorical, choices: [sgd, adamw], category: optimization}
  - {name: optimizer.learning_rate, type: float, low: 0.0001, high: 1.0, log: true, category: optimization}
  - {name: optimizer.momentum, type: float, low: 0.0, high: 0.95, category: optimization, when: {optimizer.name: [sgd]}}
  - {name: optimizer.weight_decay, type: float, low: 0.000001, high: 0.1, log: true, category: optimization}
  - {name: model.width, type: int, low: 4, high: 32, log: true, category: model_arch}
  - {name: model.dropout, type: float, low: 0.0, high: 0.5, category: model_arch}
  - {name: augmentation.flip, type: categorical, choices: [true, false], category: augmentation}
  - {name: training.label_smoothing, type: float, low: 0.0, high: 0.1, category: loss}
"""
BASE = """
seed: 3
data: {image_size: 8, folder: Bücher und Bilder}
optimizer: {name: sgd, learning_rate: 0.01, momentum: 0.0, weight_decay: 0.0}
model: {width: 16, dropout: 0.0}
augmentation: {flip: false}
training: {epochs: 40, label_smoothing: 0.0}
"""


def observe(history: Sequence[KnownRun] = (), *, direction: str = "min", **fields: Any) -> Observation:
    """Build an observation of a campaign without a bootstrap command; any field may be given."""
    value: dict[str, Any] = {
        "role": Role.WORKER,
        "cycle": len(history) + 1,
        "cycle_trace_id": f"C{len(history) + 1:04}-0a1b2c3d",
        "domain": Domain(
            images="squares",
            metric_meaning="how wrong the model is",
            selection_metric="val_log_loss",
            selection_direction=direction,
        ),
        "training_repo_root": "/somewhere",
        "history": tuple(history),
        "active_runs": (),
        "staged_runs": (),
        "open_todos": (),
        "open_todo_count": 0,
        "bootstrap": Bootstrap(label="bootstrap", command="", pending=False),
        "search_space": yaml.safe_load(SPACE),
        "base_config": yaml.safe_load(BASE),
        "default_monitor_seconds": 300,
    }
    return Observation(**{**value, **fields})


def proposed(decision: Decision) -> dict[str, Any]:
    """Return the flat configuration that a decision carries."""
    assert decision.run_files is not None
    return flat_config(yaml.safe_load(decision.run_files[0].text))


def landscape(config: dict[str, Any]) -> float:
    """Return a smooth loss with its minimum (0.05) at one corner of the choices and inside every range."""
    loss: float = 0.05 + 0.3 * (math.log10(config["optimizer.learning_rate"]) + 2.2) ** 2
    loss += 0.05 * (math.log2(config["model.width"]) - 4.5) ** 2 + 2.0 * (config["model.dropout"] - 0.15) ** 2
    loss += 20 * (config["training.label_smoothing"] - 0.02) ** 2 + (0.1 if config["augmentation.flip"] else 0.0)
    if config["optimizer.name"] == "sgd":
        loss += 0.15 + 0.3 * (config["optimizer.momentum"] - 0.9) ** 2
    return loss


def ended(decision: Decision, number: int, *, value: float | None = None, **fields: Any) -> KnownRun:
    """Return the history row of a decision that ran on the landscape (or to the given value)."""
    config = proposed(decision)
    row: dict[str, Any] = {
        "run_id": f"R{number:04}",
        "label": decision.run_label,
        "state": "completed",
        "idea_category": decision.idea_category.value,
        "cycle": number,
        "proposer": "builtin_worker",
        "value": landscape(config) if value is None else value,
        "seed": config["seed"],
        "params": config,
    }
    return KnownRun(**{**row, **fields})


def campaign(count: int, *, direction: str = "min", **fields: Any) -> list[KnownRun]:
    """Run the worker for some experiments on the landscape (upside down for max) and return the history."""
    history: list[KnownRun] = []
    sign = -1.0 if direction == "max" else 1.0
    for number in range(1, count + 1):
        decision = decide(observe(history, direction=direction, **fields))
        history.append(ended(decision, number, value=sign * landscape(proposed(decision))))
    return history
