"""Mixup and cutmix as the settings say, drawn from the training's own generator."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from llm_loop.trainer.losses.targets import box_of, cut_and_paste, mix
from llm_loop.trainer.networks.outputs import Targets
from llm_loop.trainer.settings import AugmentationSettings


def mixed(
    images: Tensor, targets: Targets, settings: AugmentationSettings, draws: np.random.Generator
) -> tuple[Tensor, Targets]:
    """Return a batch blended or pasted with itself in another order; where both are on, a coin decides each batch.

    The share that an image keeps is drawn from Beta(alpha, alpha), once a batch.
    """
    alpha, cuts = settings.mixup, False
    if settings.cutmix:
        cuts = not settings.mixup or bool(draws.random() < 0.5)
        alpha = settings.cutmix if cuts else settings.mixup
    if not alpha:
        return images, targets
    order = torch.from_numpy(draws.permutation(len(images))).to(images.device)
    share = float(draws.beta(alpha, alpha))
    if not cuts:
        return mix(images, targets, share, order)
    box = box_of(share, images.shape[-2], images.shape[-1], (float(draws.random()), float(draws.random())))
    return cut_and_paste(images, targets, box, order)
