"""The endings of a training that are not a result, each with its exit code.

    LoopError
     +- ConfigError               2  (of llm_loop.errors) a key, a type, a range, a device that is not there
     |   +- UnsupportedModelError 2  a model name that nobody knows
     |   +- CheckpointError       2  no checkpoint, or one of another training
     +- DataError                 3  no images, unreadable images, too few classes
     +- NonFiniteLossError        4  the loss became NaN or infinite
     +- OutOfDeviceMemoryError    5  the CUDA device has no memory left
     +- OutOfHostMemoryError      6  the machine has none left, or this process may not have more

Anything else ends with 1.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llm_loop.errors import ConfigError, LoopError

_SMALLER = (
    "lower training.batch_size (training.accumulate_steps makes up for it) or data.image_size, or take a smaller model"
)


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
            f"{_SMALLER}"
        )


class OutOfHostMemoryError(LoopError):
    """Say which batch was to be trained on when the machine's memory was out."""

    exit_code = 6

    def __init__(self, batch_size: int, image_size: int) -> None:
        super().__init__(
            f"out of memory on the CPU: training.batch_size {batch_size}, data.image_size {image_size}: "
            "cannot allocate memory\n"
            f"{_SMALLER}, or fewer images"
        )


def is_of_host_memory(error: BaseException) -> bool:
    """Tell whether Python, numpy, torch, Pillow or the system says with ``error`` that the memory of the CPU is out."""
    if isinstance(error, RuntimeError):
        return "DefaultCPUAllocator:" in str(error)
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM or str(error).startswith("out of memory")  # the second is Pillow's
    return isinstance(error, MemoryError)


@contextmanager
def host_memory_named(batch_size: int, image_size: int) -> Iterator[None]:
    """Raise OutOfHostMemoryError in the place of whatever says that the memory of the CPU is out."""
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        if not is_of_host_memory(error):
            raise
        raise OutOfHostMemoryError(batch_size, image_size) from error
