"""A run's curve in a few numbers, read from the beginning and the end of what it wrote: bounded at any length."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from llm_loop.contract.context import Curve, Movement
from llm_loop.contract.outside_file import open_outside
from llm_loop.contract.result import Direction, higher_is_better
from llm_loop.runs.progress import Row, RowReader, finite
from llm_loop.system import files

HEAD_BYTES = 4_096
TAIL_BYTES = 16_384
LEAST_POINTS = 3
MOST_EPOCHS = 1_000_000_000
_SHARE_OF_LATEST = 0.25
_WORSE_BY = 0.05


def read_curve(sources: Iterable[Path], metric: str, direction: Direction) -> Curve | None:
    """Return the curve in the first of ``sources`` that has rows, without its run's name; None when none has.

    At most 20 kB of each are read, and a file that stands as it was is not read again. Raises nothing: what a run
    wrote may be anything.
    """
    for path in sources:
        signature = files.signature(path)
        if signature is not None and (curve := _curve_of_file(path, signature, metric, direction)) is not None:
            return curve
    return None


@lru_cache(maxsize=64)
def _curve_of_file(path: Path, signature: tuple[int, int], metric: str, direction: Direction) -> Curve | None:
    try:
        rows, is_sampled = _sampled_rows(path)
    except OSError:
        return None
    curve = curve_of(rows, metric, direction)
    return None if curve is None else replace(curve, is_sampled=is_sampled)


def curve_of(rows: Sequence[Row], metric: str, direction: Direction) -> Curve | None:
    """Return the numbers of a curve; None without a row that has an epoch."""
    rows = [row for row in rows if _epoch(row.get("epoch")) is not None]
    if not rows:
        return None
    points = [(_epoch(row["epoch"]), value) for row in rows if (value := finite(row.get(metric))) is not None]
    best_epoch, best = max(points, key=lambda point: higher_is_better(point[1], direction), default=(None, None))
    last = rows[-1]
    is_finite = finite(last.get(metric)) is not None
    return Curve(
        run_id="",
        is_active=False,
        epochs_seen=_epoch(last["epoch"]),
        epochs=_epoch(last.get("epochs")),
        first=points[0][1] if points else None,
        best=best,
        best_epoch=best_epoch,
        last=points[-1][1] if points else None,
        train_loss=next((v for key in ("train_loss", "loss") if (v := finite(last.get(key))) is not None), None),
        movement=_movement([higher_is_better(value, direction) for _, value in points], is_finite, metric in last),
    )


def _epoch(value: object) -> int | None:
    number = finite(value)
    return int(number) if number is not None and 0 <= number <= MOST_EPOCHS else None


def _movement(scores: list[float], is_finite: bool, is_measured: bool) -> Movement:
    """Say where the last quarter of a curve goes: up to its best, down from it by 5 % of its range, or neither."""
    if is_measured and not is_finite:
        return Movement.NOT_FINITE
    if len(scores) < LEAST_POINTS:
        return Movement.TOO_SHORT
    latest = max(2, round(len(scores) * _SHARE_OF_LATEST))
    best, lowest = max(scores), min(scores)
    if best > lowest and scores.index(best) >= len(scores) - latest:
        return Movement.IMPROVING
    return Movement.WORSENING if best - scores[-1] > _WORSE_BY * (best - lowest) else Movement.FLAT


def _sampled_rows(path: Path) -> tuple[list[Row], bool]:
    """Return the rows in the first 4 and the last 16 kB of a file, and whether more lies between. Raises OSError."""
    with open_outside(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size <= HEAD_BYTES + TAIL_BYTES:
            return RowReader().feed(stream.read(HEAD_BYTES + TAIL_BYTES) + b"\n"), False
        head = stream.read(HEAD_BYTES)
        stream.seek(size - TAIL_BYTES)
        tail = stream.read(TAIL_BYTES)
    return RowReader().feed(head[: head.rfind(b"\n") + 1]) + RowReader().feed(tail + b"\n"), True
