"""Check a data set before something is trained on it: balance, sizes, leaks, shortcuts, test rows in sight."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_loop.contract.sealed import MANIFEST, manifest_hash
from llm_loop.errors import LoopError
from llm_loop.system import files
from llm_loop.trainer.failures import DataError
from llm_loop.trainer.prepare.choosing import threads_for_pictures
from llm_loop.trainer.prepare.contact_sheet import draw_sheet
from llm_loop.trainer.prepare.duplicates import Sameness, pairs_of
from llm_loop.trainer.prepare.features import find_shortcuts
from llm_loop.trainer.prepare.findings import Findings, shortcut_line, some
from llm_loop.trainer.prepare.listing import Listing, Row, list_pictures
from llm_loop.trainer.prepare.masks import read_mask
from llm_loop.trainer.prepare.pictures import Look, look_or_trouble
from llm_loop.trainer.prepare.source import NEGATIVE, POSITIVE
from llm_loop.trainer.prepare.splitting import TRAIN, VAL


@dataclass(frozen=True, slots=True, kw_only=True)
class _Picture:
    """Hold a row with what its file shows, its label as the check takes it, and what is wrong with it."""

    row: Row
    look: Look | None
    label: str
    errors: tuple[str, ...] = ()


def check(place: Path, *, sealed_root: Path | None, sheet: Path | None) -> Findings:
    """Look at every picture of a manifest or folder, and return what was found.

    ``sealed_root`` is where sealed rows lie: their hashes are compared with the files in sight, none of them is shown.
    ``sheet`` is where the contact sheet is written, unless no row can be shown. Raises DataError where there is
    nothing to check, OSError.
    """
    listing = list_pictures(place)
    with ThreadPoolExecutor(threads_for_pictures()) as threads:
        pictures = list(threads.map(_look, listing.rows))
    errors = [*listing.errors, *(line for one in pictures for line in one.errors)]
    warnings: list[str] = []
    whole = [(one, one.look) for one in pictures if one.look is not None]
    duplicates = _duplicates(whole, errors, warnings)
    _check_groups(listing.rows, errors)
    _check_balance(listing, pictures, errors, warnings)
    sealed = _check_sealed(listing, sealed_root, errors)
    in_sight = _sealed_in_sight(whole, sealed_root)
    errors += [f"a leak: {where} is a sealed test image" for where in sorted(in_sight)]
    shortcuts = find_shortcuts(
        [look for _, look in whole],
        [one.label for one, _ in whole],
        [listing.flags.get(one.row.path, {}) for one, _ in whole],
    )
    warnings += [shortcut_line(one) for one in shortcuts if one.flagged]
    shown = [(one.row, one.label) for one, _ in whole if not one.errors and one.row.where not in in_sight]
    if not shown:
        sheet = None
    if sheet is not None:
        draw_sheet(shown, sheet)
    return Findings(
        place=str(place),
        kind=listing.kind,
        images=_counts(pictures),
        sizes=_sizes([look for _, look in whole]),
        duplicates=duplicates,
        shortcuts=shortcuts,
        errors=errors,
        warnings=warnings,
        sealed=sealed,
        contact_sheet=None if sheet is None else str(sheet),
    )


def _look(row: Row) -> _Picture:
    """Look at one picture and its mask; what is wrong becomes a line, for the others are to be looked at too."""
    try:
        data = row.path.read_bytes()
    except OSError as error:
        return _Picture(row=row, look=None, label=row.label or "", errors=(f"{row.where}: {error.strerror or error}",))
    look = look_or_trouble(data)
    if not isinstance(look, Look):
        told = f"{row.where}: {look[0].value}: {look[1]}"
        return _Picture(row=row, look=None, label=row.label or "", errors=(told,))
    errors, label = [], row.label
    if row.sha256 is not None and row.sha256 != look.file_sha256:
        errors.append(f"{row.where}: the file is not the one of the manifest (another SHA-256)")
    if row.mask is not None:
        try:
            mask = read_mask(row.mask.read_bytes(), str(row.mask))
        except (OSError, DataError) as error:
            errors.append(f"{row.where}: {error}")
        else:
            if mask.shape != (look.height, look.width):
                high, wide = mask.shape
                errors.append(
                    f"{row.where}: the mask has {wide} x {high} pixels, the image {look.width} x {look.height}"
                )
            if label == NEGATIVE and mask.any():
                errors.append(f"{row.where}: label {NEGATIVE}, but its mask has positive pixels")
            label = label or (POSITIVE if mask.any() else NEGATIVE)
    return _Picture(row=row, look=look, label=label or "", errors=tuple(errors))


def _duplicates(whole: Sequence[tuple[_Picture, Look]], errors: list[str], warnings: list[str]) -> dict[str, int]:
    """Count pairs of the same picture; across splits they are errors, as are no others."""
    counts = {f"{kind.value} {where}": 0 for kind in Sameness for where in ("within a split", "across splits")}
    opposite = []
    for pair in pairs_of([look for _, look in whole]):
        one, other = whole[pair.first][0], whole[pair.second][0]
        across = one.row.split != other.row.split
        counts[f"{pair.sameness.value} {'across splits' if across else 'within a split'}"] += 1
        if across:
            errors.append(f"a leak: {one.row.where} and {other.row.where} have {pair.sameness.value}")
        if one.label != other.label:
            opposite.append(f"{one.row.where} ({one.label}) and {other.row.where} ({other.label})")
    if opposite:
        warnings.append(f"{len(opposite)} pair(s) of the same picture with different labels: {some(opposite)}")
    if whole and whole[0][0].row.split is None and any(counts.values()):
        warnings.append(
            f"{sum(counts.values())} pair(s) of the same picture: a random split parts them, which is a leak; "
            "`llm-loop data prepare folder` splits by groups"
        )
    return counts


def _check_groups(rows: Sequence[Row], errors: list[str]) -> None:
    splits: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row.group is not None and row.split is not None:
            splits[row.group].add(row.split)
    torn = sorted(group for group, found in splits.items() if len(found) > 1)
    if torn:
        errors.append(f"a leak: {len(torn)} group(s) in more than one split: {some(torn)}")
    files_of: dict[Path, list[str]] = defaultdict(list)
    for row in rows:
        files_of[row.path].append(row.where)
    errors += [f"{where[0]} and {where[1]}: the same file twice" for where in files_of.values() if len(where) > 1]


def _check_balance(listing: Listing, pictures: Sequence[_Picture], errors: list[str], warnings: list[str]) -> None:
    counts = Counter((one.row.split, one.label) for one in pictures)
    labels = sorted({one.label for one in pictures})
    if len(labels) < 2:
        errors.append(f"all images have the label {labels[0]!r}: nothing can be learned" if labels else "no images")
    if listing.kind != "manifest":
        return
    for split in (TRAIN, VAL):
        if not any(one.row.split == split for one in pictures):
            errors.append(f"no image in the split {split}")
        missing = [label for label in labels if not counts[split, label]]
        if missing and len(missing) < len(labels):
            warnings.append(f"no image with the label {some(missing)} in {split}")


def _sealed_in_sight(whole: Sequence[tuple[_Picture, Look]], sealed_root: Path | None) -> set[str]:
    """Return the rows whose file is a sealed one of any data set, byte for byte; a manifest nobody can read is none."""
    hidden: set[str] = set()
    for path in () if sealed_root is None else sorted(sealed_root.glob(f"*/{MANIFEST}")):
        try:
            rows = csv.DictReader(io.StringIO(files.read_text(path), newline=""))
            hidden.update(row["sha256"] for row in rows if row.get("sha256"))
        except (OSError, LoopError, csv.Error):
            continue
    return {one.row.where for one, look in whole if look.file_sha256 in hidden}


def _check_sealed(listing: Listing, sealed_root: Path | None, errors: list[str]) -> dict[str, Any] | None:
    """Compare the sealed rows with what was prepared; return what is told of them."""
    prepared = listing.prepared
    if prepared is None:
        return None
    if manifest_hash(listing.root / MANIFEST) != prepared.manifest_sha256:
        errors.append(f"{listing.root / MANIFEST}: it is not the manifest that was prepared (another SHA-256)")
    told: dict[str, Any] = {"rows": prepared.sealed.rows, "manifest_sha256": prepared.sealed.manifest_sha256}
    path = None if sealed_root is None else sealed_root / prepared.name / MANIFEST
    if path is None or not path.is_file():
        return told | {"found": False}
    if manifest_hash(path) != prepared.sealed.manifest_sha256:
        errors.append(f"{path}: these are not the rows that were sealed with this data set (another SHA-256)")
    return told | {"found": True}


def _counts(pictures: Sequence[_Picture]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for (split, label), count in sorted(Counter((one.row.split or "all", one.label) for one in pictures).items()):
        counts.setdefault(split, {})[label] = count
    return counts


def _sizes(looks: Sequence[Look]) -> dict[str, Any]:
    """Return the range of widths and heights, and the most frequent sizes, in pixels."""
    if not looks:
        return {}
    most = Counter(f"{look.width} x {look.height}" for look in looks).most_common(5)
    return {
        "width": [min(look.width for look in looks), max(look.width for look in looks)],
        "height": [min(look.height for look in looks), max(look.height for look in looks)],
        "different": len({(look.width, look.height) for look in looks}),
        "most_frequent": dict(most),
        "modes": dict(sorted(Counter(look.mode for look in looks).items())),
        "turned": sum(look.turned for look in looks),
    }
