"""Write a prepared data set: what a run may see into one folder, the test rows into another, each whole or not at all.

A picture that is whole, upright and 8-bit keeps its file, byte for byte: nothing is lost, its hash is that of the
archive, and copying is quick. What had to be turned, repaired, converted or resized becomes a PNG, which loses nothing
more; grey where it is grey. Masks are PNG.
"""

from __future__ import annotations

import csv
import hashlib
import io
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from llm_loop.contract.sealed import DATASET, MANIFEST, PreparedData, SealedRows, manifest_hash
from llm_loop.system import files
from llm_loop.trainer.failures import DataError
from llm_loop.trainer.prepare.choosing import Choice, Chosen, Plan, picture_of, threads_for_pictures
from llm_loop.trainer.prepare.masks import mask_of
from llm_loop.trainer.prepare.pictures import decode
from llm_loop.trainer.prepare.places import Places, empty_aside, move_in, put_back, seal
from llm_loop.trainer.prepare.source import Archive
from llm_loop.trainer.prepare.splitting import TEST

COLUMNS = ("image", "mask", "label", "split", "group", "sha256")
FLAGS, REPORT = "flags.csv", "report.md"


def write(choice: Choice, archive: Archive, plan: Plan, places: Places, report: str) -> PreparedData:
    """Write both folders aside, then move them to their places; return what ``dataset.json`` says.

    The sealed rows come first: should it be broken off between the two, the next call finds the same rows sealed and
    goes on. Raises DataError when other rows are sealed under this name, OSError, FileWriteError.
    """
    put_back(places.out)
    aside, sealed_aside = empty_aside(places.out), empty_aside(places.sealed)
    try:
        sealed = _write_rows([one for one in choice.chosen if one.split == TEST], sealed_aside, plan)
        told = SealedRows(rows=sum(one.split == TEST for one in choice.chosen), manifest_sha256=sealed)
        if not told.rows:
            told = SealedRows(rows=0, manifest_sha256=None)
        seen = [one for one in choice.chosen if one.split != TEST]
        prepared = _describe(seen, choice, archive, plan, _write_rows(seen, aside, plan), told)
        files.replace_text(aside / REPORT, report)
        files.replace_json(aside / DATASET, prepared.to_json())
        seal(sealed_aside, places, told)
        move_in(aside, places.out)
    finally:
        for folder in (aside, sealed_aside):
            shutil.rmtree(folder, ignore_errors=True)
    return prepared


def _write_rows(rows: Sequence[Chosen], folder: Path, plan: Plan) -> str:
    """Write pictures, masks, flags and the manifest of ``rows``; return the manifest's SHA-256."""
    for inner in ("images", "masks"):
        (folder / inner).mkdir(parents=True)
    with ThreadPoolExecutor(threads_for_pictures()) as threads:
        lines = list(threads.map(lambda row: _write_row(row, folder, plan), rows))
    if not any(line["mask"] for line in lines):
        (folder / "masks").rmdir()
    flags = sorted({flag for row in rows for flag in row.source.flags})
    if flags:
        told = ({"image": line["image"], **row.source.flags} for line, row in zip(lines, rows, strict=True))
        files.replace_text(folder / FLAGS, csv_text(("image", *flags), told))
    files.replace_text(folder / MANIFEST, csv_text(COLUMNS, lines))
    return manifest_hash(folder / MANIFEST)


def _write_row(row: Chosen, folder: Path, plan: Plan) -> dict[str, str]:
    data = row.source.path.read_bytes()
    if hashlib.sha256(data).hexdigest() != row.look.file_sha256:
        raise DataError(f"{row.source.path}: the file was changed meanwhile; prepare again")
    upright = row.look.width, row.look.height
    size = target_size(upright, plan.image_size)
    stem = Path(row.source.name).stem
    name = row.source.name
    if not row.look.as_is or size != upright:
        name = f"{stem}.png"
        data = _png(_resized(picture_of(row, data) or decode(data), size))
    (folder / "images" / name).write_bytes(data)
    mask = mask_of(row.source, upright, size)
    if mask is not None:
        (folder / "masks" / f"{stem}.png").write_bytes(_png(Image.fromarray(mask)))
    return {
        "image": f"images/{name}",
        "mask": "" if mask is None else f"masks/{stem}.png",
        "label": row.source.label,
        "split": row.split,
        "group": row.group,
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def target_size(upright: tuple[int, int], longer_side: int | None) -> tuple[int, int]:
    """Return width and height with the longer side at most ``longer_side``, proportions kept, never enlarged."""
    longest = max(upright)
    if longer_side is None or longest <= longer_side:
        return upright
    width, height = (max(1, round(side * longer_side / longest)) for side in upright)
    return width, height


def csv_text(columns: Sequence[str], rows: Iterable[dict[str, str]]) -> str:
    """Return a CSV with LF line ends, the same bytes on every system."""
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def _describe(
    seen: Sequence[Chosen], choice: Choice, archive: Archive, plan: Plan, manifest: str, sealed: SealedRows
) -> PreparedData:
    images: dict[str, dict[str, int]] = {}
    for (split, label), count in sorted(Counter((one.split, one.source.label) for one in seen).items()):
        images.setdefault(split, {})[label] = count
    return PreparedData(
        name=plan.name,
        source=archive.kind,
        settings={
            "seed": plan.seed,
            "val": plan.val,
            "test": plan.test,
            "image_size": plan.image_size,
            "truncated": "repair" if plan.repair else "drop",
        },
        labels=archive.labels,
        images=images,
        left_out=dict(sorted(Counter(_kind(why) for why, _ in choice.left_out).items())),
        manifest_sha256=manifest,
        sealed=sealed,
    )


def _kind(why: str) -> str:
    """Return a reason without what it says of one picture."""
    return why.split(" (")[0]


def _png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def _resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return image if image.size == size else image.resize(size, Image.Resampling.BOX)
