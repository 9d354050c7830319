"""Decode one picture for good: upright, 8 bits, grey where it is grey, and what is to be known of it.

Two files show the same picture when they have the same ``pixel_sha256``, whatever their format and orientation flag.
"""

from __future__ import annotations

import hashlib
import io
import struct
import threading
import zlib
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps

from llm_loop.trainer.failures import is_of_host_memory

THUMB_SIDE = 32
_UPRIGHT = 1
_ORIENTATION = 0x0112  # the number of the tag in EXIF 2.3
_MCU_ROWS = 16  # the most rows that one row of blocks in a baseline JPEG covers (4:2:0 sampling)
_CORNER = 16  # a corner is this part of a side
_GREY_FILL = range(64, 193)  # what a decoder fills up with is in the middle of the scale; borders are black or white
_ONE_AT_A_TIME = threading.Lock()  # what tells Pillow to take truncated files is global
_BROKEN = (OSError, ValueError, SyntaxError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)


class Trouble(StrEnum):
    """Why a file gives no whole picture."""

    TRUNCATED = "truncated"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Hold what is known of one picture. ``width`` and ``height`` are those of the upright picture, in pixels.

    ``as_is``: the file can be used as it lies there, nothing has to be turned or converted. ``thumb`` has 32 x 32
    bytes; ``mean``, ``corners`` are grey values (0 to 255); ``grey_rows`` counts flat grey rows at the bottom.
    """

    file_sha256: str
    file_bytes: int
    width: int
    height: int
    mode: str
    turned: bool
    as_is: bool
    pixel_sha256: str
    thumb: bytes
    mean: float
    corners: float
    grey_rows: int


def decode(data: bytes) -> Image.Image:
    """Return the upright picture in mode L, or RGB where it has colours.

    16-bit grey is brought to 8 bits by its high byte. Raises what Pillow raises for a broken file.
    """
    with Image.open(io.BytesIO(data)) as opened:
        opened.load()
        return _plain(ImageOps.exif_transpose(opened))


def _plain(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image).astype(np.int64).clip(0, 65535) >> 8).astype(np.uint8))
    if image.mode in ("L", "1", "LA"):
        return image.convert("L")
    pixels = np.asarray(image.convert("RGB"))
    is_grey = bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 1] == pixels[..., 2]).all())
    return Image.fromarray(np.ascontiguousarray(pixels[..., 0])) if is_grey else Image.fromarray(pixels)


def trouble_with(data: bytes) -> tuple[Trouble, str] | None:
    """Return why a file is no whole picture, with the decoder's words, or None where it is one.

    A file whose header can be read, and whose pixels end too early, is truncated.
    """
    try:
        with Image.open(io.BytesIO(data)) as opened:
            try:
                opened.load()
            except _BROKEN as error:
                if is_of_host_memory(error):
                    raise
                kind = Trouble.TRUNCATED if "truncated" in str(error) else Trouble.UNREADABLE
                return kind, " ".join(str(error).split())[:120]
    except _BROKEN as error:
        if is_of_host_memory(error):
            raise
        return Trouble.UNREADABLE, "no picture in a known format"
    return None


def look_or_trouble(data: bytes) -> Look | tuple[Trouble, str]:
    """Return what is to be known of a file, or why it is no whole picture: one decoding where it is whole."""
    try:
        return look_at(data)
    except _BROKEN as error:
        if is_of_host_memory(error):
            raise
        return trouble_with(data) or (Trouble.UNREADABLE, " ".join(str(error).split())[:120])


def look_at(data: bytes) -> Look:
    """Return what is to be known of a whole picture's file. Raises what ``decode`` raises."""
    with Image.open(io.BytesIO(data)) as opened:
        turned = opened.getexif().get(_ORIENTATION, _UPRIGHT) not in (_UPRIGHT, 0)
        mode, form = opened.mode, opened.format
    return look_at_picture(decode(data), data, mode=mode, turned=turned, plain_file=form in ("JPEG", "PNG"))


def look_at_picture(image: Image.Image, data: bytes, *, mode: str, turned: bool, plain_file: bool) -> Look:
    """Return what is to be known of a decoded picture and the file that it came from."""
    grey = np.asarray(image.convert("L"))
    size = f"{image.mode} {image.width} {image.height} ".encode()
    thumb = image.convert("L").resize((THUMB_SIDE, THUMB_SIDE), Image.Resampling.BOX)
    return Look(
        file_sha256=hashlib.sha256(data).hexdigest(),
        file_bytes=len(data),
        width=image.width,
        height=image.height,
        mode=mode,
        turned=turned,
        as_is=plain_file and not turned and mode in ("L", "RGB"),
        pixel_sha256=hashlib.sha256(size + image.tobytes()).hexdigest(),
        thumb=thumb.tobytes(),
        mean=float(grey.mean()),
        corners=_corner_mean(grey),
        grey_rows=flat_grey_rows(grey),
    )


def flat_grey_rows(grey: NDArray[np.uint8]) -> int:
    """Count the rows from the bottom (h, w; 0 to 255) that are all of one and the same middle grey."""
    last = int(grey[-1, -1])
    if last not in _GREY_FILL:
        return 0
    differs = np.flatnonzero((grey != last).any(axis=1))
    return int(len(grey) - 1 - differs[-1]) if len(differs) else len(grey)


def repair(data: bytes) -> Image.Image | None:
    """Return the part of a truncated baseline JPEG that was decoded, upright; None where none is left.

    What lies below the break is filled with grey by the decoder, and the row of blocks at the break may be half
    grey: both are cut off, or the grey would tell which files were truncated. A progressive JPEG loses detail
    everywhere instead of rows, so nothing is taken from it. Not to be called while another thread still looks for
    truncated files: meanwhile Pillow takes them all.
    """
    with _ONE_AT_A_TIME:
        ImageFile.LOAD_TRUNCATED_IMAGES = True
        try:
            return _true_rows(data)
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = False


def _true_rows(data: bytes) -> Image.Image | None:
    try:
        with Image.open(io.BytesIO(data)) as opened:
            if opened.format != "JPEG" or opened.info.get("progressive"):
                return None
            opened.load()
            whole = opened.height - flat_grey_rows(np.asarray(opened.convert("L")))
            kept = (whole - 1) // _MCU_ROWS * _MCU_ROWS
            if kept < opened.height // 2:
                return None
            exif = opened.getexif()
            part = opened.crop((0, 0, opened.width, kept))
    except _BROKEN as error:
        if is_of_host_memory(error):
            raise
        return None
    part.info["exif"] = exif.tobytes()
    return _plain(ImageOps.exif_transpose(part))


def _corner_mean(grey: NDArray[np.uint8]) -> float:
    high, wide = max(1, grey.shape[0] // _CORNER), max(1, grey.shape[1] // _CORNER)
    corners = (grey[:high, :wide], grey[:high, -wide:], grey[-high:, :wide], grey[-high:, -wide:])
    return float(np.mean([part.mean() for part in corners]))
