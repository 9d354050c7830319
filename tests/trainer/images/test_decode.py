"""Image and mask files of every kind come in upright, as squares of eight bits."""

from __future__ import annotations

import io

import pytest

pytest.importorskip("torch")

import numpy as np
from PIL import Image

from llm_loop.trainer.choices import Resize
from llm_loop.trainer.images.decode import UNREADABLE, MaskError, decode_image, decode_mask

ROTATED = 6  # EXIF: the picture has to be turned by 90 degrees


def encode(image: Image.Image, kind: str = "PNG", **how: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **how)
    return stream.getvalue()


def plain(values: np.ndarray, mode: str | None = None) -> Image.Image:
    return Image.fromarray(values) if mode is None else Image.fromarray(values).convert(mode, dither=Image.Dither.NONE)


LEFT = np.zeros((8, 8), np.uint8)
LEFT[:, :4] = 200
"""Bright on the left."""


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_kind_of_picture_becomes_grey_or_colour(mode: str, channels: int) -> None:
    kind = "TIFF" if mode == "CMYK" else "PNG"
    found = decode_image(encode(plain(LEFT, mode), kind), 8, channels)
    assert found.pixels.shape == (channels, 8, 8) and found.pixels.dtype == np.uint8
    assert (found.width, found.height) == (8, 8)
    assert found.pixels[:, :, :3].min() >= 199 and found.pixels[:, :, 5:].max() == 0


def test_sixteen_bits_come_down_by_their_high_byte() -> None:
    ramp = (np.arange(64, dtype=np.uint16) * 1000).reshape(8, 8)
    assert np.array_equal(decode_image(encode(Image.fromarray(ramp)), 8, 1).pixels[0], ramp >> 8)


def test_what_is_transparent_is_black() -> None:
    colours = np.full((8, 8, 4), 255, np.uint8)
    colours[:, 4:, 3] = 0
    found = decode_image(encode(Image.fromarray(colours)), 8, 1).pixels[0]
    assert found[:, :4].min() == 255 and found[:, 4:].max() == 0


def test_a_palette_is_seen_by_its_colours() -> None:
    image = Image.fromarray(LEFT // 200).convert("P")
    image.putpalette([10, 10, 10, 250, 250, 250])
    found = decode_image(encode(image), 8, 1).pixels[0]
    assert found[0, 0] == 250 and found[0, 7] == 10


def test_pictures_and_masks_are_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = ROTATED
    wide = np.zeros((4, 8), np.uint8)
    wide[:, :4] = 255
    data = encode(plain(wide), "PNG", exif=exif)
    image, mask = decode_image(data, 8, 1), decode_mask(data, 8, None)
    assert (image.width, image.height) == (mask.width, mask.height) == (4, 8)
    assert image.pixels[0, 0].min() == 255 and image.pixels[0, 7].max() == 0
    assert mask.pixels[0].min() == 1 and mask.pixels[7].max() == 0


def test_a_letterbox_keeps_the_proportions_of_both() -> None:
    wide = np.full((4, 8), 255, np.uint8)
    image = decode_image(encode(plain(wide)), 16, 1, Resize.LETTERBOX).pixels[0]
    mask = decode_mask(encode(plain(wide)), 16, None, Resize.LETTERBOX).pixels
    assert np.array_equal(image > 0, mask > 0)
    assert (mask[4:12] == 1).all() and mask[:4].max() == mask[12:].max() == 0


@pytest.mark.parametrize("value", [1, 2, 255])
def test_of_two_classes_all_but_zero_is_positive(value: int) -> None:
    mask = decode_mask(encode(plain(LEFT // 200 * value)), 8, None).pixels
    assert mask[:, :4].min() == mask.max() == 1 and mask[:, 4:].max() == 0


def test_a_mask_in_a_palette_is_read_by_its_numbers() -> None:
    numbers = np.array([[0, 1], [2, 2]], np.uint8)
    image = Image.fromarray(numbers).convert("P")
    image.putpalette([0, 0, 0, 0, 0, 0, 255, 0, 0])  # class 1 is as black as the background
    assert np.array_equal(decode_mask(encode(image), 2, 3).pixels, numbers)


def test_a_mask_of_sixteen_bits_is_read_by_its_numbers() -> None:
    numbers = np.array([[0, 300], [0, 0]], np.uint16)
    assert decode_mask(encode(Image.fromarray(numbers)), 2, None).pixels.tolist() == [[0, 1], [0, 0]]
    with pytest.raises(MaskError, match=r"go to 300; data\.mask_classes 3 are 0 to 2"):
        decode_mask(encode(Image.fromarray(numbers)), 2, 3)


def test_a_grey_mask_in_three_channels_is_taken_a_coloured_one_is_not() -> None:
    assert decode_mask(encode(plain(LEFT, "RGB")), 8, None).pixels[0].tolist() == [1, 1, 1, 1, 0, 0, 0, 0]
    colours = np.zeros((8, 8, 3), np.uint8)
    colours[..., 1] = LEFT
    with pytest.raises(MaskError, match="picture in colours"):
        decode_mask(encode(Image.fromarray(colours)), 8, None)


def test_traces_around_the_edges_of_a_jpeg_are_not_positive() -> None:
    data = encode(plain(LEFT // 200 * 255), "JPEG", quality=20)
    raw = np.asarray(Image.open(io.BytesIO(data)))
    assert np.count_nonzero(raw[:, 4:]) > 0
    assert decode_mask(data, 8, None).pixels[0].tolist() == [1, 1, 1, 1, 0, 0, 0, 0]
    with pytest.raises(MaskError, match="save the mask as PNG"):
        decode_mask(data, 8, 2)


def test_a_mask_never_holds_what_lies_between_two_classes() -> None:
    numbers = np.zeros((9, 9), np.uint8)
    numbers[:, 5:] = 2
    assert set(np.unique(decode_mask(encode(plain(numbers)), 64, 3).pixels)) == {0, 2}


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_what_ends_too_early_is_unreadable(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)
    data = encode(Image.fromarray(noise), kind)
    for read in (lambda part: decode_image(part, 8, 1), lambda part: decode_mask(part, 8, None)):
        with pytest.raises(UNREADABLE):
            read(data[: len(data) // 2])
