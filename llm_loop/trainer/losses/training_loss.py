"""The loss that a training minimises: what the settings name, one number an image, for every task."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from llm_loop.errors import ConfigError
from llm_loop.trainer.choices import ClassWeights, LossName, Task
from llm_loop.trainer.losses import regions, terms
from llm_loop.trainer.losses.targets import has_positive
from llm_loop.trainer.networks.outputs import Outputs, Targets
from llm_loop.trainer.settings import LossSettings

_OF_CLASSES = (LossName.CROSS_ENTROPY, LossName.FOCAL)
_PAIRS = {
    LossName.BCE_DICE: (LossName.BCE, LossName.DICE),
    LossName.FOCAL_DICE: (LossName.FOCAL, LossName.DICE),
    LossName.BCE_LOVASZ: (LossName.BCE, LossName.LOVASZ),
}


class TrainingLoss:
    """Judge the outputs of a network, each image by itself, so that any mean or weighing of images is exact.

    Two classes of pixels are one map of logits, judged as positive or not; more are judged by their softmax, and
    ``positive_weight`` then weighs all but the background. Dice and Tversky leave the background out. The presence
    loss is a binary cross entropy, added with ``presence_weight``.
    """

    def __init__(self, settings: LossSettings, *, task: Task, class_counts: Sequence[int] | None = None) -> None:
        """Take ``class_counts``, the training images of each class, for balanced class weights.

        A class then weighs ``images / (classes * images of the class)``: 1 on average over the training images.
        Raises ConfigError when the loss does not fit the task.
        """
        if not task.has_masks and settings.name not in _OF_CLASSES:
            raise ConfigError(
                f"loss.name {settings.name} is a loss of masks, and task is {task}\n"
                f"take {' or '.join(_OF_CLASSES)}, or another task"
            )
        self._settings = settings
        self._task = task
        self._class_weights: Tensor | None = None
        if settings.class_weights is ClassWeights.BALANCED and not task.has_masks:
            if class_counts is None:
                raise ValueError("balanced class weights need class_counts")
            counts = torch.tensor(class_counts, dtype=torch.float32)
            self._class_weights = counts.sum() / (len(counts) * counts.clamp(min=1))

    def per_image(self, outputs: Outputs, targets: Targets, epoch: int) -> Tensor:
        """Return the loss of each image (batch), in float32 also inside autocast; ``epoch`` counts from 1."""
        first = next(part for part in outputs if part is not None)
        with torch.autocast(first.device.type, enabled=False):
            if not self._task.has_masks:
                return self._of_classes(*_both(outputs.classes, targets.classes))
            loss = self._of_masks(*_both(outputs.masks, targets.masks))
            if self._task is Task.DUAL_HEAD:
                logits, wanted = _both(outputs.presence, targets.presence)
                presence = terms.binary_cross_entropy(logits, wanted, self._settings.positive_weight)
                loss = loss + self.presence_weight(epoch) * presence
            return loss

    def presence_weight(self, epoch: int) -> float:
        """Return what the presence loss weighs in ``epoch`` (from 1): it rises in equal steps over the warm-up.

        With 3 epochs of warm-up it is a fourth, a half and three fourths of ``presence_weight``, then all of it.
        """
        return self._settings.presence_weight * min(1.0, epoch / (self._settings.presence_warmup_epochs + 1))

    def _of_classes(self, logits: Tensor, targets: Tensor) -> Tensor:
        if self._class_weights is not None:
            self._class_weights = self._class_weights.to(logits.device)  # moved once, not at each step
        return terms.cross_entropy(logits, targets, self._class_weights, self._gamma(self._settings.name))

    def _of_masks(self, logits: Tensor, targets: Tensor) -> Tensor:
        name = self._settings.name
        if name not in _PAIRS:
            return self._part(name, logits, targets)
        first, second = (self._part(part, logits, targets) for part in _PAIRS[name])
        return torch.lerp(first, second, self._settings.second_weight)

    def _part(self, name: LossName, logits: Tensor, targets: Tensor) -> Tensor:
        """Return one part of the loss of masks (batch)."""
        if name is LossName.LOVASZ:
            one_map = logits.shape[1] == 1
            return regions.lovasz_hinge(logits, targets) if one_map else _lovasz_softmax(logits, targets)
        if name is LossName.TVERSKY:
            alpha, beta = self._settings.tversky_alpha, self._settings.tversky_beta
            return regions.tversky(*_positive_maps(logits, targets), alpha, beta)
        if name is LossName.DICE:
            loss = regions.dice(*_positive_maps(logits, targets))
            return loss * has_positive(targets) if self._settings.dice_positive_only else loss
        return self._of_pixels(name, logits, targets)

    def _of_pixels(self, name: LossName, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of cross_entropy, bce or focal over the pixels of each image (batch)."""
        positive_weight = self._settings.positive_weight if name is LossName.BCE else 1.0
        gamma = self._gamma(name)
        if logits.shape[1] == 1:
            if gamma:
                return terms.binary_focal(logits, targets, gamma)
            return terms.binary_cross_entropy(logits, targets, positive_weight)
        weights = None
        if positive_weight != 1:
            weights = logits.new_full((logits.shape[1],), positive_weight)
            weights[0] = 1.0
        return terms.cross_entropy(logits, targets, weights, gamma)

    def _gamma(self, name: LossName) -> float:
        return self._settings.focal_gamma if name is LossName.FOCAL else 0.0


def _both(logits: Tensor | None, targets: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return logits and targets in float32, or in the float64 that a check of gradients wants."""
    if logits is None or targets is None:
        raise ValueError("the network's outputs or the targets lack a part of the task")
    logits = logits if logits.dtype is torch.float64 else logits.float()
    return logits, targets.to(logits.dtype)


def _positive_maps(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return probabilities and targets of all classes but the background."""
    if logits.shape[1] == 1:
        return logits.sigmoid(), targets
    return logits.softmax(dim=1)[:, 1:], targets[:, 1:]


def _lovasz_softmax(logits: Tensor, targets: Tensor) -> Tensor:
    return regions.lovasz_softmax(logits.softmax(dim=1), targets)
