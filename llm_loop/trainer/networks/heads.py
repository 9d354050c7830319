"""The last layers of networks for masks: dropout before them, and where they start."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

FOREGROUND_PRIOR = 0.01
"""The share of foreground that an untrained network expects.

It is the prior of Lin et al., "Focal Loss for Dense Object Detection" (2017), section 3.3. Masks are mostly
background: from even odds the first steps drive everything to background, and at high learning rates many a training
never comes back from there.
"""


class DroppingConv2d(nn.Conv2d):
    """A convolution behind a dropout of channels; its weights have the names of the plain convolution's."""

    def __init__(self, plain: nn.Conv2d, dropout: float) -> None:
        kernel, padding = (plain.kernel_size[0], plain.kernel_size[1]), (int(plain.padding[0]), int(plain.padding[1]))
        super().__init__(plain.in_channels, plain.out_channels, kernel, padding=padding)
        self.weight, self.bias = plain.weight, plain.bias
        self.dropout = dropout

    def forward(self, maps: Tensor) -> Tensor:
        """Return the maps of logits."""
        return super().forward(functional.dropout2d(maps, self.dropout, self.training))


def prepare_mask_head(head: nn.Module, dropout: float) -> None:
    """Put ``dropout`` before the last convolution of ``head``, and let it expect background."""
    path, last = [(path, part) for path, part in head.named_modules() if isinstance(part, nn.Conv2d)][-1]
    expect_background(last)
    if dropout:
        parent, _, name = path.rpartition(".")
        setattr(head.get_submodule(parent), name, DroppingConv2d(last, dropout))


def expect_background(last: nn.Conv2d) -> None:
    """Set the bias of a last convolution so that an untrained network gives foreground its prior, all classes alike."""
    if last.bias is None:
        return
    odds = math.log((1 - FOREGROUND_PRIOR) / FOREGROUND_PRIOR)
    with torch.no_grad():
        last.bias.zero_()
        if last.out_channels == 1:
            last.bias[0] = -odds
        else:
            last.bias[0] = odds + math.log(last.out_channels - 1)
