"""Draw a contact sheet: some pictures of each label and split, masks outlined in red."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from llm_loop.system import files
from llm_loop.trainer.images.splits import hashed_order
from llm_loop.trainer.prepare.listing import Row
from llm_loop.trainer.prepare.masks import read_mask
from llm_loop.trainer.prepare.pictures import decode

_CELL, _HEAD, _COLUMNS = 128, 16, 8
_MOST_ROWS = 12
_RED = (255, 48, 48)


def draw_sheet(rows: Sequence[tuple[Row, str]], path: Path) -> int:
    """Write a PNG with at most 8 pictures of each (split, label), and return how many are on it.

    ``rows`` pair a readable picture with its label. Test rows are never among them: a listing has none. Raises
    FileWriteError, OSError.
    """
    by_kind: dict[str, list[Row]] = defaultdict(list)
    for row, label in rows:
        by_kind[" ".join(filter(None, (row.split, label)))].append(row)
    kinds = sorted(by_kind)[:_MOST_ROWS]
    sheet = Image.new("RGB", (_COLUMNS * _CELL, max(1, len(kinds)) * (_CELL + _HEAD)), (24, 24, 24))
    pen = ImageDraw.Draw(sheet)
    shown = 0
    for line, kind in enumerate(kinds):
        of_kind = by_kind[kind]
        top = line * (_CELL + _HEAD)
        text = f"{kind}: {len(of_kind)} images".encode("latin-1", "replace").decode("latin-1")
        pen.text((3, top + 2), text, fill=(230, 230, 230))
        for column, place in enumerate(hashed_order([row.where for row in of_kind], "contact sheet")[:_COLUMNS]):
            cell = _cell(of_kind[int(place)])
            sheet.paste(cell, (column * _CELL + (_CELL - cell.width) // 2, top + _HEAD + (_CELL - cell.height) // 2))
            shown += 1
    stream = io.BytesIO()
    sheet.save(stream, "PNG")
    files.replace_bytes(path, stream.getvalue())
    return shown


def _cell(row: Row) -> Image.Image:
    image = decode(row.path.read_bytes()).convert("RGB")
    mask = None if row.mask is None else read_mask(row.mask.read_bytes(), str(row.mask)) > 0
    image.thumbnail((_CELL - 4, _CELL - 4), Image.Resampling.BOX)
    if mask is None or not mask.any():
        return image
    small = Image.fromarray(mask.astype(np.uint8) * 255).resize(image.size, Image.Resampling.BOX)
    pixels = np.array(image)
    pixels[_outline(np.asarray(small) > 0)] = _RED
    return Image.fromarray(pixels)


def _outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels just outside of a mask (h, w, bool)."""
    padded = np.pad(mask, 1)
    grown = padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
    return grown & ~mask
