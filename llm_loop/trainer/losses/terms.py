"""Losses that judge each pixel, or each image as a whole, on its own: cross entropies and focal."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

_SMALLEST_DOUBT = 1e-6  # keeps the gradient of a power below 1 finite where a probability rounds to 1


def cross_entropy(logits: Tensor, targets: Tensor, weights: Tensor | None = None, gamma: float = 0.0) -> Tensor:
    """Return the cross entropy of each image (batch), in nats, averaged over its pixels where it has any.

    ``logits`` and ``targets`` are (batch, classes) or (batch, classes, height, width), targets probabilities.
    ``weights`` (classes) multiply the term of each class. With ``gamma`` above 0 it is the focal loss, which
    multiplies each term by ``(1 - p) ** gamma`` (Lin et al. 2017, arXiv:1708.02002).
    """
    log_probability = functional.log_softmax(logits, dim=1)
    terms = targets * log_probability
    if gamma:
        terms = terms * (1 - log_probability.exp()).clamp(min=_SMALLEST_DOUBT) ** gamma
    if weights is not None:
        terms = terms * weights.to(terms).view(-1, *[1] * (terms.dim() - 2))
    return _mean_of_image(-terms.sum(dim=1))


def binary_cross_entropy(logits: Tensor, targets: Tensor, positive_weight: float = 1.0) -> Tensor:
    """Return the binary cross entropy of each image (batch), in nats, averaged over its pixels where it has any.

    ``logits`` and ``targets`` (0 to 1) are (batch, ...). The positive term is multiplied by ``positive_weight``.
    """
    weight = None if positive_weight == 1 else logits.new_full((), positive_weight)
    terms = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none", pos_weight=weight)
    return _mean_of_image(terms)


def binary_focal(logits: Tensor, targets: Tensor, gamma: float) -> Tensor:
    """Return the focal loss of each image (batch), averaged over its pixels where it has any.

    ``logits`` and ``targets`` (0 to 1) are (batch, ...). Each of the two terms of the binary cross entropy is
    multiplied by the ``gamma``-th power of how far its own probability is from 1.
    """
    if not gamma:
        return binary_cross_entropy(logits, targets)
    positive = targets * functional.logsigmoid(logits) * (-logits).sigmoid().clamp(min=_SMALLEST_DOUBT) ** gamma
    negative = (1 - targets) * functional.logsigmoid(-logits) * logits.sigmoid().clamp(min=_SMALLEST_DOUBT) ** gamma
    return _mean_of_image(-(positive + negative))


def _mean_of_image(terms: Tensor) -> Tensor:
    return terms if terms.dim() == 1 else terms.flatten(1).mean(dim=1)
