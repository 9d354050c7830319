"""Read images, with their masks where there are any, into arrays that are made once."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from llm_loop.trainer.failures import DataError, is_of_host_memory
from llm_loop.trainer.images.decode import UNREADABLE, Decoded, MaskError, decode_image, decode_mask, reason_of
from llm_loop.trainer.images.image_set import ImageSet, Pixels
from llm_loop.trainer.images.splits import Rows
from llm_loop.trainer.settings import DataSettings

_TOLD_EVERY_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Name an image and its mask.

    ``key`` names it for people, ``subject`` opens an error line, such as "manifest.csv, row 12". ``mask`` None: nothing
    is marked in it. ``sha256`` is what the image's bytes have to hash to, None where nobody said.
    """

    key: str
    subject: str
    image: Path
    mask: Path | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPairs:
    """Hold what could be read: the rows ``kept`` of the pairs given, a digest of each, and why others were not."""

    images: Pixels
    masks: Pixels | None
    kept: Rows
    digests: tuple[str, ...]
    skipped: tuple[str, ...]

    @property
    def presence(self) -> Rows:
        """Return by image whether anything is marked in its mask."""
        assert self.masks is not None
        return presence_in(self.masks)

    def part(self, rows: Rows, labels: Rows, keys: Sequence[str]) -> ImageSet:
        """Return the images of ``rows`` (numbers among those kept); ``labels`` and ``keys`` go by those, too."""
        masks = None if self.masks is None else self.masks[rows]
        return ImageSet(
            images=self.images[rows], labels=labels[rows], masks=masks, keys=tuple(keys[row] for row in rows)
        )


def presence_in(masks: Pixels) -> Rows:
    """Return for each of ``masks`` (n, height, width) whether anything is marked in it: 1 or 0."""
    return np.array([int(mask.any()) for mask in masks], dtype=np.int64)


def read_pairs(pairs: Sequence[Pair], settings: DataSettings, *, with_masks: bool) -> ReadPairs:
    """Read every pair; a file that is broken is left out with its partner, and named.

    Raises DataError for a pair that does not fit together, or for a file that has changed.
    """
    size, channels = settings.image_size or 64, settings.channels
    images = np.empty((len(pairs), channels, size, size), np.uint8)
    masks = np.empty((len(pairs), size, size), np.uint8) if with_masks else None
    kept: list[int] = []
    digests, skipped = [], []
    told_s = time.monotonic()
    for number, pair in enumerate(pairs):
        try:
            digest, image, mask = _read(pair, settings, with_masks=with_masks)
        except UNREADABLE as error:
            if is_of_host_memory(error):  # the file may be whole
                raise
            skipped.append(f"{pair.key} ({reason_of(error)})")
            continue
        images[len(kept)] = image
        if masks is not None:
            masks[len(kept)] = mask
        kept.append(number)
        digests.append(digest)
        if time.monotonic() - told_s >= _TOLD_EVERY_S:
            told_s = time.monotonic()
            print(f"read {number + 1:,} of {len(pairs):,} images", file=sys.stderr, flush=True)
    return ReadPairs(
        images=images[: len(kept)],
        masks=None if masks is None else masks[: len(kept)],
        kept=np.array(kept, dtype=np.int64),
        digests=tuple(digests),
        skipped=tuple(skipped),
    )


def _read(pair: Pair, settings: DataSettings, *, with_masks: bool) -> tuple[str, Pixels, Pixels | int]:
    data = pair.image.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if pair.sha256 not in (None, digest):
        raise DataError(f"{pair.subject}: {pair.image} has changed since its sha256 was written; prepare the data anew")
    size = settings.image_size or 64
    image = decode_image(data, size, settings.channels, settings.resize)
    if not with_masks or pair.mask is None:
        return digest, image.pixels, 0
    data = pair.mask.read_bytes()
    try:
        mask = decode_mask(data, size, settings.mask_classes, settings.resize)
    except MaskError as error:
        raise DataError(f"{pair.subject}: the mask {pair.mask}: {error}") from error
    except UNREADABLE as error:
        if is_of_host_memory(error):
            raise
        raise ValueError(f"its mask {pair.mask.name}: {reason_of(error)}") from error  # left out, as a broken image is
    _expect_same_size(pair, image, mask)
    return f"{digest} {hashlib.sha256(data).hexdigest()}", image.pixels, mask.pixels


def _expect_same_size(pair: Pair, image: Decoded, mask: Decoded) -> None:
    if (image.width, image.height) != (mask.width, mask.height):
        raise DataError(
            f"{pair.subject}: {pair.image} is {image.width} x {image.height} pixels (upright), its mask {pair.mask} "
            f"{mask.width} x {mask.height}; both have to be the same"
        )
