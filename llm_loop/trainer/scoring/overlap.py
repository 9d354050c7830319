"""Metrics of how far prediction and truth overlap: of masks, pixel by pixel, and of image classes, image by image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llm_loop.trainer.images.splits import Rows
from llm_loop.trainer.scoring.predictions import STEPS
from llm_loop.trainer.scoring.weighing import Floats, Measure, mean_of, ratio

_CHUNK_PIXELS = 4_000_000  # compared at once: bounds the memory
Masks = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Areas:
    """Hold what each of n images has of each class: the pixels predicted, true and both, (n, classes) each."""

    predicted: Floats
    true: Floats
    both: Floats

    def dice(self, weights: Floats) -> Floats:
        """Return ``2 * both / (predicted + true)`` over all pixels together (sets)."""
        predicted, true, both = self._summed(weights)
        return _over_classes(2 * both, predicted + true, predicted + true)

    def iou(self, weights: Floats) -> Floats:
        """Return ``both / (predicted or true)`` over all pixels together (sets)."""
        predicted, true, both = self._summed(weights)
        return _over_classes(both, predicted + true - both, predicted + true)

    def precision(self, weights: Floats) -> Floats:
        """Return ``both / predicted`` over all pixels together (sets); 0 where nothing is predicted that there is."""
        predicted, true, both = self._summed(weights)
        return _over_classes(both, predicted, predicted + true)

    def recall(self, weights: Floats) -> Floats:
        """Return ``both / true`` over all pixels together (sets); 0 where nothing is true that is predicted."""
        predicted, true, both = self._summed(weights)
        return _over_classes(both, true, predicted + true)

    def dice_of_positives(self) -> Measure:
        """Return as a measure the mean, over images with a positive pixel, of each image's own Dice."""
        own = _over_classes(2 * self.both, self.predicted + self.true, self.predicted + self.true)
        return mean_of(own, self.true.sum(axis=1) > 0)

    def _summed(self, weights: Floats) -> tuple[Floats, Floats, Floats]:
        return weights @ self.predicted, weights @ self.true, weights @ self.both


def areas_of_steps(steps: Masks, truth: Masks, level: int) -> Areas:
    """Return the areas of the one positive class where pixels from step ``level`` on are positive.

    ``steps`` and ``truth`` are (n, height, width); every pixel of ``truth`` that is not 0 is positive.
    """
    counts = []
    for part in _chunks(steps):
        guess, true = steps[part] >= level, truth[part] > 0
        counts.append(np.stack([_pixels(guess), _pixels(true), _pixels(guess & true)]))
    predicted, true, both = np.concatenate(counts, axis=1)[..., None].astype(float)
    return Areas(predicted=predicted, true=true, both=both)


def areas_of_numbers(numbers: Masks, truth: Masks, classes: int) -> Areas:
    """Return the areas of all classes but the background for class numbers (n, height, width)."""
    counts = np.zeros((3, len(truth), classes))
    for row, (guess, true) in enumerate(zip(numbers, truth, strict=True)):
        both = true[guess == true]
        counts[:, row] = [np.bincount(some.ravel(), minlength=classes)[:classes] for some in (guess, true, both)]
    predicted, true, both = counts[..., 1:]
    return Areas(predicted=predicted, true=true, both=both)


def macro_f1(predicted: Rows, labels: Rows, classes: int) -> Measure:
    """Return as a measure the mean F1 over the image classes that occur in truth or prediction.

    ``predicted`` and ``labels`` are class numbers (n).
    """
    guesses, truths, hits = _Groups(predicted, classes), _Groups(labels, classes), (predicted == labels).astype(float)

    def measure(weights: Floats) -> Floats:
        both = guesses.sums(weights) + truths.sums(weights)
        return _over_classes(2 * truths.sums(weights * hits), both, both)

    return measure


class _Groups:
    """Sum weights over the images of each class, in memory that does not grow with the classes of each image."""

    def __init__(self, numbers: Rows, classes: int) -> None:
        self._order = np.argsort(numbers, kind="stable")
        self._ends = np.searchsorted(numbers[self._order], np.arange(-1, classes), side="right")

    def sums(self, weights: Floats) -> Floats:
        """Return the sums (sets, classes) of ``weights`` (sets, n)."""
        running = np.pad(weights[:, self._order].cumsum(axis=1), ((0, 0), (1, 0)))
        return np.diff(running[:, self._ends], axis=1)


def best_level(steps: Masks, truth: Masks, levels: NDArray[np.int64]) -> int | None:
    """Return which of ``levels`` gives the highest Dice over all pixels, the earlier of equals.

    Return None where no pixel is positive.
    """
    counts = np.zeros((2, STEPS + 1))
    for guess, true in zip(steps, truth, strict=True):
        cells = guess.astype(np.int64) + (true > 0) * (STEPS + 1)
        counts += np.bincount(cells.ravel(), minlength=counts.size).reshape(counts.shape)
    if not counts[1].any():
        return None
    taken = counts[:, ::-1].cumsum(axis=1)[:, ::-1]  # from each step on
    both, predicted = taken[1], taken.sum(axis=0)
    dice = 2 * both / (predicted + both[0])
    return int(levels[dice[levels].argmax()])


def _over_classes(part: Floats, whole: Floats, occurs: Floats) -> Floats:
    """Return the mean of ``part / whole`` over the classes that occur, 0 for one whose whole is 0; NaN without any."""
    values = np.nan_to_num(ratio(part, whole))
    return ratio((values * (occurs > 0)).sum(axis=1), (occurs > 0).sum(axis=1).astype(float))


def _chunks(masks: Masks) -> list[slice]:
    rows = max(1, _CHUNK_PIXELS // max(1, masks[0].size))
    return [slice(start, start + rows) for start in range(0, len(masks), rows)]


def _pixels(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.count_nonzero(flags, axis=(1, 2))
