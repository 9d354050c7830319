"""Polygons become masks by the centres of pixels."""

from __future__ import annotations

import pytest

np = pytest.importorskip("numpy")
Image = pytest.importorskip("PIL.Image")

from PIL import ImageDraw  # noqa: E402

from llm_loop.trainer.prepare.polygons import fill, same  # noqa: E402


def ring(*points: tuple[float, float]):
    return np.array(points, dtype=float)


def test_a_square_has_its_area_and_its_place() -> None:
    mask = fill([ring((2, 3), (7, 3), (7, 5), (2, 5))], 10, 8)
    assert mask.sum() == 255 * 10 and (mask[3:5, 2:7] == 255).all()


def test_overlaps_count_once_and_what_is_outside_is_cut() -> None:
    square = ring((0, 0), (4, 0), (4, 4), (0, 4))
    assert (fill([square, square + 2], 6, 6) > 0).sum() == 16 + 16 - 4
    assert (fill([square - 2], 6, 6) > 0).sum() == 4
    assert (fill([square + 4], 6, 6) > 0).sum() == 4


def test_many_shapes_agree_with_another_rasteriser() -> None:
    draws = np.random.default_rng(0)
    for _ in range(20):
        angles = np.sort(draws.uniform(0, 2 * np.pi, 9))
        radius = draws.uniform(15, 45, 9)
        points = np.stack([50 + radius * np.cos(angles), 50 + radius * np.sin(angles)], axis=1)
        fine = Image.new("L", (800, 800))
        ImageDraw.Draw(fine).polygon([(x, y) for x, y in points * 8], fill=255)
        other = np.asarray(fine.resize((100, 100), Image.Resampling.BOX)) >= 128
        mask = fill([points], 100, 100) > 0
        assert (mask & other).sum() / (mask | other).sum() > 0.97


def test_a_thin_polygon_leaves_a_trace_at_any_scale() -> None:
    crack = ring((10.1, 10.1), (60.2, 40.1), (60.2, 40.2))
    assert fill([crack], 100, 100).any()
    assert 1 <= (fill([crack], 10, 10, (0.1, 0.1)) > 0).sum() <= 6
    assert fill([ring((3.6, 3.6), (3.9, 3.6), (3.9, 3.9))], 8, 8)[3, 3] == 255


def test_the_same_polygons_in_any_order() -> None:
    one, other = ring((0, 0), (5, 0), (5, 5)), ring((8, 8), (9, 8), (9, 9))
    assert same([one, other], [other + 0.5, one - 0.5]) and same([], [])
    assert not same([one], [one, other]) and not same([one], [one + 1.5]) and not same([one, one], [one, other])
