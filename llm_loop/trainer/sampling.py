"""Which training images an epoch takes, how often and in which order."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from llm_loop.errors import ConfigError
from llm_loop.trainer.choices import Sampling
from llm_loop.trainer.images.splits import Rows

_EVEN_SHARE = 0.5
"""What of a negative image's chance does not depend on its loss: none is ever given up."""


class Sampler:
    """Draw the rows of an epoch: always as many as there are training images.

    uniform: each image once. balanced: every class equally often, up to one, its images as evenly as that goes.
    hard_negative: positive images once each, and in the places of the negative ones (label 0) negatives by chance,
    half of it even, half in proportion to an image's last loss. ``labels`` (n) are the class numbers.
    """

    def __init__(self, sampling: Sampling, labels: Rows, classes: int, device: torch.device) -> None:
        """Raise ConfigError for hard_negative where labels are of more than two classes."""
        if sampling is Sampling.HARD_NEGATIVE and classes > 2:
            raise ConfigError(
                f"training.sampling hard_negative: of {classes} classes none is the negative one; set it to balanced"
            )
        self._sampling = sampling
        self._labels = labels
        self.losses = torch.ones(len(labels), device=device) if sampling is Sampling.HARD_NEGATIVE else None

    def order(self, draws: np.random.Generator) -> Rows:
        """Return the rows of an epoch in their order."""
        match self._sampling:
            case Sampling.BALANCED:
                return draws.permutation(self._balanced(draws))
            case Sampling.HARD_NEGATIVE:
                return draws.permutation(self._with_hard_negatives(draws))
        return draws.permutation(len(self._labels))

    def note(self, rows: Tensor, losses: Tensor) -> None:
        """Remember the losses (batch) of ``rows``, where they matter."""
        if self.losses is not None:
            self.losses[rows] = losses.detach().to(self.losses.dtype)

    def _balanced(self, draws: np.random.Generator) -> Rows:
        found = np.unique(self._labels)
        places = [part.size for part in np.array_split(np.arange(len(self._labels)), len(found))]
        parts = []
        for label, count in zip(found, draws.permutation(places), strict=True):
            rows = np.flatnonzero(self._labels == label)
            rounds = [draws.permutation(rows) for _ in range(-(-int(count) // len(rows)))]
            parts.append(np.concatenate(rounds)[:count])
        return np.concatenate(parts)

    def _with_hard_negatives(self, draws: np.random.Generator) -> Rows:
        assert self.losses is not None
        negative = np.flatnonzero(self._labels == 0)
        if len(negative) == 0:
            return np.arange(len(self._labels))
        chances = _chances(self.losses.cpu().numpy()[negative].astype(np.float64))
        drawn = _draw_evenly(chances, draws.random())
        return np.concatenate([np.flatnonzero(self._labels != 0), negative[drawn]])


def _chances(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the chance of each negative image; they add up to 1. Losses below 0 count as 0."""
    losses = losses.clip(min=0)
    even = np.full(len(losses), 1 / len(losses))
    total = losses.sum()
    return even if total == 0 else _EVEN_SHARE * even + (1 - _EVEN_SHARE) * losses / total


def _draw_evenly(chances: NDArray[np.float64], start: float) -> Rows:
    """Return as many positions as there are chances: systematic sampling, each at most one off its expected number."""
    ends = np.cumsum(chances)
    ends[-1] = 1.0
    marks = (np.arange(len(chances)) + start) / len(chances)
    return np.searchsorted(ends, marks, side="right").clip(max=len(chances) - 1)
