"""The networks: ``small_cnn``, which is ours, and every classifier of timm.

Each is wrapped in a ``Classifier`` that takes raw pixels (0 to 255) and normalises them by buffers
of its own, so that ``best_model.pt`` is complete in itself.
"""

from __future__ import annotations

import difflib
import math
from typing import Any

import torch
from torch import Tensor, nn

from llm_loop.errors import ConfigError
from llm_loop.trainer.failures import UnsupportedModelError
from llm_loop.trainer.settings import ModelSettings, Norm
from llm_loop.trainer.settings_file import ALLOWED_MODELS
from llm_loop.trainer.torchvision_guard import ensure_torchvision


class Classifier(nn.Module):
    """Turn pixels (batch, channels, height, width; 0 to 255) into logits (batch, classes).

    ``normalise`` and ``network`` can be called apart: augmentation takes place between them.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", mean.reshape(1, -1, 1, 1))
        self.register_buffer("std", std.reshape(1, -1, 1, 1))

    def normalise(self, pixels: Tensor) -> Tensor:
        """Bring pixels to mean 0 and standard deviation 1 over the training images."""
        return (pixels.float() - self.mean) / self.std

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.network(self.normalise(pixels))
        return logits


class SmallCnn(nn.Module):
    """Stack ``depth`` blocks: a 3 x 3 convolution, a normalisation, a ReLU.

    The first block has ``width`` channels, each next one double, up to eight times. A block
    halves the image while that is at least 4 pixels wide. The last maps are averaged to 2 x 2, so
    that position still counts, and one linear layer reads them.
    """

    def __init__(self, settings: ModelSettings, channels: int, classes: int, image_size: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        size, inputs, outputs = image_size, channels, settings.width
        for block in range(settings.depth):
            outputs = settings.width * 2 ** min(block, 3)
            layers += _convolution(inputs, outputs, settings.norm)
            if size >= 4:
                layers.append(nn.MaxPool2d(2))
                size //= 2
            inputs = outputs
        side = min(2, size)
        self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(side), nn.Flatten())
        self.head = nn.Sequential(nn.Dropout(settings.dropout), nn.Linear(outputs * side * side, classes))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of normalised images."""
        logits: Tensor = self.head(self.features(images))
        return logits


def build_model(
    settings: ModelSettings, channels: int, classes: int, image_size: int, mean: Tensor, std: Tensor
) -> Classifier:
    """Build the named network on the CPU, with random weights unless ``pretrained``.

    Every BatchNorm layer, also one of timm, gets ``batch_norm_momentum``: with torch's default of
    0.1 the running statistics lag behind for the first 50 steps or so, and a short run is then
    evaluated at chance. Raises UnsupportedModelError, or ConfigError when the network does not
    take images of this size or its pretrained weights cannot be had.
    """
    if settings.name == "small_cnn":
        network: nn.Module = SmallCnn(settings, channels, classes, image_size)
    else:
        network = _timm_model(settings, channels, classes, image_size)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = settings.batch_norm_momentum
    model = Classifier(network, mean, std)
    _try_out(model, settings.name, channels, classes, image_size)
    return model


def _convolution(inputs: int, outputs: int, norm: Norm) -> list[nn.Module]:
    bias = norm is Norm.NONE
    layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias)]
    if norm is Norm.BATCH:
        layers.append(nn.BatchNorm2d(outputs))
    elif norm is Norm.GROUP:
        layers.append(nn.GroupNorm(math.gcd(outputs, 8), outputs))
    return [*layers, nn.ReLU(inplace=True)]


def _timm_model(settings: ModelSettings, channels: int, classes: int, image_size: int) -> nn.Module:
    ensure_torchvision()
    import timm  # three seconds, and only this branch needs it

    name = settings.name.removeprefix("timm:")
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=1, cutoff=0.0)
        raise UnsupportedModelError(settings.name, f"{ALLOWED_MODELS}; the nearest: timm:{near[0]}")
    options: dict[str, Any] = {"drop_rate": settings.dropout} if settings.dropout else {}
    pretrained_config = timm.get_pretrained_cfg(name)
    if pretrained_config is not None and pretrained_config.fixed_input_size:
        options["img_size"] = image_size
    try:
        network: nn.Module = timm.create_model(
            name, pretrained=settings.pretrained, in_chans=channels, num_classes=classes, **options
        )
    except (OSError, RuntimeError, ValueError, TypeError, AssertionError) as error:
        raise ConfigError(_cannot_build(settings, image_size, error)) from error
    return network


def _cannot_build(settings: ModelSettings, image_size: int, error: Exception) -> str:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    if settings.pretrained:
        return (
            f"model.name {settings.name}: its pretrained weights cannot be had here ({reason})\n"
            "set model.pretrained: false, or fetch them once on a machine with a network"
        )
    return f"model.name {settings.name} cannot be built for {image_size} x {image_size} pixels ({reason})"


def _try_out(model: Classifier, name: str, channels: int, classes: int, image_size: int) -> None:
    """Send two empty images through, in evaluation mode, so that statistics stay as they are."""
    model.eval()
    try:
        with torch.no_grad():
            shape = tuple(model(torch.zeros(2, channels, image_size, image_size)).shape)
    except (RuntimeError, ValueError, AssertionError, IndexError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"model.name {name} does not take {image_size} x {image_size} pixels ({reason})\nraise data.image_size"
        ) from error
    if shape != (2, classes):
        raise ConfigError(f"model.name {name} is no classifier: it returns the shape {shape}, not (2, {classes})")
