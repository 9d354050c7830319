"""A folder of images and masks: ``root/images/*.png`` and ``root/masks/*.png`` of the same names."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from llm_loop.trainer.choices import Task
from llm_loop.trainer.failures import DataError
from llm_loop.trainer.images.decode import SUFFIXES
from llm_loop.trainer.images.home import expanded
from llm_loop.trainer.images.image_folder import split
from llm_loop.trainer.images.image_set import Dataset, content_hash
from llm_loop.trainer.images.pairs import Pair, read_pairs
from llm_loop.trainer.images.pixel_classes import expect_both, names_of
from llm_loop.trainer.images.sealed_folder import expect_unsealed
from llm_loop.trainer.images.splits import told_leaks
from llm_loop.trainer.settings import DataSettings

IMAGES, MASKS = "images", "masks"


def load_mask_folder(settings: DataSettings, task: Task) -> Dataset:
    """Read ``settings.root`` and split it by ``val_fraction`` and ``split_seed``, positive images and others apart.

    Raises DataError, in one line, for a folder that is missing, a partner that is missing, or too little.
    """
    root = expanded(settings.root or "", "data.root")
    pairs = list_pairs(root)
    read = read_pairs(pairs, settings, with_masks=True)
    if not len(read.kept):
        raise DataError(f"{root}: none of its {len(pairs)} images can be read; the first: {read.skipped[0]}")
    keys = [pairs[number].key for number in read.kept]
    labels = read.presence
    train, val = split(labels, keys, settings)
    skipped = read.skipped
    broken = f" ({len(skipped)} broken image(s) left out; the first: {skipped[0]})" if skipped else ""
    expect_both(labels[train], labels[val], str(root), broken)
    sides = ("\n".join(f"{keys[row]} {read.digests[row]}" for row in rows) for rows in (train, val))
    return Dataset(
        train=read.part(train, labels, keys),
        val=read.part(val, labels, keys),
        classes=names_of(settings, task),
        data_hash=content_hash(*sides),
        skipped=read.skipped,
        warnings=told_leaks(keys, [one.split()[0] for one in read.digests], train, val),
    )


def list_pairs(root: Path) -> list[Pair]:
    """Return every image with its mask, by name. Raises DataError for one without the other."""
    images, masks = _files(root / IMAGES), _files(root / MASKS)
    expect_unsealed(root / IMAGES)
    for stem, image in images.items():
        if stem not in masks:
            raise DataError(
                f"{image}: there is no mask {root / MASKS / (stem + '.png')}; where nothing is to be marked, a mask of "
                "zeros is wanted"
            )
    for stem, mask in masks.items():
        if stem not in images:
            raise DataError(f"{mask}: there is no image {root / IMAGES / stem}.* for this mask")
    return [Pair(key=stem, subject=str(image), image=image, mask=masks[stem]) for stem, image in images.items()]


def _files(folder: Path) -> dict[str, Path]:
    """Return the image files of a folder by their names without suffix, sorted."""
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    except OSError as error:
        raise DataError(f"{folder}: cannot be read as a folder: {error.strerror or error}") from error
    if not found:
        raise DataError(f"{folder}: no images (.png, .jpg or .jpeg)")
    by_stem: dict[str, Path] = {}
    for path in found:
        if path.stem in by_stem:
            raise DataError(f"{path}: {by_stem[path.stem].name} has the same name; one of the two has to go")
        by_stem[path.stem] = path
    return by_stem


def few(settings: DataSettings, task: Task, most: int) -> Dataset:
    """Return at most ``most`` images to train on, none to validate on; every partner was looked for."""
    pairs = list_pairs(expanded(settings.root or "", "data.root"))
    read = read_pairs(pairs[: 4 * most], settings, with_masks=True)
    rows = np.arange(min(most, len(read.kept)))
    if len(rows) < 2:
        return load_mask_folder(settings, task)
    keys = [pairs[number].key for number in read.kept]
    labels = read.presence
    train = read.part(rows, labels, keys)
    return Dataset(train=train, val=read.part(rows[:0], labels, keys), classes=names_of(settings, task), data_hash="")
