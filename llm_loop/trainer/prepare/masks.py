"""Read masks from files, and make those of a data set."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageOps

from llm_loop.trainer.failures import DataError
from llm_loop.trainer.images.decode import UNREADABLE, reason_of
from llm_loop.trainer.prepare.polygons import POSITIVE, Mask, fill
from llm_loop.trainer.prepare.source import Source


def read_mask(data: bytes, name: str) -> Mask:
    """Return the pixel values (h, w; 0 to 255) of a mask's file: grey values, or the numbers of a palette.

    What is wholly transparent is 0.

    Raises DataError naming ``name`` for a mask in colours or beyond 8 bits, and for a file that is no picture.
    """
    try:
        with Image.open(io.BytesIO(data)) as opened:
            opened.load()
            image = ImageOps.exif_transpose(opened)
    except UNREADABLE as error:
        raise DataError(f"{name}: the mask cannot be read: {reason_of(error)}") from error
    if image.mode == "1":
        return np.asarray(image.convert("L"))
    pixels = np.asarray(image)
    if pixels.ndim == 3:
        if image.mode not in ("RGB", "RGBA", "LA") or not (pixels[..., :-1] == pixels[..., :1]).all():
            raise DataError(f"{name}: the mask is in colours; one number for each pixel is wanted (grey or palette)")
        if image.mode == "RGB" and not (pixels[..., 2] == pixels[..., 0]).all():
            raise DataError(f"{name}: the mask is in colours; one number for each pixel is wanted (grey or palette)")
        shown = np.asarray(image.getchannel("A")) > 0 if "A" in image.getbands() else True
        pixels = pixels[..., 0] * shown
    if pixels.max(initial=0) > POSITIVE or pixels.min(initial=0) < 0:
        raise DataError(f"{name}: the mask has values up to {pixels.max()}; 0 to 255 are wanted")
    return pixels.astype(np.uint8)


def mask_of(source: Source, upright: tuple[int, int], size: tuple[int, int]) -> Mask | None:
    """Return the mask of a picture at ``size`` (width, height); ``upright`` is the size of the picture itself.

    Polygons are filled at the size that is wanted. A file's mask of two values is made smaller by area, a pixel being
    positive from one half on, or from any part on where else nothing of it were left; one of more values by the nearest
    pixel. None where a picture has no mask. Raises DataError, OSError.
    """
    if source.polygons is not None:
        return fill(source.polygons, *size, (size[0] / upright[0], size[1] / upright[1]))
    if source.mask is None:
        return None
    mask = read_mask(source.mask.read_bytes(), str(source.mask))
    if mask.shape != upright[::-1]:
        high, wide = mask.shape
        raise DataError(
            f"{source.mask}: the mask has {wide} x {high} pixels, its image {upright[0]} x {upright[1]}; "
            "make them equal"
        )
    return mask if size == upright else _resized(mask, size)


def _resized(mask: Mask, size: tuple[int, int]) -> Mask:
    values = np.unique(mask)
    if len(values) > 2 or values[0] != 0:
        return np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
    share = np.asarray(Image.fromarray((mask > 0).astype(np.uint8) * 255).resize(size, Image.Resampling.BOX))
    positive = share >= 128
    if not positive.any():
        positive = share > 0
    return np.where(positive, values[-1], 0).astype(np.uint8)
