"""A folder of images, one sub-folder a class: ``root/class/*.png`` (also .jpg and .jpeg).

Images are read into memory once, resized to a square. A file that cannot be read is skipped and
named; test images do not belong in this folder, since every image in it is trained or validated on.
"""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from llm_loop.trainer.failures import DataError
from llm_loop.trainer.image_set import Dataset, ImageSet, Pixels, content_hash
from llm_loop.trainer.settings import DataSettings
from llm_loop.trainer.splits import Rows, draw, draw_in_proportion

SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})
# What Pillow and its decoders raise for broken files, beside the OSError that it documents.
_UNREADABLE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


def load_image_folder(settings: DataSettings) -> Dataset:
    """Read ``settings.root`` and split it by ``val_fraction`` and ``split_seed``.

    Raises DataError, in one line, when the folder is missing, unreadable or holds too little.
    """
    root = Path(settings.root or "").expanduser()
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
        warnings=tuple(_warnings(classes, labels, found)),
    )


def list_images(root: Path) -> list[tuple[str, Path]]:
    """Return (class, path) of every image file, sorted by name. Raises DataError when there is none."""
    try:
        folders = sorted((p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")), key=lambda p: p.name)
        found = [(folder.name, path) for folder in folders for path in _image_files(folder)]
    except OSError as error:
        raise DataError(f"{error.filename or root}: cannot be read as a folder: {error.strerror or error}") from error
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


def read_image(data: bytes, size: int, channels: int) -> Pixels:
    """Decode one file into (channels, size, size), upright, 8 bits a channel.

    16-bit grey images are brought to 8 bits by their high byte: Pillow alone would clip them white.
    """
    with Image.open(io.BytesIO(data)) as opened:
        opened.load()
        image = ImageOps.exif_transpose(opened)
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image).astype(np.int64).clip(0, 65535) >> 8).astype(np.uint8))
    image = image.convert("L" if channels == 1 else "RGB").resize((size, size), Image.Resampling.BILINEAR)
    pixels = np.asarray(image, dtype=np.uint8)
    return pixels[None] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _image_files(folder: Path) -> list[Path]:
    files = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file()]
    return sorted(files, key=lambda path: path.name)


def _read_all(
    root: Path, found: list[tuple[str, Path]], settings: DataSettings
) -> tuple[Pixels, list[str], list[tuple[str, Path]], list[str]]:
    """Return (images, content hashes, kept, skipped) with one entry of the first three a readable file."""
    images, digests, kept, skipped = [], [], [], []
    for name, path in found:
        try:
            data = path.read_bytes()
            images.append(read_image(data, settings.image_size or 64, settings.channels))
        except _UNREADABLE as error:
            skipped.append(f"{path.relative_to(root).as_posix()} ({_reason(error)})")
            continue
        digests.append(content_hash(data))
        kept.append((name, path))
    return np.stack(images) if images else np.empty(0, np.uint8), digests, kept, skipped


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):  # its own words name an object in memory
        return "no image in a known format"
    return (" ".join(str(error).split()) or type(error).__name__)[:120]


def _warnings(classes: tuple[str, ...], labels: Rows, found: list[tuple[str, Path]]) -> list[str]:
    counts = np.bincount(labels)
    lonely = [name for name, count in zip(classes, counts, strict=True) if count == 1]
    gone = sorted({name for name, _ in found} - set(classes))
    lines = [f"class {name} has one image: it is trained on but not validated" for name in lonely]
    return lines + [f"class {name} has no readable image: it is left out" for name in gone]
