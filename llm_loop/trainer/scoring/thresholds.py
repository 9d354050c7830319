"""From which probability on a pixel or an image counts as positive."""

from __future__ import annotations

import math

import numpy as np

from llm_loop.trainer.scoring.overlap import Masks, best_level
from llm_loop.trainer.scoring.predictions import STEPS
from llm_loop.trainer.scoring.weighing import Flags, Floats

# All thresholds that can be chosen, in steps of a probability, the nearest to one half first.
_GRID = np.array(sorted(range(1, STEPS + 1), key=lambda level: (abs(level - STEPS / 2), level)), dtype=np.int64)


def level_of(threshold: float) -> int:
    """Return the first step, 1 to 255, that counts as positive at ``threshold`` (0 to 1, both exclusive)."""
    return max(1, math.ceil(threshold * STEPS))


def tune_pixels(steps: Masks, truth: Masks, otherwise: float) -> float:
    """Return the threshold, a multiple of 1/255, with the highest Dice over all pixels; of equals that nearest to 0.5.

    Return ``otherwise`` where no pixel is positive.
    """
    level = best_level(steps, truth, _GRID)
    return otherwise if level is None else level / STEPS


def tune_images(probabilities: Floats, positive: Flags, otherwise: float) -> float:
    """Return the threshold, a multiple of 1/255, with the highest F1 over the images; of equals that nearest to 0.5.

    Return ``otherwise`` where no image is positive.
    """
    if not positive.any():
        return otherwise
    grid = _GRID / STEPS
    hits = positive.sum() - np.searchsorted(np.sort(probabilities[positive]), grid, side="left")
    taken = len(probabilities) - np.searchsorted(np.sort(probabilities), grid, side="left")
    return float(grid[(2 * hits / (taken + positive.sum())).argmax()])
