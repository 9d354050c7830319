"""Networks of timm and smp: what they return, and one clear error for what cannot be."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from llm_loop.errors import ConfigError  # noqa: E402
from llm_loop.trainer.choices import Norm  # noqa: E402
from llm_loop.trainer.failures import UnsupportedModelError  # noqa: E402

Build = Callable[..., Any]
SMALL = "tu-test_resnet"
ARCHITECTURES = [
    "Unet",
    "UnetPlusPlus",
    "MAnet",
    "Linknet",
    "FPN",
    "PSPNet",
    "DeepLabV3",
    "DeepLabV3Plus",
    "PAN",
    "UPerNet",
    "Segformer",
]

pytestmark = [
    pytest.mark.slow,  # torchvision, timm and smp take seconds to import
    pytest.mark.skipif(importlib.util.find_spec("segmentation_models_pytorch") is None, reason="needs smp"),
]


@pytest.mark.parametrize("norm", [Norm.BATCH, Norm.GROUP])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_classifier_of_timm_learns(build: Build, learns: Callable[..., None], norm: Norm, channels: int) -> None:
    model = build("timm:test_efficientnet", "classification", 3, channels, 64, norm=norm, dropout=0.1)
    batch_norms = [part for part in model.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    assert bool(batch_norms) is (norm is Norm.BATCH)
    assert all(part.momentum == 0.3 for part in batch_norms)
    assert model(torch.zeros(2, channels, 64, 64)).classes.shape == (2, 3)
    learns(model, 3, channels, 64)


@pytest.mark.parametrize(
    ("task", "classes", "channels", "norm"),
    [("segmentation", 2, 1, "batch"), ("segmentation", 3, 3, "group"), ("dual_head", 2, 3, "batch")],
)
def test_an_architecture_of_smp_learns(
    build: Build, learns: Callable[..., None], task: str, classes: int, channels: int, norm: str
) -> None:
    model = build("smp:unet", task, classes, channels, encoder=SMALL, norm=Norm(norm), dropout=0.1)
    outputs = model(torch.zeros(2, channels, 32, 32))
    assert outputs.masks.shape == (2, 1 if classes == 2 else classes, 32, 32)
    assert (outputs.presence is None) is (task == "segmentation")
    learns(model, classes, channels)


@pytest.mark.parametrize("encoder", ["resnet18", "tu-mobilenetv3_small_050", "tu-convnext_atto"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_takes_every_kind_of_encoder(
    build: Build, learns: Callable[..., None], architecture: str, encoder: str
) -> None:
    size = 128 if architecture == "PAN" else 64
    model = build(f"smp:{architecture}", "dual_head", size=size, encoder=encoder)
    assert model(torch.zeros(1, 1, size, size)).masks.shape == (1, 1, size, size)
    learns(model, size=size, unused=".encoder." if architecture == "PSPNet" else "nothing")  # it stops at an eighth


def test_the_sweep_leaves_no_architecture_out() -> None:
    import segmentation_models_pytorch as smp

    assert {name.lower() for name in ARCHITECTURES} | {"dpt"} == set(smp.MODEL_ARCHITECTURES_MAPPING)


def test_a_vision_transformer_carries_dpt(build: Build, learns: Callable[..., None]) -> None:
    model = build("smp:DPT", "dual_head", size=64, encoder="tu-test_vit")
    assert model(torch.zeros(2, 1, 64, 64)).masks.shape == (2, 1, 64, 64)
    with pytest.raises(ConfigError, match=r"model.encoder resnet18: smp:DPT takes vision transformers alone, such as"):
        build("smp:DPT")


@pytest.mark.parametrize(
    ("name", "task", "near"),
    [("smp:Unnet", "segmentation", "smp:Unet"), ("timm:resnet19", "classification", "timm:resnet18")],
)
def test_an_unknown_name_names_the_nearest(build: Build, name: str, task: str, near: str) -> None:
    with pytest.raises(UnsupportedModelError, match=f"^Unsupported model.name: {name}\nallowed: .*nearest: {near}$"):
        build(name, task)


@pytest.mark.parametrize(("encoder", "near"), [("resnet19", "resnet18"), ("tu-resnet19", "tu-resnet18")])
def test_an_unknown_encoder_names_the_nearest(build: Build, encoder: str, near: str) -> None:
    with pytest.raises(ConfigError, match=f"model.encoder {encoder}: .*the nearest: {near}"):
        build("smp:Unet", encoder=encoder)


@pytest.mark.parametrize(("architecture", "size", "near"), [("FPN", 65, 64), ("FPN", 90, 96), ("PAN", 64, 128)])
def test_a_size_that_does_not_go_names_the_nearest_that_does(
    build: Build, architecture: str, size: int, near: int
) -> None:
    with pytest.raises(ConfigError, match=rf"does not take {size} x {size} pixels .*\nset data.image_size: {near},"):
        build(f"smp:{architecture}", size=size, encoder="resnet18")


def test_no_normalisation_is_for_our_own_networks(build: Build) -> None:
    with pytest.raises(ConfigError, match=r"model.norm none is for our own networks alone, not for smp:Unet"):
        build("smp:Unet", norm=Norm.NONE)


@pytest.mark.parametrize(
    ("name", "encoder"), [("timm:test_resnet", None), ("smp:Unet", "resnet18"), ("smp:Unet", SMALL)]
)
def test_pretrained_weights_that_cannot_be_had_are_one_plain_sentence(
    build: Build, name: str, encoder: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    import huggingface_hub.constants as hub

    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)  # read from the environment once, at the first import
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path))
    task = "classification" if encoder is None else "segmentation"
    with pytest.raises(ConfigError, match=r"its pretrained weights cannot be had here .*\nset model.pretrained: false"):
        build(name, task, encoder=encoder, pretrained=True)
