"""Validation metrics of a classifier, and how far chance alone could have moved them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from llm_loop.trainer.settings import Metric
from llm_loop.trainer.splits import Rows

Floats = NDArray[np.float64]
RESAMPLES = 1000
_BOOTSTRAP_SEED = 20240229
_CHUNK_ROWS = 1_000_000  # rows drawn at once: bounds the memory, not the result


def log_probabilities(logits: Floats) -> Floats:
    """Return the logarithm of the softmax of ``logits`` (n, classes)."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    result: Floats = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result


def row_log_loss(logits: Floats, labels: Rows) -> Floats:
    """Return minus the log-probability of the true class for each row, in nats, unclipped."""
    return -log_probabilities(logits)[np.arange(len(labels)), labels]


def macro_f1(predicted: Rows, labels: Rows, classes: int) -> float:
    """Return the mean F1 over the classes that occur in truth or prediction."""
    return float(_macro_f1_of_draws(predicted, labels, np.arange(len(labels))[None], classes)[0])


def scores(logits: Floats, labels: Rows) -> dict[str, float]:
    """Return all validation metrics by name for ``logits`` (n, classes) and true ``labels`` (n)."""
    predicted = logits.argmax(axis=1)
    return {
        Metric.LOG_LOSS.value: float(row_log_loss(logits, labels).mean()),
        Metric.ACCURACY.value: float((predicted == labels).mean()),
        Metric.MACRO_F1.value: macro_f1(predicted, labels, logits.shape[1]),
    }


def bootstrap_interval(metric: Metric, logits: Floats, labels: Rows) -> tuple[float, float]:
    """Return the 2.5 and 97.5 percentile of ``metric`` over 1,000 resamples of the rows, from a fixed seed.

    It tells the spread that the choice of validation images brings, not that of the training seed.
    """
    draws = _draws(len(labels))
    predicted = logits.argmax(axis=1)
    if metric is Metric.MACRO_F1:
        values = [_macro_f1_of_draws(predicted, labels, rows, logits.shape[1]) for rows in draws]
    else:
        per_row = row_log_loss(logits, labels) if metric is Metric.LOG_LOSS else (predicted == labels).astype(float)
        values = [per_row[rows].mean(axis=1) for rows in draws]
    low, high = np.percentile(np.concatenate(values), [2.5, 97.5])
    return float(low), float(high)


def _draws(n: int) -> Iterator[Rows]:
    """Yield RESAMPLES resamples in chunks of shape (resamples, n)."""
    generator = np.random.default_rng(_BOOTSTRAP_SEED)
    left = RESAMPLES
    while left:
        rows = min(left, max(1, _CHUNK_ROWS // n))
        yield generator.integers(n, size=(rows, n))
        left -= rows


def _macro_f1_of_draws(predicted: Rows, labels: Rows, draws: Rows, classes: int) -> Floats:
    """Return the macro F1 of each row of ``draws`` (resamples, n): one count over all of them at once."""
    offset = np.arange(len(draws))[:, None] * classes
    cells = len(draws) * classes

    def count(values: Rows, weights: Rows | None = None) -> Floats:
        flat = None if weights is None else weights.ravel().astype(float)
        return np.bincount((values + offset).ravel(), flat, cells).reshape(len(draws), classes).astype(float)

    truth, guess = labels[draws], predicted[draws]
    hits = count(truth, truth == guess)
    both = count(truth) + count(guess)
    f1 = np.divide(2 * hits, both, out=np.zeros_like(both), where=both > 0)
    mean: Floats = f1.sum(axis=1) / (both > 0).sum(axis=1)
    return mean
