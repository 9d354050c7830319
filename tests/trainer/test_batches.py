"""Batches are the rows that were asked for, whether the images lie on the device or are brought there."""

from __future__ import annotations

import threading

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402

from llm_loop.errors import ConfigError  # noqa: E402
from llm_loop.trainer import batches as batches_module  # noqa: E402
from llm_loop.trainer.batches import BatchSource, brought, cut, lies_on_device  # noqa: E402
from llm_loop.trainer.choices import OnDevice  # noqa: E402
from llm_loop.trainer.images.image_set import ImageSet  # noqa: E402

CPU = torch.device("cpu")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def images(count: int = 23) -> ImageSet:
    draws = np.random.default_rng(0)
    return ImageSet(
        images=draws.integers(256, size=(count, 1, 6, 5)).astype(np.uint8),
        labels=draws.integers(2, size=count),
        masks=draws.integers(2, size=(count, 6, 5)).astype(np.uint8),
    )


def tensors(of: ImageSet) -> list:
    assert of.masks is not None
    return [torch.from_numpy(part) for part in (of.images, of.labels, of.masks)]


@pytest.mark.parametrize("size", [1, 4, 23, 50])
def test_brought_batches_are_those_cut_from_what_lies_there(size: int) -> None:
    source = images()
    parts = cut(torch.randperm(23, generator=torch.Generator().manual_seed(1)), size)
    there = list(BatchSource(source, CPU, resident=True, masks=True).batches(parts))
    came = list(brought(tensors(source), parts, CPU))
    assert len(there) == len(came) == len(parts)
    for rows, one, other in zip(parts, there, came, strict=True):
        assert all(torch.equal(first, second) for first, second in zip(one, other, strict=True))
        assert torch.equal(one.rows, rows) and torch.equal(one.labels, torch.from_numpy(source.labels)[rows])
        assert one.masks is not None and np.array_equal(one.masks.numpy(), source.masks[rows.numpy()])


def test_nothing_goes_on_after_an_epoch_that_was_left() -> None:
    stream = brought(tensors(images()), cut(torch.arange(23), 2), CPU)
    next(stream)
    assert any(thread.name.startswith("batches") for thread in threading.enumerate())
    stream.close()
    assert not any(thread.name.startswith("batches") for thread in threading.enumerate())


def test_what_goes_wrong_in_the_thread_is_raised_here() -> None:
    with pytest.raises(IndexError):
        list(brought(tensors(images()), [torch.tensor([99])], CPU))


def test_all_images_come_in_their_order() -> None:
    source = BatchSource(images(), CPU, resident=True, masks=False)
    found = list(source.in_order(10))
    assert torch.equal(torch.cat([batch.rows for batch in found]), torch.arange(23)) and found[0].masks is None


def test_images_lie_on_a_device_where_they_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda, source = torch.device("cuda"), images()
    size = source.images.nbytes + source.labels.nbytes + (0 if source.masks is None else source.masks.nbytes)
    for free, fits in ((8 * size, True), (8 * size - 1, False)):
        monkeypatch.setattr(batches_module.torch.cuda, "mem_get_info", lambda _, free=free: (free, free))
        assert lies_on_device(OnDevice.AUTO, [source, source], cuda) is fits
        assert lies_on_device(OnDevice.ALWAYS, [source, source], cuda)
        assert not lies_on_device(OnDevice.NEVER, [source, source], cuda)
    monkeypatch.setattr(batches_module.torch.cuda, "mem_get_info", lambda _: (size, size))
    with pytest.raises(ConfigError, match=r"data\.on_device always.*set it to auto"):
        lies_on_device(OnDevice.ALWAYS, [source, source], cuda)
    assert lies_on_device(OnDevice.NEVER, [source], CPU), "there is no other place"


@needs_cuda
def test_batches_brought_to_a_gpu_are_whole() -> None:
    source, cuda = images(4000), torch.device("cuda")
    parts = cut(torch.randperm(4000), 64)
    for one, rows in zip(BatchSource(source, cuda, resident=False, masks=True).batches(parts), parts, strict=True):
        torch.cuda._sleep(1_000_000)  # the device is behind, so that a copy taken too early would show
        assert torch.equal(one.images.cpu(), torch.from_numpy(source.images)[rows])
        assert torch.equal(one.labels.cpu(), torch.from_numpy(source.labels)[rows])
