"""The sealed test rows that belong to a training's data: found and checked first, opened once, read as rows to score.

Until the opening is recorded files are counted and hashed at most: no picture is decoded and no label is looked at.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from llm_loop.contract.sealed import DATASET, MANIFEST, Opening, PreparedData, manifest_hash, record_opening
from llm_loop.errors import CorruptFileError
from llm_loop.trainer.choices import DataSource
from llm_loop.trainer.failures import DataError
from llm_loop.trainer.images.digits import read_whole, shaped, split
from llm_loop.trainer.images.home import expanded
from llm_loop.trainer.images.image_set import Dataset, ImageSet, content_hash
from llm_loop.trainer.images.manifest import pair_of, table_of
from llm_loop.trainer.images.pairs import read_pairs
from llm_loop.trainer.images.splits import Rows
from llm_loop.trainer.prepare.opening import load_sealed_rows
from llm_loop.trainer.settings import Settings

DIGITS = "digits (scikit-learn)"
"""The name under which the record holds openings of the digits; no data set on disk can have it."""
_SCHEME = "sha256:"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedImages:
    """Hold the sealed images with their truth, names of those that could not be read, and the opening."""

    images: ImageSet
    skipped: tuple[str, ...]
    opening: Opening


class SealedSet(ABC):
    """The sealed rows of one data set. ``rows_sha256`` is their hash as the record of openings holds it."""

    rows_sha256: str

    @abstractmethod
    def expect_whole(self) -> None:
        """Raise DataError unless all rows are there, as they were sealed."""

    @abstractmethod
    def open(self, data: Dataset, *, why: str, run: str) -> OpenedImages:
        """Record the opening, once for this reason, then read the rows for a training on ``data``.

        Raises OpenedBeforeError, FileWriteError: nothing was opened then; DataError where a row cannot be scored.
        """


def sealed_set_of(settings: Settings, sealed_hash: str | None, sealed_root: Path) -> SealedSet:
    """Return the rows that were sealed with a training's data. Raises DataError where there are none, or others.

    ``sealed_hash`` is what the training's result told of them, None for none.
    """
    if sealed_hash is None:
        raise DataError(
            f"no test rows were sealed with data.source {settings.data.source} of this training; "
            "`llm-loop data prepare` seals some"
        )
    if settings.data.source is DataSource.DIGITS:
        return _Digits(settings, sealed_hash, sealed_root)
    if settings.data.source is DataSource.MANIFEST:
        return _Prepared(settings, sealed_hash, sealed_root)
    raise DataError(f"data.source {settings.data.source}: this trainer knows no sealed rows of such data")


class _Digits(SealedSet):
    """Scikit-learn's digits, sealed by rule alone: they lie in the file that holds the others, too."""

    def __init__(self, settings: Settings, sealed_hash: str, sealed_root: Path) -> None:
        self._settings, self._hash, self._root = settings, sealed_hash, sealed_root
        self.rows_sha256 = sealed_hash.removeprefix(_SCHEME)

    def expect_whole(self) -> None:
        pixels, labels = read_whole()
        rows = split(labels)[2]
        if content_hash(pixels[rows], labels[rows], rows) != self._hash:
            raise DataError("the digits of scikit-learn are not those whose test rows were sealed by rule")

    def open(self, data: Dataset, *, why: str, run: str) -> OpenedImages:
        opening = record_opening(
            self._root,
            name=DIGITS,
            why=why,
            run=run,
            now=datetime.now(UTC),
            content_sha256=self.rows_sha256,
            once=True,
        )
        pixels, labels = read_whole()
        rows = split(labels)[2]
        images = ImageSet(images=shaped(pixels[rows], self._settings.data), labels=labels[rows])
        return OpenedImages(images=images, skipped=(), opening=opening)


