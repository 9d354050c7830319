"""A folder of images, one sub-folder a class: ``root/class/*.png`` (also .jpg and .jpeg).

Images are read into memory once, resized to a square. A file that cannot be read is skipped and
named; test images do not belong in this folder, since every image in it is trained or validated on.
"""

from __future__ import annotations

from itertools import groupby, islice
from pathlib import Path

import numpy as np

from llm_loop.trainer.failures import DataError, is_of_host_memory
from llm_loop.trainer.images.decode import SUFFIXES, UNREADABLE, decode_image, reason_of
from llm_loop.trainer.images.home import expanded
from llm_loop.trainer.images.image_set import Dataset, ImageSet, Pixels, content_hash
from llm_loop.trainer.images.sealed_folder import expect_unsealed
from llm_loop.trainer.images.splits import Rows, draw, draw_in_proportion, told_leaks
from llm_loop.trainer.settings import DataSettings

_OF_A_CLASS = 2


def load_image_folder(settings: DataSettings) -> Dataset:
    """Read ``settings.root`` and split it by ``val_fraction`` and ``split_seed``.

    Raises DataError, in one line, when the folder is missing, unreadable or holds too little.
    """
    root = expanded(settings.root or "", "data.root")
    found = list_images(root)
    images, digests, kept, skipped = _read_all(root, found, settings)
    classes = tuple(sorted({name for name, _ in kept}))
    if not kept:
        raise DataError(f"{root}: none of its {len(found)} images can be read; the first: {skipped[0]}")
    if len(classes) < 2:
        raise DataError(f"{root}: at least two classes with readable images are wanted, found {', '.join(classes)}")
    labels = np.array([classes.index(name) for name, _ in kept], dtype=np.int64)
    keys = [f"{name}/{path.name}" for name, path in kept]
    train, val = split(labels, keys, settings)
    if len(val) == 0 or len(train) < 2:
        raise DataError(f"{root}: no class has two readable images, so nothing is left to validate on")
    return Dataset(
        train=ImageSet(images=images[train], labels=labels[train]),
        val=ImageSet(images=images[val], labels=labels[val]),
        classes=classes,
        data_hash=content_hash(*("\n".join(f"{keys[row]} {digests[row]}" for row in rows) for rows in (train, val))),
        skipped=tuple(skipped),
        warnings=(*_warnings(classes, labels, found), *told_leaks(keys, digests, train, val)),
    )


def load_few(settings: DataSettings, most: int) -> Dataset:
    """Return at most ``most`` training images of the folder, two of a class, and no validation images.

    Two classes, one of them with two images, are all that ``load_image_folder`` asks for. Where so few are not to be
    found, it says why, or returns what there is. Every class with an image file counts as one.
    """
    found = list_images(expanded(settings.root or "", "data.root"))
    classes = tuple(sorted({name for name, _ in found}))
    pixels: list[Pixels] = []
    labels: list[int] = []
    for number, (_, of_class) in enumerate(groupby(found, key=lambda one: one[0])):
        read = (_read(path, settings) for _, path in of_class)
        images = [one[1] for one in islice((one for one in read if not isinstance(one, str)), _OF_A_CLASS)]
        pixels += images
        labels += [number] * len(images)
        if len(labels) >= most and 1 < len(set(labels)) < len(labels):
            few = ImageSet(images=np.stack(pixels[:most]), labels=np.array(labels[:most], dtype=np.int64))
            none = ImageSet(images=few.images[:0], labels=few.labels[:0])
            return Dataset(train=few, val=none, classes=classes, data_hash="")
    return load_image_folder(settings)


def list_images(root: Path) -> list[tuple[str, Path]]:
    """Return (class, path) of every image file, sorted by name. Raises DataError when there is none."""
    try:
        folders = sorted((p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")), key=lambda p: p.name)
        found = [(folder.name, path) for folder in folders for path in _image_files(folder)]
    except OSError as error:
        raise DataError(f"{error.filename or root}: cannot be read as a folder: {error.strerror or error}") from error
    for folder in folders:
        expect_unsealed(folder)
    if not found:
        raise DataError(f"{root}: no images; root/class/*.png (or .jpg, .jpeg) is wanted")
    return found


def split(labels: Rows, keys: list[str], settings: DataSettings) -> tuple[Rows, Rows]:
    """Return (train, validation) rows, class by class.

    A class with one image stays in training; every other class has at least one image on each side.
    ``train_images`` then keeps a stratified part of the training rows.
    """
    sizes = []
    for count in np.bincount(labels).tolist():
        sizes.append(0 if count < 2 else min(max(1, round(settings.val_fraction * count)), count - 1))
    val, train = draw(np.arange(len(labels)), labels, keys, sizes, f"validation {settings.split_seed}")
    wanted = settings.train_images or len(train)
    if wanted < len(train):
        train, _ = draw_in_proportion(train, labels, keys, wanted, f"subset {settings.split_seed}")
    return train, val


def _image_files(folder: Path) -> list[Path]:
    files = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file()]
    return sorted(files, key=lambda path: path.name)


def _read_all(
    root: Path, found: list[tuple[str, Path]], settings: DataSettings
) -> tuple[Pixels, list[str], list[tuple[str, Path]], list[str]]:
    """Return (images, content hashes, kept, skipped) with one entry of the first three a readable file."""
    images, digests, kept, skipped = [], [], [], []
    for name, path in found:
        read = _read(path, settings)
        if isinstance(read, str):
            skipped.append(f"{path.relative_to(root).as_posix()} ({read})")
            continue
        images.append(read[1])
        digests.append(content_hash(read[0]))
        kept.append((name, path))
    return np.stack(images) if images else np.empty(0, np.uint8), digests, kept, skipped


def _read(path: Path, settings: DataSettings) -> tuple[bytes, Pixels] | str:
    """Return a file and its image, or why it cannot be read."""
    try:
        data = path.read_bytes()
        return data, decode_image(data, settings.image_size or 64, settings.channels, settings.resize).pixels
    except UNREADABLE as error:
        if is_of_host_memory(error):  # the file may be whole
            raise
        return reason_of(error)


def _warnings(classes: tuple[str, ...], labels: Rows, found: list[tuple[str, Path]]) -> list[str]:
    counts = np.bincount(labels)
    lonely = [name for name, count in zip(classes, counts, strict=True) if count == 1]
    gone = sorted({name for name, _ in found} - set(classes))
    lines = [f"class {name} has one image: it is trained on but not validated" for name in lonely]
    return lines + [f"class {name} has no readable image: it is left out" for name in gone]
