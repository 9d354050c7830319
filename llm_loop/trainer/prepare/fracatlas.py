"""Read FracAtlas (X-rays, some of them fractured; figshare article 22363012) as it is downloaded and unpacked.

The label is that of ``dataset.csv``, never that of the folder: a picture may lie in both. How many pictures and
fractures there are is counted, not assumed, for versions differ.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from llm_loop.errors import CorruptFileError
from llm_loop.system import files
from llm_loop.trainer.failures import DataError
from llm_loop.trainer.prepare.annotations import Drawn, disagreements, read_coco, read_vgg
from llm_loop.trainer.prepare.source import NEGATIVE, POSITIVE, SUFFIXES, Archive, Source

TABLE = "dataset.csv"
FLAGS = "hand leg hip shoulder mixed hardware multiscan frontal lateral oblique".split()
_FOLDERS = {POSITIVE: "Fractured", NEGATIVE: "Non_fractured"}
_COCO = Path("Annotations", "COCO JSON", "COCO_fracture_masks.json")
_VGG = Path("Annotations", "VGG JSON", "VGG_fracture_masks.json")
_DEEPEST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tree:
    """Hold the unpacked archive: its root, its table, and its pictures by folder."""

    root: Path
    rows: list[dict[str, str]]
    pictures: dict[str, set[str]]


def read_fracatlas(raw_root: Path, *, id_block: int = 0) -> Archive:
    """Return the pictures of the archive below ``raw_root`` with labels, polygons and flags.

    ``id_block`` N > 0 keeps pictures whose numbers divided by N are the same in one split: neighbouring numbers often
    look like views of one study, and no patient is told. Raises DataError where the archive is not there or not whole.
    """
    root = find_root(raw_root)
    tree = _Tree(root=root, rows=_read_table(root / TABLE), pictures=_list_pictures(root / "images"))
    coco, vgg = _read_drawn(root)
    archive = Archive(kind="fracatlas", sources=[], labels={NEGATIVE: "not fractured", POSITIVE: "fractured"})
    for row in tree.rows:
        _take(archive, tree, row, coco, vgg, id_block)
    listed = {row["image_id"] for row in tree.rows}
    on_disk = set().union(*tree.pictures.values())
    archive.left_out.extend(("on disk, but not in dataset.csv", name) for name in sorted(on_disk - listed))
    _remark(archive, tree, coco, vgg)
    return archive


def find_root(raw_root: Path) -> Path:
    """Return the folder that has dataset.csv beside images/ and Annotations/, at most three folders down."""
    waiting = [(raw_root.expanduser(), 0)]
    for folder, depth in waiting:
        if (folder / TABLE).is_file() and (folder / "images").is_dir() and (folder / "Annotations").is_dir():
            return folder
        try:
            inner = sorted(one for one in folder.iterdir() if one.is_dir()) if depth < _DEEPEST else []
        except OSError as error:
            raise DataError(f"{folder}: cannot be read as a folder: {error.strerror or error}") from error
        waiting += [(one, depth + 1) for one in inner]
    raise DataError(
        f"{raw_root}: no folder here holds {TABLE} beside images/ and Annotations/; unpack FracAtlas.zip and name its "
        "folder with --raw-root"
    )


def _read_table(path: Path) -> list[dict[str, str]]:
    """Return the rows of dataset.csv. Raises DataError naming the line of a bad one."""
    try:
        reader = csv.DictReader(files.read_text(path).splitlines(), restval="")
    except (OSError, CorruptFileError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    missing = {"image_id", "fractured"} - set(reader.fieldnames or [])
    if missing:
        raise DataError(f"{path}, line 1: no column {', '.join(sorted(missing))}; is this the table of FracAtlas?")
    rows: list[dict[str, str]] = []
    seen: dict[str, int] = {}
    for row in reader:
        name = row["image_id"] = row["image_id"].strip()
        if not name or Path(name).name != name or row["fractured"].strip() not in _FOLDERS:
            raise DataError(f"{path}, line {reader.line_num}: image_id and fractured (0 or 1) are wanted")
        if name in seen:
            raise DataError(f"{path}, line {reader.line_num}: {name} is in line {seen[name]} too; remove one of them")
        seen[name] = reader.line_num
        rows.append({key: (value or "").strip() for key, value in row.items() if isinstance(key, str)})
    return rows


def _list_pictures(folder: Path) -> dict[str, set[str]]:
    """Return the file names in each of the two class folders."""
    found = {}
    for label, name in _FOLDERS.items():
        inner = folder / name
        if not inner.is_dir():
            raise DataError(f"{inner}: this folder is missing; the archive is not whole, unpack it again")
        found[label] = {one.name for one in inner.iterdir() if one.suffix.lower() in SUFFIXES}
    return found


def _read_drawn(root: Path) -> tuple[Drawn, Drawn]:
    """Return what the two exports hold; one of them may be missing."""
    coco = read_coco(root / _COCO) if (root / _COCO).is_file() else Drawn()
    vgg = read_vgg(root / _VGG) if (root / _VGG).is_file() else Drawn()
    if not coco.polygons and not vgg.polygons:
        raise DataError(f"{root / _COCO} and {root / _VGG}: no polygon in either; unpack the archive again")
    return coco, vgg


def _take(archive: Archive, tree: _Tree, row: dict[str, str], coco: Drawn, vgg: Drawn, id_block: int) -> None:
    """Add the picture of one row, or say why it is left out."""
    name, label = row["image_id"], row["fractured"]
    other = NEGATIVE if label == POSITIVE else POSITIVE
    holder = next((one for one in (label, other) if name in tree.pictures[one]), None)
    polygons = tuple(coco.polygons.get(name) or vgg.polygons.get(name) or ())
    why = None
    if holder is None:
        why = "in dataset.csv, but not on disk"
    elif label == POSITIVE and not polygons:
        why = "fractured without a polygon, so that its mask is not known"
    elif label == NEGATIVE and polygons:
        why = "not fractured, and yet with a polygon"
    if why is not None or holder is None:
        archive.left_out.append((why or "", name))
        return
    archive.sources.append(
        Source(
            name=name,
            path=tree.root / "images" / _FOLDERS[holder] / name,
            label=label,
            polygons=polygons,
            size=coco.sizes.get(name),
            flags={flag: row[flag] for flag in FLAGS if row.get(flag)},
            block=_block(name, id_block),
        )
    )


def _block(name: str, id_block: int) -> str | None:
    digits = "".join(letter for letter in Path(name).stem if letter.isdigit())
    return f"{int(digits) // id_block}" if id_block > 0 and digits else None


def _remark(archive: Archive, tree: _Tree, coco: Drawn, vgg: Drawn) -> None:
    """Note what is odd and yet of no consequence, and what the two exports say differently."""
    both = sorted(tree.pictures[POSITIVE] & tree.pictures[NEGATIVE])
    told = {row["image_id"]: row.get("fracture_count", "") for row in tree.rows}
    drawn = {name: len(coco.polygons.get(name) or vgg.polygons.get(name, [])) for name in told}
    counts = [
        f"{name}: fracture_count {told[name]}, {drawn[name]} polygon(s)"
        for name in sorted(told)
        if told[name].isdigit() and int(told[name]) != drawn[name]
    ]
    nowhere = sorted((coco.polygons.keys() | vgg.polygons.keys()) - told.keys())
    archive.remarks.update(
        {
            "in both class folders (the label of dataset.csv holds)": both,
            "COCO and VGG disagree (COCO was taken)": disagreements(coco, vgg),
            "another number of polygons than fracture_count says": counts,
            "annotated, but not in dataset.csv": nowhere,
            "annotations that are no polygon": [*coco.broken, *vgg.broken],
        }
    )
