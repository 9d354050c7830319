"""Pictures that are the same are found, and others are not."""

from __future__ import annotations

import io
from itertools import pairwise

import pytest

np = pytest.importorskip("numpy")
Image = pytest.importorskip("PIL.Image")

from llm_loop.trainer.prepare.duplicates import Sameness, components, pairs_of  # noqa: E402
from llm_loop.trainer.prepare.pictures import look_at  # noqa: E402
from tests.trainer.prepare.look_alike import LARGE, SMALL, jpeg, picture  # noqa: E402


def png(image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def sameness(*files: bytes) -> list[tuple[int, int, Sameness]]:
    return [(pair.first, pair.second, pair.sameness) for pair in pairs_of([look_at(data) for data in files])]


def test_bytes_pixels_and_format() -> None:
    image = picture(1, SMALL)
    as_jpeg = jpeg(image)
    with Image.open(io.BytesIO(as_jpeg)) as decoded:
        in_colour = png(decoded.convert("RGB"))
    found = sameness(as_jpeg, as_jpeg, as_jpeg + b"\0", in_colour, jpeg(picture(2, SMALL)))
    assert found == [
        (0, 1, Sameness.BYTES),
        *[(one, other, Sameness.PIXELS) for one, other in ((0, 2), (0, 3), (1, 2), (1, 3), (2, 3))],
    ]


@pytest.mark.parametrize(
    "change",
    [
        lambda image: jpeg(image, 40),
        lambda image: png(image.resize((image.width // 3, image.height // 3), Image.Resampling.BICUBIC)),
        lambda image: png(image.point(lambda grey: grey * 0.7 + 20)),
        lambda image: png(image.convert("RGB")),
    ],
)
def test_a_copy_made_anew_is_near_identical_or_equal(change) -> None:
    for number in range(4):
        image = picture(number, LARGE)
        ((_, _, kind),) = sameness(png(image), change(image), png(picture(100 + number, LARGE)))
        assert kind in (Sameness.NEAR, Sameness.PIXELS)


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_different_pictures_are_no_duplicates(size: tuple[int, int]) -> None:
    assert sameness(*(png(picture(number, size)) for number in range(40))) == []


def test_flat_pictures_are_the_same_by_their_pixels_alone() -> None:
    black, grey = Image.new("L", (64, 64), 0), Image.new("L", (64, 64), 7)
    assert sameness(png(black), png(grey), png(black)) == [(0, 2, Sameness.BYTES)]


def test_other_proportions_are_another_picture() -> None:
    image = picture(3, LARGE)
    assert sameness(png(image), png(image.resize((LARGE[0], LARGE[1] // 2)))) == []


def test_chains_become_one_group_with_its_first_position() -> None:
    assert components(6, [(4, 5), (1, 4), (0, 2)]) == [0, 1, 0, 3, 1, 1]
    assert set(components(500, pairwise(range(500)))) == {0}
