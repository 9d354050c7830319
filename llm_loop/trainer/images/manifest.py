"""A manifest: a CSV that names images, their masks or labels, and the split of each.

Columns: ``image`` and ``split`` (train or val); ``mask`` for tasks with masks, empty where nothing is marked; ``label``
for classification; ``group``, whose images must not be on both sides; ``sha256`` of the image file. Further columns are
not looked at. Paths are relative to the manifest's folder. Test rows have no place here.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np

from llm_loop.contract.sealed import DATASET, MANIFEST, PreparedData
from llm_loop.errors import ContractError, CorruptFileError
from llm_loop.system import files
from llm_loop.trainer.choices import Task
from llm_loop.trainer.failures import DataError
from llm_loop.trainer.images.home import expanded
from llm_loop.trainer.images.image_set import Dataset, content_hash
from llm_loop.trainer.images.pairs import Pair, ReadPairs, read_pairs
from llm_loop.trainer.images.pixel_classes import expect_both, names_of
from llm_loop.trainer.images.splits import Rows, draw_in_proportion
from llm_loop.trainer.settings import DataSettings

_SPLITS = ("train", "val")
_FEW_ROWS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestRow:
    """Hold one row, checked but for its files' contents."""

    pair: Pair
    split: str
    label: str
    group: str


def load_manifest(settings: DataSettings, task: Task) -> Dataset:
    """Read the images that a manifest names, split as it says; ``train_images`` keeps a stratified part.

    Raises DataError, in one line with file and row, for whatever does not fit.
    """
    path = _path_of(settings)
    rows = read_rows(path, task)
    read = read_pairs([row.pair for row in rows], settings, with_masks=task.has_masks)
    if not len(read.kept):
        raise DataError(f"{path}: none of its {len(rows)} images can be read; the first: {read.skipped[0]}")
    rows = [rows[number] for number in read.kept]
    _expect_no_leak(rows, read)
    classes, labels = _labels(rows, read, settings, task, path)
    keys = [row.pair.key for row in rows]
    train, val = (np.array([i for i, row in enumerate(rows) if row.split == one], dtype=np.int64) for one in _SPLITS)
    wanted = settings.train_images or len(train)
    if wanted < len(train):
        train, _ = draw_in_proportion(train, labels, keys, wanted, f"subset {settings.split_seed}")
    _expect_enough(labels[train], labels[val], classes, task, path, read.skipped)
    sides = (
        "\n".join(f"{keys[row]} {read.digests[row]} {classes[labels[row]]}" for row in side) for side in (train, val)
    )
    return Dataset(
        train=read.part(train, labels, keys),
        val=read.part(val, labels, keys),
        classes=names_of(settings, task) if task.has_masks else classes,
        data_hash=content_hash(*sides),
        sealed=_sealed(path),
        skipped=read.skipped,
    )


def few(settings: DataSettings, task: Task, most: int) -> Dataset:
    """Return at most ``most`` images to train on, none to validate on; some of those were read, every row looked at."""
    path = _path_of(settings)
    rows = read_rows(path, task)
    classes = tuple(sorted({row.label for row in rows}, key=_in_order)) if not task.has_masks else ()
    chosen = [row for row in rows if row.split == "train"][: 4 * most]
    chosen += [row for row in rows if row.split == "val"][:most]
    read = read_pairs([row.pair for row in chosen], settings, with_masks=task.has_masks)
    chosen = [chosen[number] for number in read.kept]
    numbers = np.array([number for number, row in enumerate(chosen) if row.split == "train"][:most], dtype=np.int64)
    if len(numbers) < 2:
        return load_manifest(settings, task)
    labels = read.presence if task.has_masks else np.array([classes.index(row.label) for row in chosen], dtype=np.int64)
    keys = [row.pair.key for row in chosen]
    names = names_of(settings, task) if task.has_masks else classes
    val = read.part(numbers[:0], labels, keys)
    return Dataset(train=read.part(numbers, labels, keys), val=val, classes=names, data_hash="")


