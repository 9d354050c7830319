"""Validation images weighed: every metric is a function of how often each image counts.

Weights are (sets, n): a row of ones is the validation set itself, a row of a resample says how often each image was
drawn. A metric that a set leaves undefined, such as the ROC AUC of one class alone, is NaN in here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Measure = Callable[[Floats], Floats]
RESAMPLES = 1000
_BOOTSTRAP_SEED = 20240229
_CHUNK_CELLS = 1_000_000  # weights held at once: bounds the memory, not the result


def all_once(n: int) -> Floats:
    """Return the weights of the validation set itself (1, n)."""
    return np.ones((1, n))


def resamples(n: int) -> Iterator[Floats]:
    """Yield the weights of RESAMPLES resamples of n images with replacement, in chunks, from a fixed seed."""
    generator = np.random.default_rng(_BOOTSTRAP_SEED)
    left = RESAMPLES
    while left:
        sets = min(left, max(1, _CHUNK_CELLS // n))
        drawn = generator.integers(n, size=(sets, n)) + np.arange(sets)[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=sets * n).reshape(sets, n).astype(float)
        left -= sets


def ratio(part: Floats, whole: Floats) -> Floats:
    """Return ``part / whole``, NaN where ``whole`` is 0."""
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)


def mean_of(values: Floats | Flags, among: Flags | None = None) -> Measure:
    """Return the mean of ``values`` (n) as a measure, over the images ``among`` (n) alone where that is given."""
    counts = np.ones(len(values)) if among is None else among.astype(float)
    summed = np.where(counts > 0, values, 0.0)
    return lambda weights: ratio(weights @ summed, weights @ counts)
