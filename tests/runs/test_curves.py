"""A curve in a few numbers, from files of any length."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llm_loop.contract.context import Movement
from llm_loop.contract.result import Direction
from llm_loop.runs.curves import HEAD_BYTES, TAIL_BYTES, curve_of, read_curve


def rows(*values: Any) -> list[dict[str, Any]]:
    return [{"epoch": epoch, "epochs": 9, "m": value} for epoch, value in enumerate(values, 1)]


def test_the_numbers() -> None:
    curve = curve_of([*rows(0.9, 0.3, 0.5), {"epoch": 4, "epochs": 9, "train_loss": 0.1, "m": 0.6}], "m", Direction.MIN)
    assert curve is not None
    assert (curve.epochs_seen, curve.epochs, curve.first, curve.best, curve.best_epoch) == (4, 9, 0.9, 0.3, 2)
    assert (curve.last, curve.train_loss) == (0.6, 0.1)


@pytest.mark.parametrize(
    ("values", "direction", "movement"),
    [
        ((0.9, 0.8), Direction.MIN, Movement.TOO_SHORT),
        ((0.9, 0.8, 0.7, 0.6), Direction.MIN, Movement.IMPROVING),
        ((0.9, 0.8, 0.7, 0.6), Direction.MAX, Movement.WORSENING),
        ((0.9, 0.1, 0.11, 0.11, 0.11, 0.11), Direction.MIN, Movement.FLAT),
        ((0.5, 0.5, 0.5), Direction.MIN, Movement.FLAT),
        ((0.5, 0.4, float("nan")), Direction.MIN, Movement.NOT_FINITE),
        ((float("nan"), float("inf"), "x"), Direction.MIN, Movement.NOT_FINITE),
        ((-1e308, 1e308, 1e308), Direction.MIN, Movement.FLAT),
    ],
)
def test_where_it_goes(values: tuple[Any, ...], direction: Direction, movement: Movement) -> None:
    curve = curve_of(rows(*values), "m", direction)
    assert curve is not None
    assert curve.movement is movement


def test_rows_without_an_epoch_or_with_an_absurd_one_are_none() -> None:
    assert (
        curve_of([{"m": 1.0}, {"epoch": float("nan")}, {"epoch": -1}, {"epoch": 10**400}], "m", Direction.MIN) is None
    )


def test_a_long_file_is_read_at_its_ends(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    lines = [json.dumps({"epoch": n, "val_m": 1.0 / n, "epochs": 5000}) for n in range(1, 5001)]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert path.stat().st_size > 4 * (HEAD_BYTES + TAIL_BYTES)
    curve = read_curve([tmp_path / "missing", path], "val_m", Direction.MIN)
    assert curve is not None
    assert (curve.first, curve.epochs_seen, curve.best_epoch, curve.is_sampled) == (1.0, 5000, 5000, True)


def test_the_first_source_with_rows_counts(tmp_path: Path) -> None:
    empty, printed = tmp_path / "metrics.jsonl", tmp_path / "stdout.log"
    empty.write_text("no rows here\n", encoding="utf-8")
    printed.write_text("{'epoch': 3, 'val_m': 0.5}", encoding="utf-8")
    curve = read_curve([empty, printed], "val_m", Direction.MIN)
    assert curve is not None
    assert (curve.epochs_seen, curve.is_sampled) == (3, False)
    assert read_curve([empty], "val_m", Direction.MIN) is None
    assert read_curve([tmp_path], "val_m", Direction.MIN) is None, "a folder is no file"
