"""Normalisation layers made fit for short trainings.

BatchNorm evaluates with running statistics. With torch's momentum of 0.1 they lag behind the weights for the first
50 steps or so, and a short run is then evaluated at chance. Three ways out: a higher momentum, statistics taken anew
before each evaluation, or GroupNorm, which keeps none.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

SHORT_RUN_STEPS = 200
SHORT_RUN_MOMENTUM = 0.3
USUAL_MOMENTUM = 0.1
_MOST_GROUPS = 8


class GroupNormWithActivation(nn.GroupNorm):
    """Stand in for a BatchNorm of timm that holds the dropping and the activation behind it, ``drop`` and ``act``."""

    def __init__(self, groups: int, channels: int, eps: float, drop: nn.Module, act: nn.Module) -> None:
        super().__init__(groups, channels, eps=eps)
        self.drop = drop
        self.act = act

    def forward(self, maps: Tensor) -> Tensor:
        """Return the normalised and activated maps (batch, channels, height, width)."""
        activated: Tensor = self.act(self.drop(super().forward(maps)))
        return activated


def momentum_for(steps: int) -> float:
    """Return the momentum that fits a training of so many optimizer steps: 0.3 below 200, else torch's own 0.1."""
    return SHORT_RUN_MOMENTUM if steps < SHORT_RUN_STEPS else USUAL_MOMENTUM


def set_batch_norm_momentum(model: nn.Module, momentum: float) -> None:
    """Give every BatchNorm layer, also those of timm and smp, this share of the newest batch (0 to 1)."""
    for layer in _batch_norms(model):
        layer.momentum = momentum


def reestimate_batch_norm(model: nn.Module, batches: Iterable[Tensor]) -> None:
    """Take the running statistics anew: the plain average over ``batches`` of normalised images (b, c, h, w).

    ``model`` has a ``network`` that takes them. It differs from torch.optim.swa_utils.update_bn in that only the
    BatchNorm layers are in training mode: with dropout and dropped paths off, as at the evaluation that follows, and
    without a random draw, so that a resumed training stays on its course. No batch at all leaves everything as it is,
    and so does a model without BatchNorm. The mode of every module and the momentum are as before afterwards.
    """
    layers = [layer for layer in _batch_norms(model) if layer.track_running_stats]
    rest = iter(batches)
    first = next(rest, None) if layers else None
    if first is None:
        return
    network = model.get_submodule("network")
    modes = {module: module.training for module in model.modules()}
    momenta = [layer.momentum for layer in layers]
    model.eval()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the cumulative average
        layer.train()
    try:
        with torch.no_grad():
            for images in itertools.chain([first], rest):
                network(images)
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
        for module, mode in modes.items():
            module.training = mode


def with_group_norm(network: nn.Module) -> nn.Module:
    """Replace every BatchNorm2d inside ``network`` by a GroupNorm of up to 8 groups; scale and shift are kept."""
    for parent in list(network.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.BatchNorm2d):
                setattr(parent, name, _group_norm_like(layer))
    return network


def group_norm(channels: int) -> nn.GroupNorm:
    """Return a GroupNorm of up to 8 groups, as many as divide the channels."""
    return nn.GroupNorm(math.gcd(channels, _MOST_GROUPS), channels)


def _group_norm_like(layer: nn.BatchNorm2d) -> nn.GroupNorm:
    channels = layer.num_features
    groups = math.gcd(channels, _MOST_GROUPS)
    if isinstance(drop := getattr(layer, "drop", None), nn.Module) and isinstance(layer.act, nn.Module):
        new: nn.GroupNorm = GroupNormWithActivation(groups, channels, layer.eps, drop, layer.act)
    else:
        new = nn.GroupNorm(groups, channels, eps=layer.eps)
    if layer.affine:
        new.weight, new.bias = layer.weight, layer.bias
    return new


def _batch_norms(model: nn.Module) -> list[_BatchNorm]:
    return [module for module in model.modules() if isinstance(module, _BatchNorm)]
