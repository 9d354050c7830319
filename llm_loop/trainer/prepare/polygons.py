"""Fill polygons into a mask: a pixel belongs to a polygon when its centre lies inside (even-odd rule)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.uint8]
Polygon = NDArray[np.float64]
POSITIVE = 255


def fill(polygons: Iterable[Polygon], width: int, height: int, scale: tuple[float, float] = (1.0, 1.0)) -> Mask:
    """Return the union of ``polygons`` as a mask (height, width) of 0 and 255.

    A polygon is (points, 2), x and y in pixels of the annotated picture; pixel i spans i to i + 1. ``scale`` brings
    them to the mask's own pixels. A polygon too thin to hold a pixel's centre marks the pixels of its points, so that
    no instance is lost when a picture is made smaller.
    """
    mask = np.zeros((height, width), np.uint8)
    for polygon in polygons:
        points = polygon * np.array(scale)
        left, top = np.clip(np.floor(points.min(axis=0)).astype(int), 0, (width, height))
        right, bottom = np.clip(np.ceil(points.max(axis=0)).astype(int) + 1, 0, (width, height))
        inside = _inside(points, np.arange(left, right) + 0.5, np.arange(top, bottom) + 0.5)
        if inside.any():
            mask[top:bottom, left:right][inside] = POSITIVE
        else:
            x, y = np.clip(points.astype(int), 0, (width - 1, height - 1)).T
            mask[y, x] = POSITIVE
    return mask


def _inside(points: Polygon, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell for each centre (len(y), len(x)) whether a ray to its right crosses the ring an odd number of times."""
    inside = np.zeros((len(y), len(x)), dtype=bool)
    for (x1, y1), (x2, y2) in zip(points, np.roll(points, -1, axis=0), strict=True):
        crosses = (y1 > y) != (y2 > y)
        if crosses.any():
            at = x1 + (y[crosses] - y1) * (x2 - x1) / (y2 - y1)
            inside[crosses] ^= x[None] < at[:, None]
    return inside


def same(first: list[Polygon], second: list[Polygon], tolerance: float = 1.0) -> bool:
    """Tell whether two lists hold the same polygons, in any order, each point within ``tolerance`` pixels."""
    if len(first) != len(second):
        return False
    rest = list(second)
    for polygon in first:
        near = (i for i, other in enumerate(rest) if _equal(polygon, other, tolerance))
        if (found := next(near, None)) is None:
            return False
        del rest[found]
    return True


def _equal(first: Polygon, second: Polygon, tolerance: float) -> bool:
    return first.shape == second.shape and bool(np.abs(first - second).max() <= tolerance)
