"""Find pictures that are the same: by their bytes, by their pixels, or nearly.

Near-identical is decided on 32 x 32 reductions with the contrast stretched to the whole scale, in whole numbers, so
that the answer is the same on every machine: a 64-bit hash of differences proposes a pair (at most 10 bits differ), the
reductions decide (their mean absolute difference is at most 5 of 255 grey levels) and the proportions have to agree
within 3 %. So it finds copies that were compressed, resized (to 64 pixels or more) or brightened anew, and not those
that were mirrored, turned or cut. Of 1,500 generated pictures like X-rays the two most alike differ by 13 levels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from llm_loop.trainer.prepare.pictures import THUMB_SIDE, Look

_HASH_DISTANCE = 10
_HASH_MARGIN = 6  # grey levels
_BLOCK_WEIGHT = 48  # what a block is summed up to: 4 rows of 3 to 4 columns, in whole numbers
_MEAN_DIFFERENCE = 5
_PROPORTION = 0.03
_LEAST_CONTRAST = 16  # grey levels; below it a stretched reduction is noise, and only equal pixels count
_BITS = np.array([bin(number).count("1") for number in range(1 << 16)], dtype=np.uint8)


class Sameness(StrEnum):
    """How two pictures are the same, the strictest first."""

    BYTES = "identical bytes"
    PIXELS = "identical pixels"
    NEAR = "near-identical pixels"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Hold the positions of two pictures that are the same, ``first`` < ``second``."""

    first: int
    second: int
    sameness: Sameness


def pairs_of(looks: Sequence[Look]) -> list[Pair]:
    """Return every pair of pictures that are the same, sorted by position."""
    by_pixels: dict[str, list[int]] = defaultdict(list)
    for position, look in enumerate(looks):
        by_pixels[look.pixel_sha256].append(position)
    found = [_equal(looks, *pair) for alike in by_pixels.values() for pair in combinations(alike, 2)]
    firsts = [alike[0] for alike in by_pixels.values()]
    for one, other in _near([looks[position] for position in firsts]):
        alike = (looks[firsts[one]].pixel_sha256, looks[firsts[other]].pixel_sha256)
        for i in by_pixels[alike[0]]:
            for k in by_pixels[alike[1]]:
                found.append(Pair(first=min(i, k), second=max(i, k), sameness=Sameness.NEAR))
    return sorted(found, key=lambda pair: (pair.first, pair.second))


def _equal(looks: Sequence[Look], first: int, second: int) -> Pair:
    same_file = looks[first].file_sha256 == looks[second].file_sha256
    return Pair(first=first, second=second, sameness=Sameness.BYTES if same_file else Sameness.PIXELS)


def _near(looks: Sequence[Look]) -> Iterable[tuple[int, int]]:
    """Yield the positions of near-identical pictures, each pair once."""
    if len(looks) < 2:
        return
    thumbs = np.stack([np.frombuffer(look.thumb, np.uint8).reshape(THUMB_SIDE, THUMB_SIDE) for look in looks])
    thumbs = thumbs.astype(np.int32)
    low, high = thumbs.min(axis=(1, 2), keepdims=True), thumbs.max(axis=(1, 2), keepdims=True)
    has_contrast = (high - low).ravel() >= _LEAST_CONTRAST
    thumbs = (thumbs - low) * 255 // np.maximum(high - low, 1)
    hashes = difference_hashes(thumbs).view(np.uint16).reshape(len(looks), 4)
    proportions = np.array([look.width / look.height for look in looks])
    for one in range(len(looks) - 1):
        if not has_contrast[one]:
            continue
        distance = _BITS[hashes[one + 1 :] ^ hashes[one]].sum(axis=1)
        others = np.flatnonzero(distance <= _HASH_DISTANCE) + one + 1
        others = others[has_contrast[others]]
        others = others[np.abs(proportions[others] / proportions[one] - 1) <= _PROPORTION]
        apart = np.abs(thumbs[others] - thumbs[one]).sum(axis=(1, 2))
        for other in others[apart <= _MEAN_DIFFERENCE * THUMB_SIDE**2]:
            yield one, int(other)


def difference_hashes(thumbs: NDArray[np.int32]) -> NDArray[np.uint64]:
    """Return a 64-bit hash of each reduction (n, 32, 32): for 8 rows of 9 blocks, which are darker than the next one.

    The usual dHash, but for a margin: two blocks of an empty ground differ by noise alone, in every copy otherwise.
    """
    rows = thumbs.reshape(len(thumbs), 8, 4, THUMB_SIDE).sum(axis=2)
    edges = np.linspace(0, THUMB_SIDE, 10).astype(int)
    columns = np.stack(
        [rows[:, :, a:b].sum(axis=2) * (_BLOCK_WEIGHT // 4) // (b - a) for a, b in pairwise(edges)], axis=2
    )
    bits = columns[:, :, 1:] - columns[:, :, :-1] > _HASH_MARGIN * _BLOCK_WEIGHT
    return np.packbits(bits.reshape(len(thumbs), 64), axis=1).copy().view(np.uint64).ravel()


def components(count: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """Return for each of ``count`` positions the smallest position that it is joined to by a chain of pairs."""
    root = list(range(count))

    def find(position: int) -> int:
        while root[position] != position:
            root[position] = root[root[position]]
            position = root[position]
        return position

    for one, other in pairs:
        a, b = find(one), find(other)
        root[max(a, b)] = min(a, b)
    return [find(position) for position in range(count)]
