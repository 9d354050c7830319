"""``simple_unet`` and ``simple_unet_dual_head``: our own U-Nets, of torch alone.

After Ronneberger, Fischer and Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation" (2015), with
padded convolutions and normalisation layers.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from llm_loop.trainer.networks.heads import expect_background
from llm_loop.trainer.networks.small_cnn import convolution
from llm_loop.trainer.settings import ModelSettings


class SimpleUnet(nn.Module):
    """Turn images (batch, channels, height, width) into maps of logits of the same height and width.

    ``depth`` levels: on the way down two 3 x 3 convolutions each, the first level with ``width`` channels, each next
    one with double at half the size. On the way up a transposed convolution and one of 3 x 3 each: on one CPU thread
    that gave better masks in the same time than two of 3 x 3, and took a fifth to a third less than bilinear scaling.
    Any size goes from 2 ** (depth - 1) pixels on.
    """

    def __init__(self, settings: ModelSettings, channels: int, maps: int) -> None:
        super().__init__()
        norm = settings.norm
        widths = [settings.width * 2**level for level in range(settings.depth)]
        self.down = nn.ModuleList(
            nn.Sequential(*convolution(inputs, outputs, norm), *convolution(outputs, outputs, norm))
            for inputs, outputs in zip([channels, *widths], widths, strict=False)
        )
        ways_up = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.up = nn.ModuleList(nn.ConvTranspose2d(deep, flat, 2, stride=2) for deep, flat in ways_up)
        self.merge = nn.ModuleList(nn.Sequential(*convolution(2 * flat, flat, norm)) for _, flat in ways_up)
        last = nn.Conv2d(settings.width, maps, 1)
        expect_background(last)
        self.head = nn.Sequential(nn.Dropout2d(settings.dropout), last)

    def forward(self, images: Tensor) -> Tensor:
        """Return the maps of logits (batch, maps, height, width) of normalised images."""
        return self.maps(self.levels(images))

    def levels(self, images: Tensor) -> list[Tensor]:
        """Return the features of each level, from full size to the smallest."""
        features = [self.down[0](images)]
        for block in self.down[1:]:
            features.append(block(functional.max_pool2d(features[-1], 2)))
        return features

    def maps(self, features: list[Tensor]) -> Tensor:
        """Return the maps of logits that belong to the features of all levels."""
        merged = features[-1]
        for up, merge, skip in zip(self.up, self.merge, features[-2::-1], strict=True):
            risen = up(merged)
            if risen.shape[-2:] != skip.shape[-2:]:  # an odd size lost its last row or column on the way down
                missing = skip.shape[-2] - risen.shape[-2], skip.shape[-1] - risen.shape[-1]
                risen = functional.pad(risen, (0, missing[1], 0, missing[0]), mode="replicate")
            merged = merge(torch.cat([risen, skip], dim=1))
        logits: Tensor = self.head(merged)
        return logits


class SimpleUnetDualHead(SimpleUnet):
    """Say beside the maps whether there is anything to mask: one logit an image.

    It is linear in the mean and the maximum of each channel of the smallest level, and in the highest evidence in the
    maps. Its loss reaches the maps through that evidence: on generated X-rays, presence was ranked better so than with
    the evidence detached or left out, with masks as good.
    """

    def __init__(self, settings: ModelSettings, channels: int, maps: int) -> None:
        super().__init__(settings, channels, maps)
        deepest = settings.width * 2 ** (settings.depth - 1)
        self.presence = nn.Sequential(nn.Dropout(settings.dropout), nn.Linear(2 * deepest + 1, 1))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the maps of logits (batch, maps, height, width) and the logits of presence (batch, 1)."""
        features = self.levels(images)
        maps = self.maps(features)
        deepest = features[-1]
        parts = [deepest.mean((2, 3)), deepest.amax((2, 3)), highest_evidence(maps)]
        return maps, self.presence(torch.cat(parts, dim=1))


def highest_evidence(maps: Tensor) -> Tensor:
    """Return the highest logit of anything but background in each image (batch, 1), of maps of logits."""
    foreground = maps if maps.shape[1] == 1 else maps[:, 1:].amax(1, keepdim=True) - maps[:, :1]
    return foreground.amax((2, 3))