class _Prepared(SealedSet):
    """Rows that `llm-loop data prepare` sealed, in ``sealed_root``/NAME."""

    def __init__(self, settings: Settings, sealed_hash: str, sealed_root: Path) -> None:
        data = settings.data
        manifest = expanded(data.root or "", "data.root") / expanded(data.manifest or MANIFEST, "data.manifest")
        self._in_sight, self._dataset = manifest, manifest.parent
        self._told = _read(self._dataset / DATASET)
        if self._told.sealed.manifest_sha256 != sealed_hash:
            raise DataError(f"{self._dataset / DATASET}: it tells of other sealed rows than the training's result")
        self._settings, self._root = settings, sealed_root
        self._folder = sealed_root / self._told.name
        self.rows_sha256 = sealed_hash
        if not (self._folder / MANIFEST).is_file():
            raise DataError(f"{self._folder / MANIFEST}: the sealed rows are not there; look at sealed_root")
        if manifest_hash(self._folder / MANIFEST) != sealed_hash:
            raise DataError(f"{self._folder / MANIFEST}: these are not the rows that were sealed with {self._dataset}")

    def expect_whole(self) -> None:
        path = self._folder / MANIFEST
        rows = list(table_of(path, ("image", "split")))
        if not rows or len(rows) != self._told.sealed.rows:
            raise DataError(f"{path}: {len(rows)} rows, where {self._told.sealed.rows} were sealed")
        in_sight = self._hashes_in_sight()
        root = self._folder.resolve()
        for number, cells in rows:
            subject = f"{path}, row {number}"
            if cells["split"] != "test":
                raise DataError(f"{subject}: it is no test row")
            pair = pair_of(cells, subject, root, with_mask=self._settings.task.has_masks)
            if pair.sha256 != (found := _hash(pair.image)):
                raise DataError(f"{subject}: {pair.image} is not the file that was sealed")
            if found in in_sight:
                raise DataError(f"{subject}: {self._in_sight} has the same picture: it is no test of what was seen")
            if pair.mask is not None and not pair.mask.stat().st_size:
                raise DataError(f"{subject}: the mask {pair.mask} is empty")

    def _hashes_in_sight(self) -> set[str]:
        """Return the hashes of the pictures that were trained and validated on."""
        root = self._in_sight.parent.resolve()
        rows = table_of(self._in_sight, ("image", "split"))
        named = (pair_of(cells, f"{self._in_sight}, row {number}", root, with_mask=False) for number, cells in rows)
        return {_hash(pair.image) for pair in named}

    def open(self, data: Dataset, *, why: str, run: str) -> OpenedImages:
        opened = load_sealed_rows(self._root, self._told.name, why=why, run=run, dataset=self._dataset, once=True)
        has_masks, root = self._settings.task.has_masks, self._folder.resolve()
        rows = [{name: (value or "").strip() for name, value in row.items() if name} for row in opened.rows]
        subjects = [f"{self._folder / MANIFEST}, row {number}" for number in range(2, len(rows) + 2)]
        pairs = [pair_of(row, where, root, with_mask=has_masks) for row, where in zip(rows, subjects, strict=True)]
        read = read_pairs(pairs, self._settings.data, with_masks=has_masks)
        if not len(read.kept):
            raise DataError(f"{self._folder / MANIFEST}: none of its {len(rows)} images can be read")
        labels = read.presence if has_masks else _labels([rows[one]["label"] for one in read.kept], data.classes)
        keys = [pairs[one].key for one in read.kept]
        images = read.part(np.arange(len(read.kept)), labels, keys)
        return OpenedImages(images=images, skipped=read.skipped, opening=opened.opening)


def _labels(names: list[str], classes: tuple[str, ...]) -> Rows:
    """Return the class numbers of labels, as the training has them. Raises DataError for a class that it had not."""
    foreign = sorted(set(names) - set(classes))
    if foreign:
        raise DataError(f"the sealed rows have the label {foreign[0]!r}, on which nothing was trained")
    return np.array([classes.index(name) for name in names], dtype=np.int64)


def _read(path: Path) -> PreparedData:
    try:
        return PreparedData.read(path)
    except (OSError, CorruptFileError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


def _hash(path: Path) -> str:
    """Return the SHA-256 of a file. Raises DataError for one that cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
