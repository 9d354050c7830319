"""Pictures like X-rays of broken bones, made by arithmetic: for demonstrations and tests, not for medicine.

A picture has soft tissue, a bone shaft with bright cortical edges, often a second thin bone, long faint lines that are
no fracture, noise of two scales, and what a detector adds: vignetting, a dead line, a burnt-in marker. Four of five
have a fracture: a thin, wavy, dark line that goes part or all of the way through the shaft. Its pixels are the mask.
None of the rest tells whether there is one.

Picture ``index`` of a seed is the same in every set, whatever its size. Numbers come from the raw stream of PCG64,
which numpy keeps for all time, and become pixels by +, -, *, /, square roots and comparisons alone, which IEEE 754
defines to the last bit: so every machine and every numpy draws the same picture.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llm_loop.trainer.images.image_set import Pixels

SMALLEST, LARGEST = 32, 512
_FRACTURED = 0.8
_KNOTS = 9
_COARSE = 9  # points a side of the coarse noise
_DECOYS = 3

Plane = NDArray[np.float64]


class Bone(NamedTuple):
    """Hold where a bone lies: ``u`` along and ``v`` across its axis, and its half width; in half pictures."""

    u: Plane
    v: Plane
    half_width: Plane


class Draws:
    """Give the numbers of one picture."""

    def __init__(self, seed: int, index: int) -> None:
        self._bits = np.random.PCG64([seed, index])

    def uniform(self, low: float = 0.0, high: float = 1.0, shape: tuple[int, ...] = ()) -> Plane:
        """Return numbers between ``low`` and ``high``, of 53 random bits each."""
        raw = np.asarray(self._bits.random_raw(int(np.prod(shape, dtype=np.int64)))).reshape(shape)
        return low + (high - low) * ((raw >> np.uint64(11)).astype(np.float64) * 2.0**-53)

    def bell(self, shape: tuple[int, ...]) -> Plane:
        """Return numbers with mean 0 and deviation 1, nearly normal: each the sum of four 16-bit ones."""
        raw = np.asarray(self._bits.random_raw(int(np.prod(shape, dtype=np.int64)))).reshape(shape)
        low = np.uint64(0xFFFF)
        parts = [((raw >> np.uint64(bits)) & low).astype(np.float64) for bits in (0, 16, 32, 48)]
        return ((parts[0] + parts[1] + parts[2] + parts[3]) - 131070.0) * (1.0 / 37837.0)  # 65536 * sqrt(4 / 12)


def draw(seed: int, index: int, size: int) -> tuple[Pixels, Pixels]:
    """Return picture ``index`` of ``seed`` and its mask: both uint8 (size, size), the mask 0 or 1.

    ``seed`` and ``index`` are at least 0, ``size`` is 32 to 512 pixels. The scene is the same at every size; the noise
    is not.
    """
    draws = Draws(seed, index)
    x, y = _grid(size)
    shaft = _bone(draws, x, y, 0.0, (0.20, 0.32))
    picture = _tissue(draws, shaft) + _bone_light(draws, shaft)
    picture += _second_bone(draws, x, y)
    dark, mask = _fracture(draws, shaft, size)
    picture += _decoys(draws, x, y, size) - dark
    picture += _noise(draws, size)
    picture = _detector(draws, picture, x, y)
    return np.rint(np.clip(picture, 0.0, 1.0) * 255.0).astype(np.uint8), mask.astype(np.uint8)


@lru_cache(maxsize=4)
def _grid(size: int) -> tuple[Plane, Plane]:
    """Return the places of the pixels' centres, x (1, size) and y (size, 1), from -1 to 1."""
    centres = (np.arange(size, dtype=np.float64) + 0.5) * (2.0 / size) - 1.0
    centres.setflags(write=False)
    return centres[None, :], centres[:, None]


def _direction(draws: Draws, most: float) -> tuple[Plane, Plane]:
    """Return a unit vector at most 2 atan(``most``) off the vertical, without a sine."""
    t = draws.uniform(-most, most)
    norm = 1.0 + t * t
    return 2.0 * t / norm, (1.0 - t * t) / norm


def _bone(draws: Draws, x: Plane, y: Plane, aside: float, widths: tuple[float, float]) -> Bone:
    right, down = _direction(draws, 0.4)
    px = x - (draws.uniform(-0.3, 0.3) + aside)
    py = y - draws.uniform(-0.2, 0.2)
    u = px * right + py * down
    squared = u * u
    v = (px * down - py * right) - draws.uniform(-0.12, 0.12) * squared
    return Bone(u, v, draws.uniform(*widths) * (1.0 + draws.uniform(0.0, 0.35) * squared))


