"""The shipped search space speaks of keys that exist and of values that the trainer takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from llm_loop.contract.trainer_settings import known_keys
from llm_loop.trainer import settings_file

REPOSITORY = Path(__file__).resolve().parents[2]
FILES = ("search_space.yaml", "search_spaces/fracture_demo.yaml")
SPACES: dict[str, dict[str, Any]] = {
    name: yaml.safe_load((REPOSITORY / "config" / name).read_text(encoding="utf-8")) for name in FILES
}
PARAMETERS = {name: {one["name"]: one for one in space["parameters"]} for name, space in SPACES.items()}
EACH = [(name, parameter) for name in FILES for parameter in PARAMETERS[name]]
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


@pytest.mark.parametrize(("file", "name"), EACH)
def test_both_ends_are_accepted_by_the_trainer(file: str, name: str) -> None:
    for value in values(PARAMETERS[file][name]):
        settings = settings_file.load(REPOSITORY / SPACES[file]["base_config"], [f"{name}={value}"])
        assert settings_file.flatten(settings_file.to_mapping(settings))[name] == value


@pytest.mark.parametrize(("file", "name"), EACH)
def test_parameters_are_well_formed(file: str, name: str) -> None:
    parameter = PARAMETERS[file][name]
    assert parameter["category"] in CATEGORIES
    for other, wanted in parameter.get("when", {}).items():
        assert set(wanted) <= set(PARAMETERS[file][other]["choices"])
    if parameter["type"] != "categorical":
        assert parameter["low"] < parameter["high"]
        assert parameter["low"] > 0 or not parameter.get("log")


@pytest.mark.parametrize("file", FILES)
def test_the_budget_and_the_data_are_not_searched(file: str) -> None:
    space, names = SPACES[file], set(PARAMETERS[file])
    fixed = {"training.epochs", "training.threads", "training.max_minutes", "training.device", space["seed_key"]}
    assert not fixed & names
    assert not [name for name in names if name.startswith(("data.", "selection."))]
    assert space["seed_key"] in known_keys()
    assert space["config_file"] in space["command"] and "{run_dir}" in space["command"]
    assert (REPOSITORY / space["base_config"]).is_file()
