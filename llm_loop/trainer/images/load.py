"""The images that settings name, from wherever they come."""

from __future__ import annotations

import numpy as np

from llm_loop.trainer.choices import DataSource, Task
from llm_loop.trainer.images import image_folder, manifest, mask_folder, xray
from llm_loop.trainer.images.digits import load_digits
from llm_loop.trainer.images.image_set import Dataset, ImageSet, content_hash
from llm_loop.trainer.images.pairs import presence_in
from llm_loop.trainer.images.pixel_classes import names_of
from llm_loop.trainer.settings import DataSettings, Settings


def load_data(settings: Settings) -> Dataset:
    """Return the images to train and to validate on. Raises DataError."""
    data, task = settings.data, settings.task
    match data.source:
        case DataSource.DIGITS:
            return load_digits(data)
        case DataSource.IMAGE_FOLDER:
            return image_folder.load_image_folder(data)
        case DataSource.MASK_FOLDER:
            return mask_folder.load_mask_folder(data, task)
        case DataSource.MANIFEST:
            return manifest.load_manifest(data, task)
        case DataSource.XRAY:
            return _generated(data, task, data.train_images or 0, data.val_images or 0)


def load_few(settings: Settings, most: int) -> Dataset:
    """Return at most ``most`` images to train on, read as a training reads them. Raises DataError where it would."""
    data, task = settings.data, settings.task
    match data.source:
        case DataSource.DIGITS:
            return load_digits(data, most)
        case DataSource.IMAGE_FOLDER:
            return image_folder.load_few(data, most)
        case DataSource.MASK_FOLDER:
            return mask_folder.few(data, task, most)
        case DataSource.MANIFEST:
            return manifest.few(data, task, most)
        case DataSource.XRAY:
            return _generated(data, task, most, 0)


def _generated(data: DataSettings, task: Task, train: int, val: int) -> Dataset:
    """Draw pictures to train on from one seed and those to validate on from the next."""
    sides = [_draw(data, 2 * data.split_seed + side, count) for side, count in enumerate((train, val))]
    parts = (part for side in sides for part in (side.images, side.masks) if part is not None)
    return Dataset(train=sides[0], val=sides[1], classes=names_of(data, task), data_hash=content_hash(*parts))


def _draw(data: DataSettings, seed: int, count: int) -> ImageSet:
    size = data.image_size or 64
    images, masks = np.empty((count, data.channels, size, size), np.uint8), np.empty((count, size, size), np.uint8)
    for index in range(count):
        images[index], masks[index] = xray.draw(seed, index, size)
    keys = tuple(f"xray {seed}/{index}" for index in range(count))
    return ImageSet(images=images, labels=presence_in(masks), masks=masks, keys=keys)
