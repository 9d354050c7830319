"""Generated pictures are the same everywhere, and nothing but the crack tells whether there is one."""

from __future__ import annotations

import hashlib

import pytest

pytest.importorskip("torch")

import numpy as np

from llm_loop.trainer.choices import DataSource, Task
from llm_loop.trainer.images import xray
from llm_loop.trainer.images.load import load_data, load_few
from llm_loop.trainer.settings import DataSettings, Settings


def settings(task: Task = Task.SEGMENTATION, **data: object) -> Settings:
    given = {"source": DataSource.XRAY, "image_size": 32, "train_images": 12, "val_images": 8} | data
    return Settings(task=task, data=DataSettings(**given)).resolved()


def test_a_picture_is_the_same_on_every_machine_and_in_every_set() -> None:
    digest = hashlib.sha256()
    for index in range(20):
        for part in xray.draw(3, index, 64):
            digest.update(part.tobytes())
    assert digest.hexdigest()[:16] == "cb7be3160c175f5d"
    few, many = load_data(settings(train_images=4)), load_data(settings())
    assert np.array_equal(few.train.images, many.train.images[:4])
    assert few.data_hash != many.data_hash
    assert load_data(settings()).data_hash == many.data_hash


def test_no_picture_is_trained_on_and_validated_on() -> None:
    data = load_data(settings(train_images=40, val_images=40))
    assert len(np.unique(np.concatenate([data.train.images, data.val.images]), axis=0)) == 80
    assert set(data.train.keys).isdisjoint(data.val.keys)
    other = load_data(settings(train_images=40, val_images=40, split_seed=1))
    assert not {image.tobytes() for image in data.val.images} & {image.tobytes() for image in other.train.images}


@pytest.mark.parametrize("size", [32, 64, 256])
def test_the_mask_is_the_dark_line(size: int) -> None:
    drawn = [xray.draw(0, index, size) for index in range(60)]
    present = [mask.any() for _, mask in drawn]
    assert 0.65 <= np.mean(present) <= 0.95
    assert 0.002 <= np.mean([mask.mean() for _, mask in drawn]) <= 0.012
    for image, mask in drawn:
        assert set(np.unique(mask)) <= {0, 1} and image.dtype == np.uint8
    darker = [_around(image, mask) - image[mask == 1].mean() for image, mask in drawn if mask.any()]
    assert np.mean(np.array(darker) > 0) > 0.9


def _around(image: np.ndarray, mask: np.ndarray) -> float:
    rows, columns = np.nonzero(mask)
    inside = np.zeros_like(mask, dtype=bool)
    inside[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = True
    outside = inside & (mask == 0)
    return float(image[outside].mean()) if outside.any() else float(image.mean())


def test_nothing_but_the_crack_tells_whether_there_is_one() -> None:
    drawn = [xray.draw(1, index, 32) for index in range(400)]
    present = np.array([mask.any() for _, mask in drawn])
    for tell in (lambda image: image.mean(), lambda image: image.std(), lambda image: image[:6, :6].mean()):
        values = np.array([tell(image) for image, _ in drawn])
        wins = (values[present][:, None] > values[~present][None]).mean()
        assert 0.4 <= wins <= 0.6


def test_the_tasks_share_the_pictures() -> None:
    masks, classes = load_data(settings()), load_data(settings(Task.CLASSIFICATION))
    assert masks.classes == ("background", "positive") and classes.classes == ("negative", "positive")
    assert np.array_equal(masks.train.labels, classes.train.labels)
    assert np.array_equal(masks.train.labels, masks.train.masks.any(axis=(1, 2)))
    few = load_few(settings(), 3)
    assert len(few.train) == 3 and len(few.val) == 0 and few.classes == masks.classes
