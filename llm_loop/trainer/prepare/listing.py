"""List the pictures of a data set as a training would see them: a manifest, images and masks, or folders of classes."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path

from llm_loop.contract.sealed import DATASET, MANIFEST, PreparedData
from llm_loop.errors import CorruptFileError, LoopError
from llm_loop.system import files
from llm_loop.trainer.failures import DataError
from llm_loop.trainer.prepare.source import SUFFIXES
from llm_loop.trainer.prepare.splitting import TEST, TRAIN, VAL
from llm_loop.trainer.prepare.writing import FLAGS

_TEST_NAMES = {"test", "testing", "test_images", "holdout", "sealed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Hold one picture. ``where`` names its row or file for messages; what is not told is None."""

    where: str
    path: Path
    mask: Path | None = None
    label: str | None = None
    split: str | None = None
    group: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Hold a data set's rows; ``errors`` are lines on what no training may meet. ``flags`` are by image name."""

    kind: str
    root: Path
    rows: list[Row] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    flags: dict[Path, dict[str, str]] = field(default_factory=dict)
    prepared: PreparedData | None = None


def list_pictures(place: Path) -> Listing:
    """Return the pictures of a manifest, or of a folder. Raises DataError where there is neither."""
    place = place.expanduser()
    if place.is_file():
        return _of_manifest(place)
    if not place.is_dir():
        raise DataError(f"{place}: no such file or folder; name a manifest.csv, or a folder of images")
    if (place / MANIFEST).is_file():
        return _of_manifest(place / MANIFEST)
    try:
        has_masks = (place / "images").is_dir() and (place / "masks").is_dir()
        listing = _of_masks(place) if has_masks else _of_classes(place)
    except OSError as error:
        raise DataError(f"{error.filename or place}: cannot be read: {error.strerror or error}") from error
    if not listing.rows:
        raise DataError(f"{place}: no images; a {MANIFEST}, images/ and masks/, or one folder a class is wanted")
    return listing


def _of_manifest(path: Path) -> Listing:
    try:
        reader = csv.DictReader(io.StringIO(files.read_text(path), newline=""), restval="")
        records = [(reader.line_num, record) for record in reader]
    except (OSError, CorruptFileError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    missing = {"image", "split"} - set(reader.fieldnames or [])
    if missing:
        raise DataError(f"{path}, line 1: no column {', '.join(sorted(missing))}; image and split are wanted")
    twice = sorted({name for name in reader.fieldnames or () if (reader.fieldnames or []).count(name) > 1})
    if twice:
        raise DataError(f"{path}, line 1: two columns are called {twice[0]}; one of them has to go")
    errors: list[str] = []
    listing = Listing(kind="manifest", root=path.parent, prepared=_prepared(path, errors), errors=errors)
    for line, record in records:
        _take(listing, path, line, {key: (value or "").strip() for key, value in record.items() if key})
    if not listing.rows and not listing.errors:
        raise DataError(f"{path}: no rows; prepare the data anew")
    listing.flags.update(_flags(path.parent))
    return listing


def _take(listing: Listing, path: Path, line: int, record: dict[str, str]) -> None:
    """Add a row; one of the test split is an error, and is not looked at."""
    where = f"{path.name}, line {line}"
    root = listing.root.resolve()
    if record["split"] == TEST:
        listing.errors.append(f"{where}: a test row in sight; test rows belong into sealed_root alone")
        return
    if record["split"] not in (TRAIN, VAL):
        listing.errors.append(f"{where}: the split is {record['split']!r}; train or val is wanted")
        return
    given = {name: listing.root / record[name] if record.get(name) else None for name in ("image", "mask")}
    for name, file in given.items():
        if "\0" in record.get(name, ""):
            listing.errors.append(f"{where}: the name of the {name} holds a NUL byte; save the manifest as UTF-8 text")
            return
        if file is not None and not file.resolve().is_relative_to(root):
            listing.errors.append(f"{where}: the {name} {record[name]} lies outside of {listing.root}")
            return
    if given["image"] is None:
        listing.errors.append(f"{where}: no image is named")
        return
    listing.rows.append(
        Row(
            where=f"{where} ({record['image']})",
            path=given["image"],
            mask=given["mask"],
            label=record.get("label") or None,
            split=record["split"],
            group=record.get("group") or None,
            sha256=record.get("sha256") or None,
        )
    )


def _prepared(manifest: Path, errors: list[str]) -> PreparedData | None:
    """Return what dataset.json beside the manifest says, None where there is none."""
    path = manifest.with_name(DATASET)
    if manifest.name != MANIFEST or not path.is_file():
        return None
    try:
        return PreparedData.read(path)
    except (OSError, LoopError) as error:
        errors.append(str(error))
        return None


def _flags(root: Path) -> dict[Path, dict[str, str]]:
    try:
        records = list(csv.DictReader(files.read_text(root / FLAGS).splitlines(), restval=""))
    except (OSError, CorruptFileError, csv.Error):
        return {}
    return {root / one.pop("image"): {k: v for k, v in one.items() if k and v} for one in records if one.get("image")}


def _of_masks(root: Path) -> Listing:
    listing = Listing(kind="images and masks", root=root)
    images = {path.stem: path for path in _files(root / "images")}
    masks = {path.stem: path for path in _files(root / "masks")}
    for stem in sorted(images.keys() ^ masks.keys()):
        lonely, what = (images[stem], "mask") if stem in images else (masks[stem], "image")
        listing.errors.append(f"{lonely.relative_to(root).as_posix()}: no {what} of this name")
    for stem in sorted(images.keys() & masks.keys()):
        where = images[stem].relative_to(root).as_posix()
        listing.rows.append(Row(where=where, path=images[stem], mask=masks[stem]))
    return listing


def _of_classes(root: Path) -> Listing:
    listing = Listing(kind="folders of classes", root=root)
    for folder in sorted(one for one in root.iterdir() if one.is_dir() and not one.name.startswith(".")):
        found = _files(folder)
        if found and folder.name.lower() in _TEST_NAMES:
            listing.errors.append(f"{folder.name}/: test images in sight; move them out of {root}")
            continue
        for path in found:
            listing.rows.append(Row(where=f"{folder.name}/{path.name}", path=path, label=folder.name))
    return listing


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
