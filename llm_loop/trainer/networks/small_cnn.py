"""``small_cnn``: our own classifier, for images of 4 pixels and more."""

from __future__ import annotations

from torch import Tensor, nn

from llm_loop.trainer.choices import Norm
from llm_loop.trainer.networks.batch_norm import group_norm
from llm_loop.trainer.settings import ModelSettings


class SmallCnn(nn.Module):
    """Stack ``depth`` blocks: a 3 x 3 convolution, a normalisation, a ReLU.

    The first block has ``width`` channels, each next one double, up to eight times. A block
    halves the image while that is at least 4 pixels wide. The last maps are averaged to 2 x 2, so
    that position still counts, and one linear layer reads them.
    """

    def __init__(self, settings: ModelSettings, channels: int, classes: int, image_size: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        size, inputs, outputs = image_size, channels, settings.width
        for block in range(settings.depth):
            outputs = settings.width * 2 ** min(block, 3)
            layers += convolution(inputs, outputs, settings.norm)
            if size >= 4:
                layers.append(nn.MaxPool2d(2))
                size //= 2
            inputs = outputs
        side = min(2, size)
        self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(side), nn.Flatten())
        self.head = nn.Sequential(nn.Dropout(settings.dropout), nn.Linear(outputs * side * side, classes))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of normalised images."""
        logits: Tensor = self.head(self.features(images))
        return logits


def convolution(inputs: int, outputs: int, norm: Norm) -> list[nn.Module]:
    """Return a 3 x 3 convolution that keeps the size, its normalisation and a ReLU."""
    bias = norm is Norm.NONE
    layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias)]
    if norm is Norm.BATCH:
        layers.append(nn.BatchNorm2d(outputs))
    elif norm is Norm.GROUP:
        layers.append(group_norm(outputs))
    return [*layers, nn.ReLU(inplace=True)]
