"""The shipped search space speaks of keys that exist and of values that the trainer takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from llm_loop.trainer import settings_file

REPOSITORY = Path(__file__).resolve().parents[2]
SPACE: dict[str, Any] = yaml.safe_load((REPOSITORY / "config" / "search_space.yaml").read_text(encoding="utf-8"))
PARAMETERS = {parameter["name"]: parameter for parameter in SPACE["parameters"]}
CATEGORIES = {
    "augmentation",
    "preprocessing",
    "data_sampling",
    "loss",
    "model_arch",
    "optimization",
    "evaluation",
    "other",
}


def values(parameter: dict[str, Any]) -> list[Any]:
    return parameter["choices"] if parameter["type"] == "categorical" else [parameter["low"], parameter["high"]]


@pytest.mark.parametrize("name", PARAMETERS)
def test_both_ends_are_accepted_by_the_trainer(name: str) -> None:
    for value in values(PARAMETERS[name]):
        settings = settings_file.load(REPOSITORY / SPACE["base_config"], [f"{name}={value}"])
        assert settings_file.flatten(settings_file.to_mapping(settings))[name] == value


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_are_well_formed(name: str) -> None:
    parameter = PARAMETERS[name]
    assert parameter["category"] in CATEGORIES
    for other, wanted in parameter.get("when", {}).items():
        assert set(wanted) <= set(PARAMETERS[other]["choices"])
    if parameter["type"] != "categorical":
        assert parameter["low"] < parameter["high"]
        assert parameter["low"] > 0 or not parameter.get("log")


def test_the_budget_and_the_data_are_not_searched() -> None:
    fixed = {"training.epochs", "training.threads", "training.max_minutes", "training.device", SPACE["seed_key"]}
    assert not fixed & set(PARAMETERS)
    assert not [name for name in PARAMETERS if name.startswith(("data.", "selection."))]
    assert SPACE["seed_key"] in settings_file.known_keys()
    assert SPACE["config_file"] in SPACE["command"] and "{run_dir}" in SPACE["command"]
    assert (REPOSITORY / SPACE["base_config"]).is_file()
