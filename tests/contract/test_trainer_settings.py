"""The trainer and the loop read its settings alike: there is one reading."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from llm_loop.contract.trainer_settings import SettingsLoader, known_keys, objection_to, unknown_keys, with_override
from llm_loop.errors import ConfigError


def read(text: str) -> Any:
    return yaml.load(text, Loader=SettingsLoader)  # a SafeLoader


def test_a_power_of_ten_is_a_number() -> None:
    assert read("{a: 1e-3, b: 5E4, c: 1e, d: .inf}") == {"a": 0.001, "b": 50000.0, "c": "1e", "d": float("inf")}


@pytest.mark.parametrize("text", ["a: 1\na: 2\n", "s: {a: 1, a: 2}", "? [a]\n: 1\n", "? {a: 1}\n: 1\n"])
def test_a_key_twice_and_a_key_that_is_no_text_are_errors(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        read(text)


def test_unknown_keys_are_found_in_every_section() -> None:
    values = {"seed": 1, "sed": 2, "training": {"epochs": 3, "epoch": 4}, "model": 5, "optimizer.learning_rate": 6}
    assert list(unknown_keys(values)) == ["sed", "training.epoch", "optimizer.learning_rate"]
    assert objection_to("training.epoch").endswith("the nearest known key is training.epochs")
    assert "nested" in objection_to("optimizer.learning_rate")
    assert "optimizer.learning_rate" in known_keys() and "optimizer" not in known_keys()


def test_an_override_leaves_what_it_is_laid_over() -> None:
    before = {"training": {"epochs": 3}}
    assert with_override(before, "training.batch_size=8") == {"training": {"epochs": 3, "batch_size": 8}}
    assert with_override(before, "seed=1e1") == {"training": {"epochs": 3}, "seed": 10.0}
    assert before == {"training": {"epochs": 3}}


@pytest.mark.parametrize(
    "word", ["seed", "=3", "training.epochs.x=3", "seed=[", "seed=2001-99-99", "seed=" + "[" * 5000]
)
def test_an_override_that_is_none_is_refused(word: str) -> None:
    with pytest.raises(ConfigError, match="--set"):
        with_override({"training": {"epochs": 3}}, word)
