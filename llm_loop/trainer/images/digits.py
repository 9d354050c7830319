"""scikit-learn's bundled handwritten digits: 1,797 images of 8 x 8 pixels, 10 classes.

By rule 300 are for training, 540 for validation and 957 are sealed as a test set: the split is
fixed, and no data set made here holds a sealed image. Origin: the test part of "Optical Recognition of
Handwritten Digits" (Alpaydin and Kaynak, UCI, 1998), as shipped with scikit-learn.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
from PIL import Image

from llm_loop.trainer.failures import DataError
from llm_loop.trainer.images.image_set import Dataset, ImageSet, Pixels, content_hash
from llm_loop.trainer.images.splits import Rows, draw_in_proportion
from llm_loop.trainer.settings import DataSettings

TRAIN, VALIDATION, SEALED = 300, 540, 957
_SALT = "llm_loop digits, split 1"
_FULL_SCALE = 16


def load_digits(settings: DataSettings, most: int | None = None) -> Dataset:
    """Return ``train_images`` of the 300 training images and all validation images; of each at most ``most``.

    Raises DataError when scikit-learn, which carries the file, is missing.
    """
    pixels, labels = read_whole()
    train, val, sealed = split(labels, settings.train_images or TRAIN)
    train, val = train[:most], val[:most]
    return Dataset(
        train=ImageSet(images=shaped(pixels[train], settings), labels=labels[train]),
        val=ImageSet(images=shaped(pixels[val], settings), labels=labels[val]),
        classes=tuple(str(digit) for digit in range(10)),
        data_hash=content_hash(pixels[train], labels[train], train, pixels[val], labels[val], val, sealed),
        sealed={"count": len(sealed), "hash": content_hash(pixels[sealed], labels[sealed], sealed)},
    )


def split(labels: Rows, train_images: int = TRAIN) -> tuple[Rows, Rows, Rows]:
    """Return the row numbers of (train, validation, sealed); fewer training rows leave the other two as they are."""
    keys = [str(row) for row in range(len(labels))]
    val, rest = draw_in_proportion(np.arange(len(labels)), labels, keys, VALIDATION, f"{_SALT}, validation")
    pool, sealed = draw_in_proportion(rest, labels, keys, TRAIN, f"{_SALT}, train")
    train, _ = draw_in_proportion(pool, labels, keys, train_images, f"{_SALT}, subset")
    return train, val, sealed


def read_whole() -> tuple[Pixels, Rows]:
    """Return the pixels (1797, 8, 8; 0 to 255) and labels of all rows, the sealed ones too. Raises DataError."""
    table = _read_table()
    pixels = np.rint(table[:, :-1] * (255 / _FULL_SCALE)).astype(np.uint8).reshape(-1, 8, 8)
    return pixels, table[:, -1].astype(np.int64)


def _read_table() -> Pixels:
    """Read the file itself: importing scikit-learn would cost two seconds a run."""
    spec = importlib.util.find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise DataError("data.source digits: scikit-learn is not installed; its bundled digits are the data")
    path = Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz"
    try:
        table: Pixels = np.loadtxt(path, delimiter=",", dtype=np.uint8)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: the digits cannot be read: {error}") from error
    if table.shape != (TRAIN + VALIDATION + SEALED, 65):
        raise DataError(f"{path}: 1797 rows of 65 numbers are wanted, it has the shape {table.shape}")
    return table


def shaped(pixels: Pixels, settings: DataSettings) -> Pixels:
    """Turn (n, 8, 8) into (n, channels, image_size, image_size)."""
    size = settings.image_size or 8
    if size != 8:
        resized = [Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR) for image in pixels]
        pixels = np.stack([np.asarray(image, dtype=np.uint8) for image in resized])
    return np.repeat(pixels[:, None], settings.channels, axis=1)
