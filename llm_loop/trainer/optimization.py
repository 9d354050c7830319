"""Optimizers and the course of the learning rate."""

from __future__ import annotations

import math

import torch
from torch import nn

from llm_loop.trainer.settings import OptimizerName, OptimizerSettings, ScheduleName, ScheduleSettings

ONE_CYCLE_START, ONE_CYCLE_END = 1 / 25, 1e-4


def make_optimizer(model: nn.Module, settings: OptimizerSettings) -> torch.optim.Optimizer:
    """Return the named optimizer. Weight decay spares biases and normalisation layers (all one-dimensional)."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    rate = settings.learning_rate
    match settings.name:
        case OptimizerName.SGD:
            return torch.optim.SGD(groups, lr=rate, momentum=settings.momentum)
        case OptimizerName.ADAMW:
            return torch.optim.AdamW(groups, lr=rate)
        case OptimizerName.ADAM:
            return torch.optim.Adam(groups, lr=rate)
        case OptimizerName.RMSPROP:
            return torch.optim.RMSprop(groups, lr=rate, momentum=settings.momentum)


def rate_factor(settings: ScheduleSettings, progress: float) -> float:
    """Return what the learning rate is multiplied by at ``progress`` (0 to 1) of all steps.

    Constant and cosine warm up in a straight line from 0; cosine then falls to 0. One-cycle rises
    from 1/25 and falls to 1/10,000, both along a cosine (after Smith 2018, arXiv:1803.09820).
    """
    warmup = settings.warmup_fraction or 0.0
    if progress < warmup:
        way = progress / warmup
        return _cosine(ONE_CYCLE_START, 1.0, way) if settings.name is ScheduleName.ONE_CYCLE else way
    way = (progress - warmup) / (1 - warmup) if warmup < 1 else 1.0
    match settings.name:
        case ScheduleName.CONSTANT:
            return 1.0
        case ScheduleName.COSINE:
            return _cosine(1.0, 0.0, way)
        case ScheduleName.ONE_CYCLE:
            return _cosine(1.0, ONE_CYCLE_END, way)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every parameter group this learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def _cosine(start: float, end: float, way: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * min(1.0, way))) / 2
