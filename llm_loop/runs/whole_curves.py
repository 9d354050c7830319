"""The whole curve of one metric, epoch by epoch, as a training wrote it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from llm_loop.runs.progress import Row, finite, rows_of_file, rows_of_metrics_json

MOST_EPOCHS = 1_000_000_000


def whole_curve(run_folder: Path, printed: Path, metric: str) -> dict[int, float]:
    """Return the metric's finite value by epoch, in the order of the epochs; {} where no source has any.

    The first source that has one tells: ``metrics.jsonl`` or ``metrics.json`` of the attempt's folder, else the
    printed lines in ``printed``. Of a file at most its last 4 MB (20 MB of a ``metrics.json``) are read; of an epoch
    that is told twice, as after a resumption, the later stands. Raises nothing: what a run wrote may be anything.
    """
    for rows in _sources(run_folder, printed):
        points = {int(row["epoch"]): value for row in rows if (value := _value(row, metric)) is not None}
        if points:
            return dict(sorted(points.items()))
    return {}


def _sources(run_folder: Path, printed: Path) -> Iterable[list[Row]]:
    yield rows_of_file(run_folder / "metrics.jsonl")
    yield rows_of_metrics_json(run_folder / "metrics.json")
    yield rows_of_file(printed)


def _value(row: Row, metric: str) -> float | None:
    epoch = finite(row.get("epoch"))
    return finite(row.get(metric)) if epoch is not None and 0 <= epoch <= MOST_EPOCHS else None
