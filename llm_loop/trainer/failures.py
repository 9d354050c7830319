"""The endings of a training that are not a result, each with its exit code.

    LoopError
     +- ConfigError               2  (of llm_loop.errors) a key, a type, a range, a device that is not there
     |   +- UnsupportedModelError 2  a model name that nobody knows
     |   +- CheckpointError       2  no checkpoint, or one of another training
     +- DataError                 3  no images, unreadable images, too few classes
     +- NonFiniteLossError        4  the loss became NaN or infinite
     +- OutOfDeviceMemoryError    5  the CUDA device has no memory left

Anything else ends with 1.
"""

from __future__ import annotations

from pathlib import Path

from llm_loop.errors import ConfigError, LoopError


class UnsupportedModelError(ConfigError):
    """Name a model that cannot be built. The first line is fixed: repair tools look for it."""

    def __init__(self, name: str, allowed: str) -> None:
        self.name = name
        super().__init__(f"Unsupported model.name: {name}\n{allowed}")


class CheckpointError(ConfigError):
    """Name a checkpoint from which this training cannot go on, and why."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"no training goes on from {path}: {why}\nleave --resume out to begin anew")


class DataError(LoopError):
    """Say which folder or file cannot serve as data, and why."""

    exit_code = 3


class NonFiniteLossError(LoopError):
    """Say at which epoch the numbers left the finite range."""

    exit_code = 4

    def __init__(self, what: str, epoch: int, learning_rate: float) -> None:
        super().__init__(
            f"{what} is not finite (NaN or infinite) in epoch {epoch}\n"
            f"try a lower optimizer.learning_rate (it was {learning_rate:g}) or set training.gradient_clip"
        )


class OutOfDeviceMemoryError(LoopError):
    """Say which batch did not fit on the device."""

    exit_code = 5

    def __init__(self, device: str, batch_size: int, image_size: int) -> None:
        super().__init__(
            f"out of memory on {device} with training.batch_size {batch_size} at {image_size} x {image_size} pixels\n"
            "lower training.batch_size or data.image_size, or take a smaller model"
        )
