"""Losses that judge the masks of an image as regions: Dice, Tversky and Lovasz.

They take probabilities (batch, maps, height, width) and return one number an image. A pixel's overlap is the smaller of
prediction and target, so that of soft targets too the prediction equal to them is best (as in the Dice semimetric
losses; Wang et al. 2023, arXiv:2303.16296). With targets of 0 and 1 that is the usual product.
"""

from __future__ import annotations

import torch
from torch import Tensor

_SMOOTH_PIXELS = 1.0  # so that an empty mask has a loss that falls with what is predicted in it


def dice(probabilities: Tensor, targets: Tensor) -> Tensor:
    """Return 1 minus the soft Dice of each image (batch), 0 to 1, averaged over its maps.

    One pixel is added to both sides of the fraction ``2 * overlap / (predicted + true)``.
    """
    predicted, true, overlap = _areas(probabilities, targets)
    return (1 - (2 * overlap + _SMOOTH_PIXELS) / (predicted + true + _SMOOTH_PIXELS)).mean(dim=1)


def tversky(probabilities: Tensor, targets: Tensor, alpha: float, beta: float) -> Tensor:
    """Return 1 minus the Tversky index of each image (batch), 0 to 1, averaged over its maps.

    Falsely positive pixels weigh ``alpha``, missed ones ``beta`` (Salehi et al. 2017, arXiv:1706.05721). One pixel is
    added to both sides of the fraction.
    """
    predicted, true, overlap = _areas(probabilities, targets)
    wrong = alpha * (predicted - overlap) + beta * (true - overlap)
    return (1 - (overlap + _SMOOTH_PIXELS) / (overlap + wrong + _SMOOTH_PIXELS)).mean(dim=1)


def lovasz_hinge(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the Lovasz hinge loss of each image (batch), for ``logits`` (batch, 1, height, width).

    It is the convex extension of 1 minus the Jaccard index over hinge errors (Berman et al. 2018, arXiv:1705.08790).
    A target above 0.5 counts as positive.
    """
    positive = (targets > 0.5).to(logits).flatten(1)
    return _extension((1 - logits.flatten(1) * (2 * positive - 1)).relu(), positive)


def lovasz_softmax(probabilities: Tensor, targets: Tensor) -> Tensor:
    """Return the Lovasz-softmax loss of each image (batch), averaged over the classes in its mask.

    As ``lovasz_hinge``, over the errors of the probabilities; the likeliest class of a target counts.
    """
    classes = targets.shape[1]
    number = targets.argmax(dim=1, keepdim=True)
    wanted = torch.zeros_like(probabilities).scatter_(1, number, 1.0).flatten(2)
    each = _extension((wanted - probabilities.flatten(2)).abs().flatten(0, 1), wanted.flatten(0, 1)).view(-1, classes)
    present = wanted.amax(dim=2)
    return (each * present).sum(dim=1) / present.sum(dim=1)


def _areas(probabilities: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the predicted, true and common area of each map (batch, maps), in pixels."""
    predicted, true = probabilities.flatten(2), targets.flatten(2)
    return predicted.sum(dim=2), true.sum(dim=2), torch.minimum(predicted, true).sum(dim=2)


def _extension(errors: Tensor, positive: Tensor) -> Tensor:
    """Return the Lovasz extension (rows) of 1 minus Jaccard at ``errors`` (rows, pixels), 0 or more.

    Sorted by falling error, each pixel weighs what the Jaccard index loses when it too is taken for wrong.
    """
    errors, order = errors.sort(dim=1, descending=True)
    positive = positive.gather(1, order).long()  # whole numbers have one sum, in whatever order a device adds them
    total = positive.sum(dim=1, keepdim=True)
    common = total - positive.cumsum(dim=1)
    either = total + (1 - positive).cumsum(dim=1)
    lost = 1 - common / either
    steps = torch.cat([lost[:, :1], lost[:, 1:] - lost[:, :-1]], dim=1)
    return (errors * steps).sum(dim=1)
