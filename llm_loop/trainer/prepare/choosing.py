"""Choose what of an archive becomes data: look at every picture, leave out what is bad, group, split."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from llm_loop.trainer.failures import DataError
from llm_loop.trainer.prepare.duplicates import Pair, Sameness, components, pairs_of
from llm_loop.trainer.prepare.pictures import Look, Trouble, look_at_picture, look_or_trouble, repair
from llm_loop.trainer.prepare.source import Archive, Source
from llm_loop.trainer.prepare.splitting import split_groups

_MOST_THREADS = 8
_TELL_EVERY = 500
_OUTSIDE = 1.0  # pixels by which a point may lie outside: drawn at the edge


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Hold what a person chose. ``val`` and ``test`` are shares; ``image_size`` is the longer side in pixels.

    ``image_size`` None keeps sizes as they are. ``repair`` takes what is left of truncated JPEGs; else they are left
    out.
    """

    name: str
    seed: int = 0
    val: float = 0.15
    test: float = 0.15
    image_size: int | None = None
    repair: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Hold one picture that becomes data: its look, its group and its split; ``repaired`` as in the plan."""

    source: Source
    look: Look
    group: str
    split: str
    repaired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Hold all pictures that become data, sorted by name, and what was left out: (why, name), sorted."""

    chosen: list[Chosen]
    left_out: list[tuple[str, str]]
    pairs: dict[Sameness, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Truncated:
    source: Source
    data: bytes


@dataclass(frozen=True, slots=True)
class _Seen:
    source: Source
    look: Look
    repaired: bool


def choose(archive: Archive, plan: Plan, say: Callable[[str], None] | None = None) -> Choice:
    """Return which pictures become data, and where they go; the same for the same input, whatever the machine.

    Raises DataError where too little is left, OSError where a file cannot be read.
    """
    left_out = list(archive.left_out)
    seen: list[_Seen] = []
    sources = sorted(archive.sources, key=lambda one: one.name)
    for source, found in zip(sources, _look_at_all(sources, plan, say or _tell), strict=True):
        if isinstance(found, str):
            left_out.append((found, source.name))
        else:
            seen.append(found)
    pairs = pairs_of([one.look for one in seen])
    opposite = _opposite(seen, pairs)
    left_out.extend((why, seen[position].source.name) for position, why in opposite.items())
    kept = [position for position in range(len(seen)) if position not in opposite]
    if not kept:
        raise DataError(f"no picture of {len(archive.sources)} is left: {left_out[0][1]}: {left_out[0][0]}")
    groups = _groups(seen, kept, pairs)
    labels = [seen[position].source.label for position in kept]
    if len(set(labels)) < 2:
        raise DataError(f"all {len(kept)} pictures have the label {labels[0]}; pictures of two labels are wanted")
    splits = split_groups(labels, groups, val=plan.val, test=plan.test, seed=plan.seed)
    chosen = [
        Chosen(source=seen[p].source, look=seen[p].look, repaired=seen[p].repaired, group=group, split=split)
        for p, group, split in zip(kept, groups, splits, strict=True)
    ]
    counts = {kind: sum(pair.sameness is kind for pair in pairs) for kind in Sameness}
    return Choice(chosen=chosen, left_out=sorted(left_out), pairs=counts)


def picture_of(chosen: Chosen, data: bytes) -> Image.Image | None:
    """Return the repaired picture of a file, None where nothing was repaired."""
    return repair(data) if chosen.repaired else None


def _look_at_all(sources: Sequence[Source], plan: Plan, say: Callable[[str], None]) -> list[_Seen | str]:
    """Look at every picture; truncated ones are repaired at the end, when no other thread decodes."""
    found: list[_Seen | str | _Truncated] = []
    with ThreadPoolExecutor(threads_for_pictures()) as threads:
        for one in threads.map(_look, sources):
            found.append(one)
            if len(found) % _TELL_EVERY == 0:
                say(f"looked at {len(found)} of {len(sources)} pictures")
    return [one if not isinstance(one, _Truncated) else _repaired(one) if plan.repair else "truncated" for one in found]


def threads_for_pictures() -> int:
    """Return how many threads decode pictures at once; Pillow works without the interpreter's lock."""
    return min(_MOST_THREADS, os.cpu_count() or 1)


def _look(source: Source) -> _Seen | str | _Truncated:
    """Return what a file shows, or why it is left out."""
    data = source.path.read_bytes()
    look = look_or_trouble(data)
    if isinstance(look, Look):
        return _of_right_size(_Seen(source, look, False))
    return _Truncated(source, data) if look[0] is Trouble.TRUNCATED else f"unreadable ({look[1]})"


def _repaired(found: _Truncated) -> _Seen | str:
    if found.source.polygons or found.source.mask:
        return "truncated, and not repaired because it has a mask"
    image = repair(found.data)
    if image is None:
        return "truncated, and beyond repair"
    look = look_at_picture(image, found.data, mode=image.mode, turned=False, plain_file=False)
    return _Seen(found.source, look, True)


def _of_right_size(seen: _Seen) -> _Seen | str:
    told, size = seen.source.size, (seen.look.width, seen.look.height)
    if told is not None and told != size:
        return f"annotated at another size than the upright picture has ({told[0]} x {told[1]})"
    for polygon in seen.source.polygons or ():
        if (polygon < -_OUTSIDE).any() or (polygon > np.array(size) + _OUTSIDE).any():
            return "with a polygon that leaves the picture"
    return seen


def _opposite(seen: Sequence[_Seen], pairs: Sequence[Pair]) -> dict[int, str]:
    """Return the pictures that are the same as one of another label: nobody knows which label is right."""
    found: dict[int, str] = {}
    for pair in pairs:
        one, other = seen[pair.first].source, seen[pair.second].source
        if one.label != other.label:
            for position, partner in ((pair.first, other), (pair.second, one)):
                found.setdefault(position, f"{pair.sameness} to a picture of another label ({partner.name})")
    return found


def _groups(seen: Sequence[_Seen], kept: Sequence[int], pairs: Sequence[Pair]) -> list[str]:
    """Return the group of each kept picture: the name of the first one that it is joined to, without its suffix."""
    place = {position: number for number, position in enumerate(kept)}
    joined = [(place[pair.first], place[pair.second]) for pair in pairs if pair.first in place and pair.second in place]
    blocks: dict[str, list[int]] = {}
    for number, position in enumerate(kept):
        if (block := seen[position].source.block) is not None:
            blocks.setdefault(block, []).append(number)
    joined += [pair for block in blocks.values() for pair in pairwise(block)]
    firsts = components(len(kept), joined)
    return [Path(seen[kept[first]].source.name).stem for first in firsts]


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
