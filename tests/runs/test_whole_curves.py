"""A whole curve, whatever a training wrote it into."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llm_loop.runs.whole_curves import whole_curve

ROWS = [{"epoch": 2, "val_dice": 0.4}, {"epoch": 1, "val_dice": 0.3}, {"epoch": 2, "val_dice": 0.5}]


@pytest.mark.parametrize("source", ["metrics.jsonl", "metrics.json", "printed.log"])
def test_each_source_tells_and_the_later_of_an_epoch_stands(tmp_path: Path, source: str) -> None:
    text = json.dumps({"history": ROWS}) if source == "metrics.json" else "".join(f"{json.dumps(r)}\n" for r in ROWS)
    (tmp_path / source).write_text(text, encoding="utf-8")
    assert list(whole_curve(tmp_path, tmp_path / "printed.log", "val_dice").items()) == [(1, 0.3), (2, 0.5)]


def test_the_file_counts_before_what_was_printed(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"epoch": 1, "val_dice": 0.7}\n', encoding="utf-8")
    (tmp_path / "printed.log").write_text('{"epoch": 1, "val_dice": 0.1}\n', encoding="utf-8")
    assert whole_curve(tmp_path, tmp_path / "printed.log", "val_dice") == {1: 0.7}


def test_what_is_no_number_is_left_out(tmp_path: Path) -> None:
    rows = ['{"epoch": 1, "val_dice": NaN}', '{"epoch": -1, "val_dice": 0.5}', '{"epoch": 3, "val_dice": "0.5"}', "no"]
    (tmp_path / "metrics.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    assert whole_curve(tmp_path, tmp_path / "printed.log", "val_dice") == {}
