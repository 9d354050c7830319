"""Architectures of segmentation_models_pytorch (smp), each with an encoder of smp or of timm.

Both libraries take seconds to import, so only those who want one of their networks do.
"""

from __future__ import annotations

import difflib
import warnings
from typing import Any

from torch import nn

from llm_loop.errors import ConfigError
from llm_loop.trainer.choices import Task
from llm_loop.trainer.failures import UnsupportedModelError
from llm_loop.trainer.networks.heads import prepare_mask_head
from llm_loop.trainer.networks.names import ALLOWED_MODELS, Family
from llm_loop.trainer.settings import ModelSettings
from llm_loop.trainer.torchvision_guard import ensure_torchvision

DEFAULT_ENCODER = "resnet18"
_TIMM = "tu-"  # how smp marks an encoder of timm
_ONLY_TRANSFORMERS = "dpt"
_A_TRANSFORMER = "tu-vit_tiny_patch16_224"


def build_smp(
    settings: ModelSettings, *, task: Task, channels: int, maps: int, image_size: int, pretrained: bool
) -> nn.Module:
    """Build the named architecture; it returns maps of logits (batch, maps, height, width).

    For a dual head it returns the pair of the maps and presence (batch, 1): smp's own head on the average of the
    encoder's last features. ``dropout`` goes before the last layer of both heads. Raises UnsupportedModelError or
    ConfigError with the nearest name, and whatever smp raises where the network cannot be made or its weights cannot
    be had.
    """
    ensure_torchvision()
    import segmentation_models_pytorch as smp

    name = settings.name.removeprefix(Family.SMP).lower()
    if name not in smp.MODEL_ARCHITECTURES_MAPPING:
        near = _nearest(name, list(smp.MODEL_ARCHITECTURES_MAPPING))
        proper = smp.MODEL_ARCHITECTURES_MAPPING[near].__name__
        raise UnsupportedModelError(settings.name, f"{ALLOWED_MODELS}; the nearest: {Family.SMP}{proper}")
    encoder = settings.encoder or DEFAULT_ENCODER
    _expect_encoder(encoder, transformer=name == _ONLY_TRANSFORMERS)
    options: dict[str, Any] = {"img_size": image_size} if _has_fixed_size(encoder) else {}
    if task is Task.DUAL_HEAD:
        options["aux_params"] = {"classes": 1, "pooling": "avg", "dropout": settings.dropout}
    weights = _published_weights(encoder) if pretrained else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # smp's advice on names of encoders, none of it about this training
        network: nn.Module = smp.create_model(name, encoder, weights, in_channels=channels, classes=maps, **options)
    prepare_mask_head(network.get_submodule("segmentation_head"), settings.dropout)
    return network


def _expect_encoder(encoder: str, *, transformer: bool) -> None:
    """Raise ConfigError with the nearest name unless there is such an encoder, a transformer of timm where needed."""
    import timm
    from segmentation_models_pytorch.encoders import encoders

    of_timm = [_TIMM + name for name in timm.list_models()]
    if encoder.startswith(_TIMM):
        if not timm.is_model(encoder.removeprefix(_TIMM)):
            near = _nearest(encoder, of_timm)
            raise ConfigError(f"model.encoder {encoder}: timm has no such network; the nearest: {near}")
    elif transformer:
        raise ConfigError(f"model.encoder {encoder}: smp:DPT takes vision transformers alone, such as {_A_TRANSFORMER}")
    elif encoder not in encoders:
        known = [*encoders, *of_timm]
        raise ConfigError(
            f"model.encoder {encoder}: smp has no such encoder; the nearest: {_nearest(encoder, known)}\n"
            f"every network of timm goes too, as {_TIMM}<name>"
        )


def _has_fixed_size(encoder: str) -> bool:
    """Tell whether an encoder is made for one size of image, as most transformers of timm are."""
    import timm

    config = timm.get_pretrained_cfg(encoder.removeprefix(_TIMM)) if encoder.startswith(_TIMM) else None
    return config is not None and bool(config.fixed_input_size)


def _published_weights(encoder: str) -> str | bool:
    """Return what smp calls the weights of an encoder: those of ImageNet where it has them."""
    from segmentation_models_pytorch.encoders import encoders

    if encoder.startswith(_TIMM) or encoder not in encoders:
        return True
    known = list(encoders[encoder].get("pretrained_settings") or {})
    return "imagenet" if "imagenet" in known or not known else str(known[0])


def _nearest(name: str, known: list[str]) -> str:
    return difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
