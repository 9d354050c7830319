"""Random changes to a batch of training images, drawn from a seeded generator on the images' device."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from llm_loop.trainer.settings import AugmentationSettings


class Augmentation:
    """Shift, rotate, scale and blur by noise; every image of a batch gets a draw of its own.

    Shift is in pixels, rotation in degrees, scale a fraction (0.1: 0.9 to 1.1 times), each uniform
    between minus and plus its setting. Noise is Gaussian, in standard deviations of the training
    images. What moves in from outside repeats the border.
    """

    def __init__(self, settings: AugmentationSettings, generator: torch.Generator) -> None:
        self._settings = settings
        self._generator = generator
        self._moves = bool(settings.shift_pixels or settings.rotate_degrees or settings.scale)

    def __call__(self, images: Tensor) -> Tensor:
        """Return changed copies of normalised ``images`` (batch, channels, height, width)."""
        if self._moves:
            grid = functional.affine_grid(self._matrices(images), list(images.shape), align_corners=False)
            images = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
        if self._settings.noise:
            noise = torch.randn(images.shape, generator=self._generator, device=images.device)
            images = images + self._settings.noise * noise
        return images

    def _matrices(self, images: Tensor) -> Tensor:
        """Return affine matrices (batch, 2, 3) in the coordinates of ``affine_grid``, where a side is 2 long."""
        batch, _, height, width = images.shape
        draws = torch.rand(4, batch, generator=self._generator, device=images.device) * 2 - 1
        angle = draws[0] * math.radians(self._settings.rotate_degrees)
        zoom = 1 / (1 + draws[1] * self._settings.scale)
        cos, sin = zoom * angle.cos(), zoom * angle.sin()
        right = draws[2] * self._settings.shift_pixels * 2 / width
        down = draws[3] * self._settings.shift_pixels * 2 / height
        rows = [torch.stack([cos, -sin, right], dim=1), torch.stack([sin, cos, down], dim=1)]
        return torch.stack(rows, dim=1)
