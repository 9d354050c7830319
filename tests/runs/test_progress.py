"""Rows of metrics from whatever a training writes or prints; all of it untrusted."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from llm_loop.runs import progress
from llm_loop.runs.progress import LogReader, RowReader, best_row, finite, row_of, rows_of_file, rows_of_metrics_json


@pytest.mark.parametrize(
    ("line", "row"),
    [
        (b'{"epoch": 2, "val_log_loss": 0.3}', {"epoch": 2, "val_log_loss": 0.3}),
        (b"{'epoch': 1, 'val_dice': 0.5, 'x': None, 'ok': True}", {"epoch": 1, "val_dice": 0.5, "x": None, "ok": True}),
        (b"  {'epoch': 3, 'val_log_loss': nan, 'b': -inf}\r", {"epoch": 3, "val_log_loss": None, "b": None}),
        (b"{'epoch': 3, 'val_inf': 1, 'note': 'nan'}", {"epoch": 3, "val_inf": 1, "note": "nan"}),
        (b"{'epoch': 1, 'val_a': 1, 'path': 'C:\\data'}", {"epoch": 1, "val_a": 1, "path": "C:\\data"}),
    ],
)
def test_a_printed_dict_or_json_object_is_a_row(line: bytes, row: dict[str, object]) -> None:
    assert row_of(line) == row


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"epoch 3 val_loss 0.1",
        b'{"epoch": 1}',
        b'{"val_loss": 1}',
        b'{"epoch": "1", "val_a": 2}',
        b"{'epoch': 1, 'val_a':}",
        b'["epoch", "val_a"]',
        b"{'epoch', 'val_a'}",
        b"{'epoch': 1, 'val_a': __import__('os').getcwd()}",
        b"{[]: 'epoch'}",
        b'{"epoch": 1, "val_a": "' + b"x" * 20_000 + b'"}',
        b'{"epoch": 1, "val_a": ' + b"[" * 9_000 + b"]" * 9_000 + b"}",
        b'{"epoch": 1, "val_a": ' + b"1" * 5_000 + b"}",
        b"{'epoch': \x00, 'val_a': 1}",
        b"{\xff 'epoch': 1 'val_}",
    ],
    ids=range(15),
)
def test_what_is_no_row_is_passed_over(line: bytes) -> None:
    assert row_of(line) is None


def test_rows_come_when_their_line_is_whole() -> None:
    reader = RowReader()
    assert reader.feed(b'noise\n{"epoch": 1, ') == []
    assert reader.feed(b'"val_a": 1}') == []
    assert reader.feed(b'\n{"epoch": 2, "val_a": 2}\n{"ep') == [{"epoch": 1, "val_a": 1}, {"epoch": 2, "val_a": 2}]


def test_a_line_without_end_costs_no_memory() -> None:
    reader = RowReader()
    for _ in range(50):
        assert reader.feed(b"x" * 10_000) == []
    assert len(reader._rest) <= progress.MAX_LINE_BYTES
    assert reader.feed(b'\n{"epoch": 1, "val_a": 1}\n') == [{"epoch": 1, "val_a": 1}]


def test_a_growing_log_is_read_once_and_a_new_one_from_its_start(tmp_path: Path) -> None:
    log = tmp_path / "out.log"
    reader = LogReader(log)
    assert reader.read(100) == b""
    log.write_bytes(b"0123456789")
    assert [reader.read(4), reader.read(4), reader.read(4), reader.read(4)] == [b"0123", b"4567", b"89", b""]
    with log.open("ab") as stream:
        stream.write(b"ab")
    assert reader.read(100) == b"ab"
    log.write_bytes(b"new")
    assert reader.read(100) == b"new"
    log.unlink()
    assert reader.read(100) == b""


def test_metrics_json_of_a_foreign_trainer(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    assert rows_of_metrics_json(path) == []
    path.write_text(
        '\ufeff{"history": [{"epoch": 1, "val_a": NaN}, 7, {"epoch": 2}], "best_epoch": 1}', encoding="utf-8"
    )
    rows = rows_of_metrics_json(path)
    assert [row["epoch"] for row in rows] == [1, 2] and math.isnan(rows[0]["val_a"])
    for text in ("", "[]", '{"history": {}}', '{"history": [', "[" * 200_000, "1" * 5000):
        path.write_text(text, encoding="utf-8")
        assert rows_of_metrics_json(path) == []
    path.write_bytes(b'{"history": [{"epoch": 1}], "x": "\xff"}')
    assert rows_of_metrics_json(path) == [{"epoch": 1}]


def test_a_huge_metrics_json_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "metrics.json").write_text('{"history": [{"epoch": 1}]}', encoding="utf-8")
    monkeypatch.setattr(progress, "MAX_METRICS_JSON_BYTES", 10)
    assert rows_of_metrics_json(tmp_path / "metrics.json") == []


def test_a_finished_log_gives_its_last_rows(tmp_path: Path) -> None:
    log = tmp_path / "out.log"
    log.write_bytes(b"".join(b'{"epoch": %d, "val_a": 1}\n' % n for n in range(1, 100)) + b'{"epoch": 100, "val_a": 1}')
    assert [row["epoch"] for row in rows_of_file(log)] == list(range(1, 101)), "the last line needs no end"
    assert [row["epoch"] for row in rows_of_file(log, max_bytes=60)] == [99, 100]
    assert rows_of_file(tmp_path / "gone") == []


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (1, 1.0),
        (0.5, 0.5),
        (True, None),
        ("1", None),
        (None, None),
        (float("nan"), None),
        (float("inf"), None),
        (10**400, None),
    ],
)
def test_only_finite_numbers_count(value: object, number: float | None) -> None:
    assert finite(value) == number


def test_the_best_row_is_the_first_of_equals() -> None:
    rows = [{"n": n, "val_a": value} for n, value in enumerate([None, 0.5, float("nan"), 0.2, 0.2, 0.9, 10**400])]
    lowest, highest = best_row(rows, "val_a", "min"), best_row(rows, "val_a", "max")
    assert lowest is not None and lowest["n"] == 3
    assert highest is not None and highest["n"] == 5
    assert best_row(rows, "val_b", "min") is None
