"""Random changes to a batch of training images and their masks, drawn from a seeded generator on the images' device.

A whole batch is changed at once, and an image and its mask by the same draw. Our own, since an image of 128 pixels with
its mask costs a fraction of what the general libraries take for it, every draw comes from the generator that a
checkpoint keeps, and images that are already normalised need no clipping to 0..1.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional

from llm_loop.trainer.choices import AugmentationPreset
from llm_loop.trainer.settings import AugmentationSettings

_ELASTIC_NODES = 5  # of a side: a wave of the deformation is about half an image long


@dataclass(frozen=True, slots=True, kw_only=True)
class Strengths:
    """Hold how far each change may go; 0 turns one off.

    The names that ``AugmentationSettings`` has too mean the same. ``shift_share`` and ``elastic_share`` are the largest
    move of the whole image and of a node of the elastic grid, in fractions of a side; ``blur_pixels`` is the largest
    standard deviation of the Gaussian blur.
    """

    flip_horizontal: float = 0.0
    flip_vertical: float = 0.0
    shift_pixels: float = 0.0
    shift_share: float = 0.0
    rotate_degrees: float = 0.0
    scale: float = 0.0
    elastic_share: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    blur_pixels: float = 0.0
    noise: float = 0.0


PRESETS = {
    AugmentationPreset.NONE: Strengths(),
    AugmentationPreset.LIGHT: Strengths(
        flip_horizontal=0.5, shift_share=0.03, rotate_degrees=5, scale=0.05, brightness=0.1, contrast=0.1
    ),
    AugmentationPreset.MEDIUM: Strengths(
        flip_horizontal=0.5,
        shift_share=0.06,
        rotate_degrees=15,
        scale=0.15,
        brightness=0.2,
        contrast=0.2,
        blur_pixels=0.6,
        noise=0.05,
    ),
    AugmentationPreset.STRONG: Strengths(
        flip_horizontal=0.5,
        flip_vertical=0.5,
        shift_share=0.1,
        rotate_degrees=30,
        scale=0.25,
        elastic_share=0.04,
        brightness=0.4,
        contrast=0.4,
        blur_pixels=1.0,
        noise=0.1,
    ),
}


def strengths_of(settings: AugmentationSettings) -> Strengths:
    """Return what holds: of each change the larger one, of the preset's and of the key's own."""
    preset = asdict(PRESETS[settings.preset])
    own = {field.name: getattr(settings, field.name, 0.0) for field in fields(Strengths)}
    return Strengths(**{name: max(preset[name], own[name]) for name in preset})


class Augmentation:
    """Flip, move, bend, brighten, blur and disturb; every image of a batch gets a draw of its own.

    Flips happen to their share of the images. Shift, rotation, scale (0.1: 0.9 to 1.1 times), brightness and contrast
    are uniform between minus and plus their strength, blur between nothing and its strength; noise is Gaussian.
    Brightness and noise are in standard deviations of the training images; contrast changes around an image's mean.
    What moves in from outside repeats the border in images and is background in masks. Masks are moved, flipped and
    bent alone, taking the nearest pixel, so that they keep to the numbers they had.
    """

    def __init__(self, settings: AugmentationSettings, generator: torch.Generator) -> None:
        self._strengths = strengths = strengths_of(settings)
        self._generator = generator
        self._flips = bool(strengths.flip_horizontal or strengths.flip_vertical)
        turns = strengths.rotate_degrees or strengths.scale or strengths.elastic_share
        self._moves = bool(strengths.shift_pixels or strengths.shift_share or turns)

    def __call__(self, images: Tensor, masks: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return changed copies of normalised ``images`` (batch, channels, height, width) and of their ``masks``.

        ``masks`` (batch, maps, height, width) are floating numbers, class numbers or maps of zeros and ones.
        """
        if self._flips:
            images, masks = self._flip(images, masks)
        if self._moves:
            grid = self._grid(images)
            images = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
            if masks is not None:
                masks = functional.grid_sample(masks, grid, mode="nearest", align_corners=False)
        return self._shade(images), masks

    def _draw(self, images: Tensor, *shape: int) -> Tensor:
        """Return uniform draws between -1 and 1."""
        return torch.rand(*shape, generator=self._generator, device=images.device) * 2 - 1

    def _flip(self, images: Tensor, masks: Tensor | None) -> tuple[Tensor, Tensor | None]:
        draws = torch.rand(2, len(images), 1, 1, 1, generator=self._generator, device=images.device)
        shares = ((-1, self._strengths.flip_horizontal), (-2, self._strengths.flip_vertical))
        for (side, share), draw in zip(shares, draws, strict=True):
            if share:
                images = torch.where(draw < share, images.flip(side), images)
                masks = None if masks is None else torch.where(draw < share, masks.flip(side), masks)
        return images, masks

    def _grid(self, images: Tensor) -> Tensor:
        """Return where each pixel comes from (batch, height, width, 2), in coordinates in which a side is 2 long."""
        grid = functional.affine_grid(self._matrices(images), list(images.shape), align_corners=False)
        if not self._strengths.elastic_share:
            return grid
        nodes = self._draw(images, len(images), 2, _ELASTIC_NODES, _ELASTIC_NODES) * 2 * self._strengths.elastic_share
        bend = functional.interpolate(nodes, images.shape[-2:], mode="bicubic", align_corners=True)
        return grid + bend.permute(0, 2, 3, 1)

    def _matrices(self, images: Tensor) -> Tensor:
        """Return affine matrices (batch, 2, 3) in the coordinates of ``affine_grid``, where a side is 2 long."""
        batch, _, height, width = images.shape
        draws = self._draw(images, 4, batch)
        angle = draws[0] * math.radians(self._strengths.rotate_degrees)
        zoom = 1 / (1 + draws[1] * self._strengths.scale)
        cos, sin = zoom * angle.cos(), zoom * angle.sin()
        right = draws[2] * self._shift(width)
        down = draws[3] * self._shift(height)
        rows = [torch.stack([cos, -sin, right], dim=1), torch.stack([sin, cos, down], dim=1)]
        return torch.stack(rows, dim=1)

    def _shift(self, side: int) -> float:
        """Return the largest shift along a side of so many pixels, where the side is 2 long."""
        return max(self._strengths.shift_pixels * 2 / side, self._strengths.shift_share * 2)

    def _shade(self, images: Tensor) -> Tensor:
        """Change contrast, brightness, sharpness and noise, in this order."""
        each = (len(images), 1, 1, 1)
        if contrast := self._strengths.contrast:
            images = torch.lerp(
                images.mean(dim=(1, 2, 3), keepdim=True), images, 1 + contrast * self._draw(images, *each)
            )
        if brightness := self._strengths.brightness:
            images = images + brightness * self._draw(images, *each)
        if self._strengths.blur_pixels:
            images = self._blur(images)
        if noise := self._strengths.noise:
            images = images + noise * torch.randn(images.shape, generator=self._generator, device=images.device)
        return images

    def _blur(self, images: Tensor) -> Tensor:
        """Blur each image by a Gaussian of its own width, along one side and then along the other."""
        batch, channels, height, width = images.shape
        widest = self._strengths.blur_pixels
        radius = math.ceil(3 * widest)
        widths = widest * torch.rand(batch, 1, generator=self._generator, device=images.device)
        places = torch.arange(-radius, radius + 1, device=images.device)
        kernels = torch.exp(-0.5 * (places / widths.clamp(min=1e-3)) ** 2)
        kernels = (kernels / kernels.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)
        maps = functional.pad(images, (radius,) * 4, mode="replicate").reshape(
            1, batch * channels, -1, width + 2 * radius
        )
        maps = functional.conv2d(maps, kernels[:, None, None, :], groups=batch * channels)
        maps = functional.conv2d(maps, kernels[:, None, :, None], groups=batch * channels)
        return maps.reshape(batch, channels, height, width)
