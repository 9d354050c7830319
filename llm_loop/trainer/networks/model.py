"""A network together with the normalisation of its images and the meaning of what it returns."""

from __future__ import annotations

from torch import Tensor, nn

from llm_loop.trainer.choices import Task
from llm_loop.trainer.networks.outputs import Outputs


class Model(nn.Module):
    """Turn pixels (batch, channels, height, width; 0 to 255) into the logits of a task.

    It normalises by buffers of its own, so that ``best_model.pt`` is complete in itself. ``normalise`` and
    ``outputs`` can be called apart: augmentation takes place between them. ``network`` is the network as its maker
    made it: it returns logits of classes, maps of logits, or for two heads the pair of maps and presence.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, task: Task, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.network = network
        self.task = task
        self.register_buffer("mean", mean.reshape(1, -1, 1, 1))
        self.register_buffer("std", std.reshape(1, -1, 1, 1))

    def normalise(self, pixels: Tensor) -> Tensor:
        """Bring pixels to mean 0 and standard deviation 1 over the training images."""
        return (pixels.float() - self.mean) / self.std

    def outputs(self, images: Tensor) -> Outputs:
        """Return the logits of normalised ``images``; a part that the task does not have is None."""
        if self.task is Task.CLASSIFICATION:
            return Outputs(classes=self.network(images))
        if self.task is Task.SEGMENTATION:
            return Outputs(masks=self.network(images))
        masks, presence = self.network(images)
        return Outputs(masks=masks, presence=presence.flatten())

    def forward(self, pixels: Tensor) -> Outputs:
        """Return the logits of raw ``pixels``."""
        return self.outputs(self.normalise(pixels))


def mask_maps(classes: int) -> int:
    """Return how many maps of logits tell so many classes of pixels apart: one for two."""
    return 1 if classes == 2 else classes
