"""Classifiers of timm, by name. timm takes three seconds to import, so only those who want one of its networks do."""

from __future__ import annotations

import difflib
from typing import Any

from torch import nn

from llm_loop.trainer.failures import UnsupportedModelError
from llm_loop.trainer.networks.names import ALLOWED_MODELS, Family
from llm_loop.trainer.settings import ModelSettings
from llm_loop.trainer.torchvision_guard import ensure_torchvision


def build_timm(settings: ModelSettings, *, channels: int, classes: int, image_size: int, pretrained: bool) -> nn.Module:
    """Build the named classifier; it returns logits (batch, classes).

    A network made for one size of image is made for ``image_size``. Raises UnsupportedModelError with the nearest
    name, and whatever timm raises where the network cannot be made or its weights cannot be had.
    """
    ensure_torchvision()
    import timm

    name = settings.name.removeprefix(Family.TIMM)
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=1, cutoff=0.0)
        raise UnsupportedModelError(settings.name, f"{ALLOWED_MODELS}; the nearest: {Family.TIMM}{near[0]}")
    options: dict[str, Any] = {"drop_rate": settings.dropout} if settings.dropout else {}
    pretrained_config = timm.get_pretrained_cfg(name)
    if pretrained_config is not None and pretrained_config.fixed_input_size:
        options["img_size"] = image_size
    network: nn.Module = timm.create_model(
        name, pretrained=pretrained, in_chans=channels, num_classes=classes, **options
    )
    return network