def read_rows(path: Path, task: Task) -> list[ManifestRow]:
    """Read a manifest's rows and check them against each other. Raises DataError with the row."""
    table = table_of(path, ("image", "split", "mask" if task.has_masks else "label"))
    root = path.parent.resolve()
    rows: list[ManifestRow] = []
    seen: dict[Path, int] = {}
    sides: dict[str, tuple[str, int]] = {}
    for number, cells in table:
        row = _row(cells, f"{path}, row {number}", root, task)
        if row.pair.image in seen:
            raise DataError(f"{path}, row {number}: {row.pair.key} stands in row {seen[row.pair.image]} too")
        seen[row.pair.image] = number
        side, where = sides.setdefault(row.group or f"\0{number}", (row.split, number))
        if side != row.split:
            raise DataError(
                f"{path}, row {number}: group {row.group} is in {row.split}, but in {side} in row {where}: a leak"
            )
        rows.append(row)
    for one in _SPLITS:
        if not any(row.split == one for row in rows):
            raise DataError(f"{path}: no row of the split {one}")
    _expect_learnable(rows, task, path)
    return rows


def _expect_learnable(rows: Sequence[ManifestRow], task: Task, path: Path) -> None:
    """Raise DataError where the cells alone tell that there is nothing to learn or to score."""
    if task.has_masks:
        for one in _SPLITS:
            if not any(row.pair.mask is not None for row in rows if row.split == one):
                raise DataError(f"{path}: no {one} row names a mask, so nothing can be learned or scored")
        return
    labels = [row.label for row in rows if row.split == "train"]
    found = set(labels)
    if len(found) < 2:
        raise DataError(f"{path}: the train rows have one class only, {labels[0]}; at least two are wanted")
    if len(labels) > _FEW_ROWS and 2 * len(found) > len(labels):
        raise DataError(
            f"{path}: {len(labels)} train rows have {len(found)} labels, such as {labels[0]}; names of classes are "
            "wanted, of at least two rows each, no measurements"
        )


def _row(cells: dict[str, str], subject: str, root: Path, task: Task) -> ManifestRow:
    split, label = cells["split"], cells.get("label", "")
    if split == "test":
        raise DataError(f"{subject}: a test row; test images stay sealed, out of every manifest that a training reads")
    if split not in _SPLITS:
        raise DataError(f"{subject}: split {split!r}; train or val is wanted")
    if not task.has_masks and not label:
        raise DataError(f"{subject}: no label")
    named = cells.get("mask", "") if task.has_masks else ""
    if task.has_masks and label == "1" and not named:
        raise DataError(f"{subject}: label 1, but no mask")
    pair = pair_of(cells, subject, root, with_mask=task.has_masks)
    return ManifestRow(pair=pair, split=split, label=label, group=cells.get("group", ""))


def pair_of(cells: Mapping[str, str], subject: str, root: Path, *, with_mask: bool) -> Pair:
    """Return the files that a row names, both below ``root``. Raises DataError, which opens with ``subject``."""
    named = cells.get("mask", "") if with_mask else ""
    return Pair(
        key=cells["image"],
        subject=subject,
        image=_inside(root, cells["image"], subject, "image"),
        mask=_inside(root, named, subject, "mask") if named else None,
        sha256=cells.get("sha256") or None,
    )


def _inside(root: Path, named: str, subject: str, what: str) -> Path:
    """Return the file that a cell names. Raises DataError unless it is one below ``root``, links followed."""
    if not named:
        raise DataError(f"{subject}: no {what}")
    windows = PureWindowsPath(named)
    if windows.drive or windows.root or PurePosixPath(named).is_absolute() or ".." in windows.parts:
        raise DataError(f"{subject}: the {what} {named} is not below {root}; a path relative to it is wanted")
    path = root / named
    try:
        found = path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        hint = "; write / between folders" if "\\" in named else ""
        raise DataError(f"{subject}: the {what} {_printable(str(path))} is not there{hint}") from error
    if not found.is_relative_to(root):
        raise DataError(f"{subject}: the {what} {named} leads out of {root}, to {found}")
    if not found.is_file():
        raise DataError(f"{subject}: the {what} {path} is no file")
    return found


