"""Settings come in checked, or not at all, and the error names the way out."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from llm_loop.contract import schemas
from llm_loop.contract.result import Direction
from llm_loop.contract.trainer_settings import known_keys
from llm_loop.errors import ConfigError
from llm_loop.trainer import settings_file
from llm_loop.trainer.failures import UnsupportedModelError
from llm_loop.trainer.settings import Settings


def write(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "trial.yaml"
    path.write_bytes(text.encode(encoding))
    return path


def refusal(folder: Path, text: str, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        settings_file.load(write(folder, text), overrides)
    assert str(caught.value).count("\n") <= 1
    return str(caught.value)


def hold_equal(schema: dict[str, Any], kind: Any) -> None:
    hints, fields = get_type_hints(kind), {field.name: field for field in dataclasses.fields(kind)}
    assert list(schema["properties"]) == list(fields)
    assert schema["additionalProperties"] is False
    for name, node in schema["properties"].items():
        hint = next((part for part in get_args(hints[name]) if part is not type(None)), hints[name])
        if dataclasses.is_dataclass(hint):
            hold_equal(node, hint)
            continue
        assert node["default"] == fields[name].default, name
        assert ("null" in node["type"]) == (type(None) in get_args(hints[name])), name
        if issubclass(hint, StrEnum):
            assert [value for value in node["enum"] if value is not None] == [member.value for member in hint], name
        assert node["description"], name


def test_schema_and_dataclasses_are_equal() -> None:
    hold_equal(schemas.load_schema("trainer"), Settings)


def test_the_shipped_configs_load(digits_config: Path) -> None:
    digits = settings_file.load(digits_config)
    assert (digits.data.train_images, digits.data.image_size, digits.training.threads) == (300, 8, 1)
    folder = settings_file.load(digits_config.with_name("image_folder.yaml"))
    assert folder.schedule.warmup_fraction == 0.3 and folder.data.root == "data/images"


def test_resolved_settings_load_again_as_the_same(tmp_path: Path, digits_config: Path) -> None:
    settings = settings_file.load(digits_config, ["schedule.name=one_cycle", "data.root=Bücher/1"])
    assert settings.selection.direction is Direction.MIN
    assert settings_file.load(write(tmp_path, settings_file.to_yaml(settings))) == settings


def test_every_known_key_is_in_the_flat_form() -> None:
    flat = settings_file.flatten(settings_file.to_mapping(Settings()))
    assert list(flat) == known_keys()
    assert all(value is None or type(value) in (str, int, float, bool) for value in flat.values())


def test_powers_of_ten_without_a_dot_are_numbers(tmp_path: Path) -> None:
    settings = settings_file.load(write(tmp_path, "optimizer: {learning_rate: 1e-3}"), ["optimizer.weight_decay=5E-4"])
    assert (settings.optimizer.learning_rate, settings.optimizer.weight_decay) == (0.001, 0.0005)


def test_a_byte_order_mark_is_read_over(tmp_path: Path) -> None:
    assert settings_file.load(write(tmp_path, "seed: 3\n", "utf-8-sig")).seed == 3


def test_whole_floats_become_integers(tmp_path: Path) -> None:
    epochs = settings_file.load(write(tmp_path, "training: {epochs: 5.0}")).training.epochs
    assert epochs == 5 and type(epochs) is int


@pytest.mark.parametrize(
    ("text", "unknown", "nearest"),
    [
        ("optimizer: {learning_rat: 0.1}", "optimizer.learning_rat", "optimizer.learning_rate"),
        ("optimizer: {label_smoothing: 0.1}", "optimizer.label_smoothing", "training.label_smoothing"),
        ("learning_rate: 0.1", "learning_rate", "optimizer.learning_rate"),
        ("traning: {epochs: 3}", "traning", "training.epochs"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest(tmp_path: Path, text: str, unknown: str, nearest: str) -> None:
    message = refusal(tmp_path, text)
    assert f"unknown key {unknown}; " in message and str(tmp_path / "trial.yaml") in message
    assert message.endswith(nearest) or nearest.startswith("training.")


def test_a_dotted_key_is_told_to_nest(tmp_path: Path) -> None:
    assert "nested" in refusal(tmp_path, "optimizer.learning_rate: 0.1")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("optimizer: {learning_rate: fast}", ["optimizer.learning_rate", "fast", "number"]),
        ("optimizer: {learning_rate: -1}", ["optimizer.learning_rate", "-1"]),
        ("optimizer: {learning_rate: .nan}", ["optimizer.learning_rate", "finite"]),
        ("optimizer: {learning_rate: .inf}", ["optimizer.learning_rate", "finite"]),
        ("training: {epochs: 0}", ["training.epochs", "0"]),
        ("training: {epochs: true}", ["training.epochs", "integer"]),
        ("training: 3", ["training", "object"]),
        ("model: {norm: batchnorm}", ["model.norm", "batchnorm", "group"]),
        ("schema_version: 2", ["schema_version", "2"]),
        ("data: {train_images: 301}", ["data.train_images", "300"]),
        ("data: {source: image_folder}", ["data.root"]),
        ("selection: {metric: val_accuracy, direction: min}", ["selection.direction", "max"]),
        ("training: {batch_size: 1}", ["training.batch_size", "2"]),
        ("training: {device: gpu}", ["training.device", "gpu"]),
        ("seed: 1\nseed: 2\n", ["line 2", "'seed'", "twice"]),
        ("seed: [1,\n", ["not valid YAML", "line"]),
        ("- 1\n", ["mapping"]),
        ("", ["mapping"]),
    ],
)
def test_bad_settings_are_refused_in_one_line(tmp_path: Path, text: str, words: list[str]) -> None:
    message = refusal(tmp_path, text)
    assert all(word in message for word in words), message


@pytest.mark.parametrize("word", ["seed", "=3", "seed.x.y=3", "optimizer.learning_rate=[1"])
def test_a_bad_override_is_refused(tmp_path: Path, word: str) -> None:
    assert f"--set {word}" in refusal(tmp_path, "seed: 1", word)


def test_a_missing_or_undecodable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        settings_file.load(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="UTF-8"):
        settings_file.load(write(tmp_path, "seed: 1 # ü", "latin-1"))


def test_an_unknown_model_has_its_fixed_first_line(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError) as caught:
        settings_file.load(write(tmp_path, "model: {name: resnet18}"))
    first, second = str(caught.value).splitlines()
    assert first == "Unsupported model.name: resnet18"
    assert "small_cnn" in second and "timm:" in second
