"""What does not go with the task is refused, and the error says what would."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_loop.errors import ConfigError
from llm_loop.trainer import settings_file

REPOSITORY = Path(__file__).resolve().parents[2]
MASKS = {
    "task": "segmentation",
    "data": {"source": "xray"},
    "model": {"name": "simple_unet"},
    "selection": {"metric": "val_dice"},
}


def with_changes(values: dict, changes: dict) -> dict:
    merged = dict(values)
    for key, value in changes.items():
        merged[key] = with_changes(merged.get(key, {}), value) if isinstance(value, dict) else value
    return merged


@pytest.mark.parametrize("name", ["digits_fast", "image_folder", "fracture_demo", "fracture_unet", "fracture_strong"])
def test_shipped_presets_keep_the_rules(name: str) -> None:
    settings_file.load(REPOSITORY / "config" / "trainer" / f"{name}.yaml")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": {"name": "small_cnn"}}, ["model.name small_cnn", "segmentation", "simple_unet or smp:<name>"]),
        ({"task": "dual_head"}, ["model.name simple_unet", "simple_unet_dual_head"]),
        ({"data": {"source": "digits"}}, ["data.source digits", "mask_folder, manifest or xray"]),
        ({"selection": {"metric": "val_log_loss"}}, ["selection.metric val_log_loss", "val_dice, val_dice_pos"]),
        ({"loss": {"class_weights": "balanced"}}, ["loss.class_weights balanced", "segmentation"]),
        ({"model": {"encoder": "resnet34"}}, ["model.encoder resnet34", "smp", "simple_unet"]),
        ({"data": {"source": "mask_folder"}}, ["data.source mask_folder needs data.root", "images and masks"]),
        ({"data": {"source": "manifest"}}, ["data.source manifest needs data.root"]),
        ({"data": {"mask_classes": 4}}, ["data.mask_classes 4", "xray have 2"]),
        ({"training": {"precision": "fp16", "device": "cpu"}}, ["training.precision fp16", "auto"]),
    ],
)
def test_a_mask_task_refuses(changes: dict, words: list[str]) -> None:
    settings_file.from_mapping(MASKS)
    with pytest.raises(ConfigError) as caught:
        settings_file.from_mapping(with_changes(MASKS, changes))
    assert "\n" not in str(caught.value) and all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": {"name": "smp:Unet"}}, ["model.name smp:Unet", "small_cnn or timm:<name>"]),
        ({"loss": {"name": "dice"}}, ["loss.name dice", "cross_entropy or focal"]),
        ({"selection": {"metric": "val_dice"}}, ["selection.metric val_dice", "val_accuracy"]),
        ({"selection": {"metric": "val_roc_auc"}}, ["selection.metric val_roc_auc", "two classes"]),
        ({"data": {"source": "xray"}}, ["data.source xray", "digits, image_folder or manifest"]),
        ({"training": {"sampling": "hard_negative"}}, ["training.sampling hard_negative", "balanced"]),
    ],
)
def test_a_classification_refuses(changes: dict, words: list[str]) -> None:
    settings_file.from_mapping({})
    with pytest.raises(ConfigError) as caught:
        settings_file.from_mapping(changes)
    assert "\n" not in str(caught.value) and all(word in str(caught.value) for word in words), str(caught.value)
