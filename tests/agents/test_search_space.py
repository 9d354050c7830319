"""The search space file: checked once, then a map between values and places."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from llm_loop.agents.parameter import same_scalar
from llm_loop.agents.search_space import SearchSpace, flat_config, parse_search_space
from llm_loop.errors import ConfigError


def _with(space_file: dict[str, Any], place: int, **changes: Any) -> dict[str, Any]:
    changed = copy.deepcopy(space_file)
    entry = changed["parameters"][place]
    entry.update(changes)
    for key in [key for key, value in changes.items() if value is ...]:
        del entry[key]
    return changed


@pytest.mark.parametrize(
    ("place", "changes", "said"),
    [
        (1, {"low": "1e-4"}, r"parameters\.1\.low.*type number.*decimal point"),
        (1, {"low": 2.0}, r"parameters\.1 \(optimizer\.learning_rate\): low, high: 2\.0 is not below 1\.0"),
        (1, {"low": 0.0}, "log: needs a low above 0"),
        (1, {"low": ...}, "low: missing"),
        (1, {"low": float("nan")}, "is not below"),
        (1, {"choices": [1]}, "choices: only a categorical"),
        (0, {"choices": ...}, "choices: missing"),
        (0, {"choices": ["sgd", "sgd"]}, "listed twice"),
        (0, {"low": 1}, "only a float or int"),
        (4, {"low": 4.5}, "whole limits"),
        (2, {"when": {"optimizer.name": ["rmsprop"]}}, "'rmsprop' is none of its choices"),
        (0, {"when": {"model.width": [8]}}, "must be listed before"),
        (3, {"name": "optimizer.name"}, "used twice"),
        (3, {"name": "seed"}, "choosing luck"),
        (3, {"category": "luck"}, "category"),
        (3, {"type": "real"}, "'real' is not one of"),
        (3, {"hihg": 1}, "unknown key 'hihg' \\(nearest known: 'high'\\)"),
    ],
)
def test_a_wrong_parameter_is_one_error_that_names_file_and_key(
    space_file: dict[str, Any], place: int, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_search_space(_with(space_file, place, **changes), {}, "config/search_space.yaml")
    assert str(caught.value).startswith("config/search_space.yaml: ")
    assert "\n" not in str(caught.value)
    assert re.search(said, str(caught.value))


@pytest.mark.parametrize("value", [None, [], "text", 3, {}, {"schema_version": 1}])
def test_anything_else_than_a_space_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError):
        parse_search_space(value)


def test_a_command_that_passes_no_config_is_refused(space_file: dict[str, Any]) -> None:
    space_file["command"] = "python -m llm_loop.trainer"
    with pytest.raises(ConfigError, match=r"command: does not name \{run_dir\}/trial\.yaml"):
        parse_search_space(space_file)


@pytest.mark.parametrize("name", ["../trial.yaml", "sub/trial.yaml", ".yaml", "trial.txt"])
def test_a_config_file_is_a_plain_name(space_file: dict[str, Any], name: str) -> None:
    space_file["config_file"] = name
    with pytest.raises(ConfigError, match="config_file"):
        parse_search_space(space_file)


def test_conditional_parameters_count_with_their_parent_only(space: SearchSpace, base_config: dict[str, Any]) -> None:
    sgd = flat_config(base_config) | {"optimizer.weight_decay": 0.001}
    assert "optimizer.momentum" in (space.project(sgd) or {})
    assert "optimizer.momentum" not in (space.project(sgd | {"optimizer.name": "adamw"}) or {})


def test_values_outside_the_space_are_not_projected(space: SearchSpace, base_config: dict[str, Any]) -> None:
    inside = flat_config(base_config)
    assert space.project(inside | {"optimizer.learning_rate": 3.0}) is None
    assert space.project(inside | {"optimizer.name": "lion"}) is None
    assert space.project(inside | {"model.width": 8.5}) is None
    assert space.project(inside | {"model.dropout": True}) is None
    assert space.project({key: value for key, value in inside.items() if key != "model.width"}) is None


def test_the_base_itself_counts_as_the_nearest_end(space: SearchSpace, base_config: dict[str, Any]) -> None:
    projected = space.project(flat_config(base_config))
    assert projected is not None
    assert projected["optimizer.weight_decay"] == 1e-6


def test_units_and_values_are_inverse(space: SearchSpace) -> None:
    for parameter in space.parameters:
        for unit in (0.0, 0.1, 0.5, 0.9, 1.0):
            value = parameter.from_unit(unit)
            assert parameter.accepts(value)
            tolerance = 0.26 if parameter.choices else 0.05
            assert parameter.to_unit(value) == pytest.approx(unit, abs=tolerance)


def test_a_trial_config_keeps_the_base_and_leaves_it_alone(space: SearchSpace, base_config: dict[str, Any]) -> None:
    config = space.trial_config({"optimizer.name": "adamw", "data.loader.workers": 2})
    assert config["optimizer"] == {"name": "adamw", "learning_rate": 0.01, "momentum": 0.0, "weight_decay": 0.0}
    assert config["data"] == {"image_size": 8, "folder": "Bücher und Bilder", "loader": {"workers": 2}}
    assert space.base == base_config


def test_scalars_compare_by_kind() -> None:
    assert same_scalar(1, 1.0)
    assert not same_scalar(True, 1)
    assert same_scalar(None, None)
