"""Decode one image or mask file: upright, eight bits a channel, a square of the size that is trained on."""

from __future__ import annotations

import io
import struct
import zlib
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from llm_loop.trainer.choices import Resize
from llm_loop.trainer.images.image_set import Pixels

SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})
# What Pillow and its decoders raise for broken files, beside the OSError that it documents.
UNREADABLE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
_JPEG_POSITIVE = 128
"""A lossy file has traces around every edge: there a pixel counts from the middle on."""


class MaskError(Exception):
    """Say what is wrong with a mask that could be read. It is no broken file, which may be left out."""


class Decoded(NamedTuple):
    """Hold a square of pixels, and the width and height that the upright file had before."""

    pixels: Pixels
    width: int
    height: int


def decode_image(data: bytes, size: int, channels: int, resize: Resize = Resize.STRETCH) -> Decoded:
    """Decode an image into (channels, size, size); what is transparent lies on black.

    16-bit grey images are brought to 8 bits by their high byte: Pillow alone would clip them white. Raises one of
    UNREADABLE.
    """
    image = _upright(data)
    width, height = image.size
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image).astype(np.int64).clip(0, 65535) >> 8).astype(np.uint8))
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
    image = _square(image.convert("L" if channels == 1 else "RGB"), size, resize, Image.Resampling.BILINEAR)
    pixels = np.asarray(image, dtype=np.uint8)
    shaped = pixels[None] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))
    return Decoded(shaped, width, height)


def decode_mask(data: bytes, size: int, mask_classes: int | None, resize: Resize = Resize.STRETCH) -> Decoded:
    """Decode a mask into class numbers (size, size), by the nearest pixel.

    With ``mask_classes`` None every pixel that is not 0 is positive (1); in a JPEG those from 128 on. A palette's
    pixels are its numbers, not its colours; what is wholly transparent is 0. Raises MaskError, or one of UNREADABLE.
    """
    image = _upright(data)
    values = _numbers(image)
    is_lossy = _format_of(data) == "JPEG"
    if mask_classes is None:
        values = (values >= _JPEG_POSITIVE if is_lossy else values > 0).astype(np.uint8)
    elif is_lossy:
        raise MaskError("a JPEG holds no exact class numbers; save the mask as PNG")
    elif values.max(initial=0) >= mask_classes or values.min(initial=0) < 0:
        found = values.max() if values.max() >= mask_classes else values.min()
        raise MaskError(f"its pixels go to {found}; data.mask_classes {mask_classes} are 0 to {mask_classes - 1}")
    plain = Image.fromarray(values.astype(np.uint8))
    square = _square(plain, size, resize, Image.Resampling.NEAREST)
    return Decoded(np.asarray(square, dtype=np.uint8), *image.size)


def reason_of(error: BaseException) -> str:
    """Say in one line why a file cannot be read."""
    if isinstance(error, UnidentifiedImageError):  # its own words name an object in memory
        return "no image in a known format"
    return (" ".join(str(error).split()) or type(error).__name__)[:120]


def _upright(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as opened:
        opened.load()
        return ImageOps.exif_transpose(opened)


def _format_of(data: bytes) -> str | None:
    with Image.open(io.BytesIO(data)) as opened:
        return opened.format


def _numbers(image: Image.Image) -> np.ndarray:
    """Return the class numbers of a mask (height, width). Raises MaskError for colours."""
    if image.mode in ("1", "L", "P") or image.mode.startswith("I"):
        return np.asarray(image).astype(np.int64)
    shown = np.asarray(image.getchannel("A")) > 0 if "A" in image.getbands() and image.mode != "LAB" else True
    if image.mode in ("LA", "PA"):
        return np.asarray(image.getchannel(0)).astype(np.int64) * shown
    colours = np.asarray(image.convert("RGB"))
    if not (colours == colours[..., :1]).all():
        raise MaskError(f"it is a picture in colours ({image.mode}); a mask holds a class number a pixel")
    return colours[..., 0].astype(np.int64) * shown


def _square(image: Image.Image, size: int, resize: Resize, how: Image.Resampling) -> Image.Image:
    if resize is Resize.STRETCH:
        return image.resize((size, size), how)
    share = size / max(image.size)
    width, height = (max(1, round(side * share)) for side in image.size)
    square = Image.new(image.mode, (size, size), 0)
    square.paste(image.resize((width, height), how), ((size - width) // 2, (size - height) // 2))
    return square
