"""What predicted probabilities are worth: log loss and calibration."""

from __future__ import annotations

import numpy as np

from llm_loop.trainer.images.splits import Rows
from llm_loop.trainer.scoring.weighing import Flags, Floats, Measure

CALIBRATION_BINS = 15
_NEAREST_TO_CERTAIN = float(np.finfo(np.float32).eps)  # what float32 holds of a probability is no surer than this


def log_probabilities(logits: Floats) -> Floats:
    """Return the logarithm of the softmax of ``logits`` (n, classes)."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    result: Floats = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result


def row_log_loss(logits: Floats, labels: Rows) -> Floats:
    """Return minus the log-probability of the true class for each row (n), in nats, unclipped."""
    return -log_probabilities(logits)[np.arange(len(labels)), labels]


def row_binary_log_loss(probabilities: Floats, positive: Flags) -> Floats:
    """Return minus the log-probability of the truth for each row (n), in nats.

    ``probabilities`` (n) came from float32 and are clipped to within its epsilon (1.2e-7) of 0 and 1, as scikit-learn
    clips float32.
    """
    clipped = probabilities.clip(_NEAREST_TO_CERTAIN, 1 - _NEAREST_TO_CERTAIN)
    return -np.log(np.where(positive, clipped, 1 - clipped))


def calibration_error(confidences: Floats, hits: Flags) -> Measure:
    """Return the expected calibration error as a measure (Guo et al. 2017, arXiv:1706.04599).

    ``confidences`` (n; 0 to 1) are the probabilities of the chosen classes, ``hits`` (n) whether they were right. It
    is how far confidence and share of hits lie apart, averaged over the images of 15 bins of equal width, each of which
    holds its upper edge.
    """
    numbers = np.ceil(confidences * CALIBRATION_BINS).astype(int).clip(min=1) - 1
    gaps = np.zeros((len(hits), CALIBRATION_BINS))
    gaps[np.arange(len(hits)), numbers] = confidences - hits
    return lambda weights: np.abs(weights @ gaps).sum(axis=1) / weights.sum(axis=1)
