"""A file becomes the picture that a person sees, and what is broken is named."""

from __future__ import annotations

import io

import pytest

np = pytest.importorskip("numpy")
Image = pytest.importorskip("PIL.Image")

from PIL import ImageFile  # noqa: E402

from llm_loop.trainer.failures import DataError  # noqa: E402
from llm_loop.trainer.prepare.masks import read_mask  # noqa: E402
from llm_loop.trainer.prepare.pictures import Trouble, decode, look_at, repair, trouble_with  # noqa: E402
from tests.trainer.prepare.look_alike import LARGE, SMALL, jpeg, picture  # noqa: E402


def stored(image, form: str = "PNG", **more) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **more)
    return stream.getvalue()


def test_sixteen_bits_palette_and_alpha_become_eight_bits() -> None:
    ramp = np.arange(256, dtype=np.uint16).repeat(2).reshape(16, 32) * 257
    assert (np.asarray(decode(stored(Image.fromarray(ramp)))) == ramp >> 8).all()
    grey = Image.fromarray((ramp >> 8).astype(np.uint8))
    for mode in ("RGB", "RGBA", "LA", "P"):
        assert decode(stored(grey.convert(mode))).mode == "L"
        assert (np.asarray(decode(stored(grey.convert(mode)))) == np.asarray(grey)).all()
    red = Image.new("RGB", (4, 4), (200, 0, 0))
    assert decode(stored(red)).mode == "RGB" and look_at(stored(red)).as_is


@pytest.mark.parametrize("flag", range(1, 9))
def test_every_orientation_is_turned_upright(flag: int) -> None:
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Transpose that lays an upright picture as the flag says
    upright = picture(5, SMALL)
    laid = upright if flag == 1 else upright.transpose(Image.Transpose(undo[flag]))
    exif = Image.Exif()
    exif[0x0112] = flag
    look = look_at(stored(laid, exif=exif.tobytes()))
    assert (look.width, look.height) == SMALL and look.turned == (flag != 1) == (not look.as_is)
    assert look.pixel_sha256 == look_at(stored(upright)).pixel_sha256


def test_what_is_broken_is_named() -> None:
    whole = jpeg(picture(1, LARGE))
    assert trouble_with(whole) is None
    assert trouble_with(whole[: len(whole) // 2])[0] is Trouble.TRUNCATED
    assert trouble_with(b"no picture")[0] is Trouble.UNREADABLE
    assert trouble_with(b"")[0] is Trouble.UNREADABLE


@pytest.mark.parametrize("subsampling", [0, 2])
@pytest.mark.parametrize("part", [0.6, 0.75, 0.9, 0.99])
def test_a_repair_leaves_true_rows_alone(part: float, subsampling: int) -> None:
    image = picture(2, LARGE)
    whole = jpeg(image, subsampling=subsampling)
    kept = repair(whole[: int(len(whole) * part)])
    truth = np.asarray(decode(whole)).astype(int)
    assert kept is not None and kept.height < LARGE[1] and kept.height > LARGE[1] * (part - 0.2)
    assert np.abs(np.asarray(kept).astype(int) - truth[: kept.height]).max() <= 1
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


def test_a_repair_refuses_what_has_no_true_rows() -> None:
    whole, in_layers = jpeg(picture(2, LARGE)), jpeg(picture(2, LARGE), progressive=True)
    assert repair(whole[: len(whole) // 5]) is None
    assert repair(in_layers[: int(len(in_layers) * 0.9)]) is None
    assert repair(b"no picture") is None


def test_masks_hold_one_number_a_pixel() -> None:
    values = np.array([[0, 1], [2, 255]], dtype=np.uint8)
    palette = Image.fromarray(values, mode=None).convert("L")
    assert (read_mask(stored(palette), "m.png") == values).all()
    coloured = Image.fromarray(np.array([[0, 1], [2, 3]], dtype=np.uint8)).convert("P")
    coloured.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    with Image.open(io.BytesIO(stored(coloured))) as again:
        assert again.mode == "P"
    assert (read_mask(stored(coloured), "m.png") == [[0, 1], [2, 3]]).all()
    assert (read_mask(stored(Image.fromarray(values > 1)), "m.png") == [[0, 0], [255, 255]]).all()
    assert (read_mask(stored(palette.convert("RGB")), "m.png") == values).all()
    for image in (
        Image.new("RGB", (2, 2), (1, 2, 3)),
        Image.new("RGB", (2, 2), (1, 1, 3)),
        Image.new("I;16", (2, 2), 700),
    ):
        with pytest.raises(DataError, match=r"m\.png: the mask"):
            read_mask(stored(image), "m.png")
    with pytest.raises(DataError, match=r"m\.png: the mask cannot be read"):
        read_mask(b"no picture", "m.png")
