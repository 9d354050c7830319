"""Images and labels in memory, split for training and validation."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_loop.trainer.images.splits import Rows

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSet:
    """Hold images (n, channels, height, width; 0 to 255) and their class numbers (n).

    ``masks`` (n, height, width) hold the class of each pixel, 0 the background; a label then tells whether there is
    anything else in the mask (1) or not (0). ``keys`` name the images, for people and for who scores them anew.
    """

    images: Pixels
    labels: Rows
    masks: Pixels | None = None
    keys: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Hold what a training may see: training and validation images, never a test image.

    ``sealed`` tells of the rows that were left out (count and hash), or is None. ``skipped`` names
    files that could not be read, with the reason; ``warnings`` are sentences for the log.
    """

    train: ImageSet
    val: ImageSet
    classes: tuple[str, ...]
    data_hash: str
    sealed: dict[str, Any] | None = None
    skipped: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())

    def summary(self) -> dict[str, Any]:
        """Return the facts for ``environment.json``."""
        return {
            "classes": list(self.classes),
            "train_images": len(self.train),
            "val_images": len(self.val),
            "sealed_test": self.sealed,
            "skipped_images": len(self.skipped),
            "skipped": list(self.skipped[:1000]),
            "data_hash": self.data_hash,
        }


def content_hash(*parts: bytes | NDArray[Any] | str) -> str:
    """Return the SHA-256 over ``parts``, each preceded by its length, as "sha256:..." text."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part if isinstance(part, bytes) else part.tobytes()
        digest.update(len(data).to_bytes(8, "little") + data)
    return f"sha256:{digest.hexdigest()}"
