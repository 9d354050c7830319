"""Batches of images on the device: cut from what lies there, or brought there while it works on the one before."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor

from llm_loop.errors import ConfigError
from llm_loop.trainer.choices import OnDevice
from llm_loop.trainer.images.image_set import ImageSet

_SHARE_OF_FREE_MEMORY = 0.25
_AHEAD = 2  # one to be copied while one is gathered
_GIBIBYTE = 2**30


class Batch(NamedTuple):
    """Hold raw images (batch, channels, height, width; uint8), their labels, masks (or None) and row numbers."""

    rows: Tensor
    images: Tensor
    labels: Tensor
    masks: Tensor | None


class BatchSource:
    """Hand out batches of an image set on ``device``.

    ``resident`` says whether all its images lie there, ``masks`` whether batches hold them.
    """

    def __init__(self, images: ImageSet, device: torch.device, *, resident: bool, masks: bool) -> None:
        of_pixels = torch.from_numpy(images.masks) if masks and images.masks is not None else None
        self._device = device
        self._resident = resident or device.type == "cpu"
        self._tensors: tuple[Tensor | None, ...] = (
            torch.from_numpy(images.images),
            torch.from_numpy(images.labels),
            of_pixels,
        )
        self._count = len(images)
        if self._resident:
            self._tensors = tuple(None if one is None else one.to(device) for one in self._tensors)

    def __len__(self) -> int:
        return self._count

    def batches(self, parts: Sequence[Tensor]) -> Generator[Batch, None, None]:
        """Yield the batch of each of ``parts``, which are row numbers on the CPU."""
        if not self._resident:
            yield from brought(self._tensors, parts, self._device)
            return
        for rows in torch.cat(list(parts)).to(self._device).split([len(rows) for rows in parts]):
            yield _gathered(self._tensors, rows)

    def in_order(self, at_once: int) -> Generator[Batch, None, None]:
        """Yield all images in their order, ``at_once`` at once."""
        return self.batches(list(torch.arange(len(self)).split(at_once)))


def lies_on_device(wanted: OnDevice, sets: Sequence[ImageSet], device: torch.device) -> bool:
    """Tell whether the images shall lie on the device; auto: where all sets take at most a quarter of its free memory.

    Raises ConfigError where they always should and never could.
    """
    if device.type == "cpu":
        return True
    if wanted is OnDevice.NEVER:
        return False
    free = torch.cuda.mem_get_info(device)[0]
    size = sum(part.nbytes for one in sets for part in (one.images, one.labels, one.masks) if part is not None)
    if wanted is OnDevice.ALWAYS and size > free:
        raise ConfigError(
            f"data.on_device always: the images take {size / _GIBIBYTE:.1f} GiB, {device} has "
            f"{free / _GIBIBYTE:.1f} GiB free; set it to auto"
        )
    return wanted is OnDevice.ALWAYS or size <= _SHARE_OF_FREE_MEMORY * free


def cut(order: Tensor, size: int) -> list[Tensor]:
    """Cut ``order`` into batches of ``size``; a last batch of one joins the one before.

    One image alone has no spread for batch normalisation to divide by.
    """
    parts = list(order.split(size))
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts


def optimizer_steps(parts: list[Tensor], count: int) -> list[list[Tensor]]:
    """Group batches into optimizer steps of ``count`` each; the last one takes what is left."""
    return [parts[start : start + count] for start in range(0, len(parts), count)]


def brought(
    tensors: Sequence[Tensor | None], parts: Sequence[Tensor], device: torch.device
) -> Generator[Batch, None, None]:
    """Yield batches of ``tensors`` that lie on the CPU; a thread gathers and copies up to two ahead.

    To a CUDA device it copies from pinned memory, on a stream of its own, so that the device computes meanwhile.
    """
    stream = torch.cuda.Stream(device) if device.type == "cuda" else None
    ahead: deque[Future[tuple[Batch, Any]]] = deque()
    left = iter(parts)
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as thread:

        def send() -> None:
            if (rows := next(left, None)) is not None:
                ahead.append(thread.submit(_copied, tensors, rows, device, stream))

        for _ in range(_AHEAD):
            send()
        while ahead:
            batch, copied = ahead.popleft().result()
            send()
            if copied is not None:
                _hand_over(batch, copied)
            yield batch


def _copied(tensors: Sequence[Tensor | None], rows: Tensor, device: torch.device, stream: Any) -> tuple[Batch, Any]:
    """Return a batch, and the event after which it lies on the device, or None."""
    batch = _gathered(tensors, rows)
    if stream is None:
        return batch, None
    with _on(stream):
        moved = (one if one is None else one.pin_memory().to(device, non_blocking=True) for one in batch)
        return Batch(*moved), stream.record_event()


def _hand_over(batch: Batch, copied: Any) -> None:
    """Let the current stream wait for the copy, and see that the memory is not taken from under it."""
    current = torch.cuda.current_stream(batch.images.device)
    current.wait_event(copied)
    for one in batch:
        if one is not None:
            one.record_stream(current)


def _on(stream: Any) -> AbstractContextManager[object]:
    return nullcontext() if stream is None else torch.cuda.stream(stream)


def _gathered(tensors: Sequence[Tensor | None], rows: Tensor) -> Batch:
    images, labels, masks = (None if one is None else one[rows] for one in tensors)
    assert images is not None and labels is not None
    return Batch(rows, images, labels, masks)