def _printable(text: str) -> str:
    """Return ``text`` with characters that a terminal cannot show as escapes."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def table_of(path: Path, wanted: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (row number as in a spreadsheet, cells) of a CSV with a header. Raises DataError."""
    try:
        text = files.read_text(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except CorruptFileError as error:
        raise DataError(str(error)) from error
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)  # a name may hold what splitlines parts at
    try:
        names = reader.fieldnames or ()
        for name in names:
            if name and list(names).count(name) > 1:
                raise DataError(f"{path}: two columns are called {name}; one of them has to go")
        missing = [name for name in wanted if name not in names]
        if missing:
            raise DataError(f"{path}: no column {missing[0]}; {', '.join(wanted)} are wanted")
        for number, cells in enumerate(reader, start=2):
            if None in cells or None in cells.values():
                raise DataError(f"{path}, row {number}: not as many cells as the header has")
            yield number, {name: value.strip() for name, value in cells.items()}
    except csv.Error as error:
        raise DataError(f"{path}: not a valid CSV: {error}") from error


def _labels(
    rows: list[ManifestRow], read: ReadPairs, settings: DataSettings, task: Task, path: Path
) -> tuple[tuple[str, ...], Rows]:
    """Return the names of the labels, and the label of each row. Raises DataError where a mask says otherwise."""
    if not task.has_masks:
        classes = tuple(sorted({row.label for row in rows}, key=_in_order))
        return classes, np.array([classes.index(row.label) for row in rows], dtype=np.int64)
    presence = read.presence
    for row, is_there in zip(rows, presence.tolist(), strict=True):
        if row.label == "0" and is_there:
            raise DataError(f"{row.pair.subject}: label 0, but its mask has positive pixels")
        # A mark of a pixel or two may be gone at the size trained on: that is no contradiction.
    return ("0", "1"), presence


def _expect_no_leak(rows: Sequence[ManifestRow], read: ReadPairs) -> None:
    """Raise DataError where the same bytes are an image to train and one to validate on."""
    first: dict[str, ManifestRow] = {}
    for row, digests in zip(rows, read.digests, strict=True):
        other = first.setdefault(digests.split()[0], row)
        if other.split != row.split:
            raise DataError(
                f"{row.pair.subject}: {row.pair.key} ({row.split}) is the same file as {other.pair.key} "
                f"({other.split}): a leak; keep it in one of the two"
            )


def _expect_enough(
    train: Rows, val: Rows, classes: tuple[str, ...], task: Task, path: Path, skipped: Sequence[str]
) -> None:
    broken = f" ({len(skipped)} broken image(s) left out; the first: {skipped[0]})" if skipped else ""
    if task.has_masks:
        expect_both(train, val, str(path), broken)
        return
    for name, labels in zip(_SPLITS, (train, val), strict=True):
        if not len(labels):
            raise DataError(f"{path}: no {name} image can be read{broken}")
    found = sorted({classes[label] for label in train.tolist()})
    if len(found) < 2:
        raise DataError(f"{path}: the train rows have one class only, {found[0]}; at least two are wanted{broken}")


def _in_order(label: str) -> tuple[bool, int, str]:
    """Order numbers by their value, before all other labels."""
    is_number = label.isascii() and label.isdigit() and len(label) < 19
    return (not is_number, int(label) if is_number else 0, label)


def _path_of(settings: DataSettings) -> Path:
    return expanded(settings.root or "", "data.root") / expanded(settings.manifest or MANIFEST, "data.manifest")


def _sealed(path: Path) -> dict[str, int | str | None] | None:
    """Return what the data set that was prepared beside the manifest tells of its test rows."""
    try:
        prepared = PreparedData.read(path.with_name(DATASET))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ContractError, CorruptFileError) as error:
        raise DataError(f"{path.with_name(DATASET)}: cannot be read: {error}") from error
    return {"count": prepared.sealed.rows, "hash": prepared.sealed.manifest_sha256}
