"""The training losses, on soft targets, so that label smoothing and mixup need no case of their own."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from llm_loop.trainer.settings import LossName, LossSettings


def soft_targets(labels: Tensor, classes: int, smoothing: float) -> Tensor:
    """Return probabilities (batch, classes): one-hot, with ``smoothing`` spread evenly over all classes."""
    return functional.one_hot(labels, classes).float() * (1 - smoothing) + smoothing / classes


def mix(images: Tensor, targets: Tensor, share: float, order: Tensor) -> tuple[Tensor, Tensor]:
    """Blend each image and target with another of the batch (mixup; Zhang et al. 2018, arXiv:1710.09412).

    ``share`` is the part of the image itself, ``order`` names the partner of each.
    """
    return torch.lerp(images[order], images, share), torch.lerp(targets[order], targets, share)


def training_loss(logits: Tensor, targets: Tensor, settings: LossSettings) -> Tensor:
    """Return the mean loss of a batch.

    Focal loss weighs each term by ``(1 - p) ** focal_gamma`` (Lin et al. 2017, arXiv:1708.02002).
    """
    log_probability = functional.log_softmax(logits, dim=1)
    terms = targets * log_probability
    if settings.name is LossName.FOCAL:
        # The floor keeps the gradient of a power below 1 finite where p rounds to 1.
        terms = terms * (1 - log_probability.exp()).clamp(min=1e-6) ** settings.focal_gamma
    return -terms.sum(dim=1).mean()