def _step(values: Plane) -> Plane:
    """Rise smoothly from 0 at -0.5 to 1 at 0.5."""
    t = np.clip(values + 0.5, 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _bump(values: Plane) -> Plane:
    """Return a smooth hill: 1 at 0, 0 from 1 on."""
    t = np.maximum(1.0 - values * values, 0.0)
    return t * t


def _tissue(draws: Draws, shaft: Bone) -> Plane:
    width, level, soft = draws.uniform(0.5, 0.9), draws.uniform(0.18, 0.30), draws.uniform(0.15, 0.4)
    return 0.06 + level * _step((width - np.abs(shaft.v)) / soft)


def _bone_light(draws: Draws, bone: Bone) -> Plane:
    """Return what a bone adds: an even inside and two bright edges, the cortex."""
    across = np.abs(bone.v)
    edge = draws.uniform(0.05, 0.08)
    inside = _step((bone.half_width - across) / 0.06)
    cortex = _bump((across - (bone.half_width - edge)) / edge)
    return draws.uniform(0.16, 0.26) * inside + draws.uniform(0.10, 0.24) * cortex


def _second_bone(draws: Draws, x: Plane, y: Plane) -> Plane | float:
    """Return the light of a thin bone beside the first, or of none."""
    there, side = draws.uniform() < 0.5, draws.uniform() < 0.5
    bone = _bone(draws, x, y, -0.65 if side else 0.65, (0.08, 0.12))
    light = _bone_light(draws, bone)
    return 0.7 * light if there else 0.0


def _fracture(draws: Draws, shaft: Bone, size: int) -> tuple[Plane, NDArray[np.bool_]]:
    """Return the darkness of the fracture and its pixels; all draws are made where there is none, too."""
    there = draws.uniform() < _FRACTURED
    place, slope = draws.uniform(-0.55, 0.55), draws.uniform(-0.9, 0.9)
    wave = np.cumsum(draws.uniform(-1.0, 1.0, (_KNOTS + 1,))) * draws.uniform(0.02, 0.05)
    through, side, depth = draws.uniform(0.45, 1.0), draws.uniform() < 0.5, draws.uniform(0.18, 0.45)
    half = np.maximum(draws.uniform(0.020, 0.032), 1.5 / size)  # never thinner than 1.5 pixels
    share = np.clip((shaft.v / shaft.half_width + 1.0) * 0.5, 0.0, 1.0)
    across = 1.0 - share if side else share
    knot = np.minimum((across * _KNOTS).astype(np.int64), _KNOTS - 1)
    part = across * _KNOTS - knot
    path = place + slope * shaft.v + (wave[knot] * (1.0 - part) + wave[knot + 1] * part)
    distance = np.abs(shaft.u - path) / np.sqrt(1.0 + slope * slope)
    in_bone = np.abs(shaft.v) < shaft.half_width
    dark = depth * _bump(distance / (1.6 * half)) * _step((through - across) * 6.0) * in_bone
    return dark * there, (distance < half) & in_bone & (across < through) & there


def _decoys(draws: Draws, x: Plane, y: Plane, size: int) -> Plane:
    """Return long faint lines, bright or dark, that cross the whole picture: vessels, folds, edges of a cast."""
    total = np.zeros((size, size))
    for _ in range(_DECOYS):
        right, down = _direction(draws, 1.0)
        px, py = x - draws.uniform(-0.7, 0.7), y - draws.uniform(-0.7, 0.7)
        along = px * right + py * down
        distance = (px * down - py * right) - draws.uniform(-0.15, 0.15) * along * along
        strength = draws.uniform(-0.11, 0.08)
        total += strength * _bump(distance / (draws.uniform(0.03, 0.06) + 1.0 / size))
    return total


def _noise(draws: Draws, size: int) -> Plane:
    """Return coarse noise, smooth between the points of a grid, and fine noise of each pixel."""
    points = draws.bell((_COARSE, _COARSE)) * draws.uniform(0.02, 0.05)
    place = (np.arange(size, dtype=np.float64) + 0.5) * ((_COARSE - 1) / size)
    low = place.astype(np.int64)
    part = place - low
    rows = points[low] * (1.0 - part)[:, None] + points[low + 1] * part[:, None]
    coarse = rows[:, low] * (1.0 - part) + rows[:, low + 1] * part
    return coarse + draws.bell((size, size)) * draws.uniform(0.015, 0.045)


def _detector(draws: Draws, picture: Plane, x: Plane, y: Plane) -> Plane:
    """Add what comes from the machine, not from the patient."""
    size = len(picture)
    picture = picture * (draws.uniform(0.8, 1.25) * (1.0 - draws.uniform(0.05, 0.3) * (x * x + y * y)))
    dead, place, offset = draws.uniform() < 0.25, int(draws.uniform(0, size)), draws.uniform(-0.25, 0.25)
    upright = draws.uniform() < 0.5
    if dead and upright:
        picture[:, place] += offset
    elif dead:
        picture[place] += offset
    return _marker(draws, picture)


def _marker(draws: Draws, picture: Plane) -> Plane:
    """Burn an L into one corner of every third picture, as radiographers mark a side."""
    size = len(picture)
    there, right, low = draws.uniform() < 1 / 3, draws.uniform() < 0.5, draws.uniform() < 0.5
    light = draws.uniform(0.75, 1.0)
    if there:
        tall, thick = size // 8, max(1, size // 48)
        top = size - 2 * thick - tall if low else 2 * thick
        left = size - 2 * thick - tall // 2 if right else 2 * thick
        picture[top : top + tall, left : left + thick] = light
        picture[top + tall - thick : top + tall, left : left + tall // 2] = light
    return picture
