"""Deterministic, stratified splits: the same rows on every machine and under every library version.

Rows are ordered by the SHA-256 of a salt and their key, not by a random generator whose stream may
change between releases.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


def hashed_order(keys: Sequence[str], salt: str) -> Rows:
    """Return the positions of ``keys`` in an order that looks random and depends on salt and key alone."""
    digests = [hashlib.sha256(f"{salt}\0{key}".encode()).digest() for key in keys]
    return np.array(sorted(range(len(keys)), key=digests.__getitem__), dtype=np.int64)


def shares(counts: Sequence[int], total: int) -> list[int]:
    """Deal ``total`` places to classes in proportion to ``counts``: largest remainder, ties to the first class.

    Raises ValueError when there are fewer rows than places.
    """
    rows = sum(counts)
    if total > rows:
        raise ValueError(f"{total} places for {rows} rows")
    exact = [total * count / rows for count in counts] if rows else [0.0 for _ in counts]
    dealt = [int(share) for share in exact]
    by_remainder = sorted(range(len(counts)), key=lambda i: (dealt[i] - exact[i], i))
    for i in by_remainder[: total - sum(dealt)]:
        dealt[i] += 1
    return dealt


def draw(rows: Rows, labels: Rows, keys: Sequence[str], sizes: Sequence[int], salt: str) -> tuple[Rows, Rows]:
    """Split ``rows`` in two: ``sizes[c]`` rows of each class c, and the rest. Both come sorted.

    ``labels`` and ``keys`` are indexed by row. A smaller draw with the same salt is part of a larger one.
    """
    ordered = rows[hashed_order([keys[row] for row in rows], salt)]
    chosen = [ordered[labels[ordered] == c][:size] for c, size in enumerate(sizes)]
    taken = np.sort(np.concatenate(chosen)) if chosen else rows[:0]
    return taken, np.setdiff1d(rows, taken)


def draw_in_proportion(rows: Rows, labels: Rows, keys: Sequence[str], total: int, salt: str) -> tuple[Rows, Rows]:
    """Split ``rows`` in two: ``total`` rows with every class at its share, and the rest."""
    counts = np.bincount(labels[rows], minlength=int(labels.max()) + 1)
    return draw(rows, labels, keys, shares(counts.tolist(), total), salt)


def told_leaks(keys: Sequence[str], digests: Sequence[str], train: Rows, val: Rows) -> tuple[str, ...]:
    """Return a warning where images of the same ``digests`` were dealt to both sides, none where there are none."""
    first = {digests[row]: keys[row] for row in train.tolist()}
    pairs = [f"{first[digests[row]]} and {keys[row]}" for row in val.tolist() if digests[row] in first]
    if not pairs:
        return ()
    return (
        f"a leak: {len(pairs)} validation image(s) are the same file as one to train on, such as {pairs[0]}; "
        "`llm-loop data prepare folder` keeps them in one split",
    )
