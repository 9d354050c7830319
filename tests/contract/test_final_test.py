"""The score on test rows: what is believed at the door."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from llm_loop.contract.final_test import (
    MOST_BYTES,
    FinalTestResult,
    ScoreSource,
    metric_on_test,
    read_final_test,
    write_final_test,
)
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.errors import ContractError

RESULT = FinalTestResult(
    run_id="R0007",
    metric="test_dice",
    value=0.8125,
    interval=(0.7, 0.9),
    n=60,
    metrics={"test_dice": 0.8125, "test_roc_auc": None, "threshold": 0.5},
    opened_utc="2026-03-01T22:00:00+00:00",
    opening=1,
    sealed_hash="a" * 64,
    source=ScoreSource.TRAINER,
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = WorkspacePaths(tmp_path).final_test_result
    assert path == tmp_path / ".llm_loop" / "artifacts" / "final_test_result.json"
    with pytest.raises(FileNotFoundError):
        read_final_test(path)
    write_final_test(path, RESULT)
    assert read_final_test(path) == RESULT
    least = json.loads(path.read_text(encoding="utf-8"))
    least |= {
        "interval": None,
        "n": None,
        "metrics": {},
        "opening": None,
        "sealed_hash": None,
        "source": "test_command",
    }
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(least).encode())
    assert (read_final_test(path).interval, read_final_test(path).source) == (None, ScoreSource.TEST_COMMAND)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"value": "good"}, "value"),
        ({"value": True}, "value"),
        ({"value": 10**400}, "more digits"),
        ({"value": 0.9}, "metrics.test_dice is another number"),
        ({"interval": [0.9, 0.7]}, "low first"),
        ({"interval": [0.7]}, "low first"),
        ({"n": 0}, "n"),
        ({"n": 1.5}, "n"),
        ({"opening": 0}, "opening"),
        ({"metrics": {"test_dice": "high"}}, "metrics.test_dice"),
        ({"metrics": {"\x1b[2J": 1}}, "printable"),
        ({"metrics": {"x" * 101: 1}}, "at most 100"),
        ({"metrics": {f"m{number}": 1 for number in range(201)}}, "at most 200"),
        ({"metric": " \n"}, "printable"),
        ({"opened_utc": "yesterday"}, "opened_utc"),
        ({"opened_utc": "2026-03-01T22:00:00"}, "time zone"),
        ({"source": "somebody"}, "source"),
        ({"schema_version": 2}, "schema_version"),
        ({"score": 1}, "unknown key 'score'"),
    ],
    ids=str,
)
def test_what_is_not_believed(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ContractError, match=says):
        FinalTestResult.from_json(RESULT.to_json() | change)


@pytest.mark.parametrize("text", ["", "[]", "null", '{"value": NaN}', "[" * 100_000, '{"a": 1' + "0" * 5_000 + "}"])
def test_a_file_that_holds_something_else(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text, encoding="utf-8")
    with pytest.raises(ContractError):
        read_final_test(tmp_path / "x.json")


def test_a_file_that_is_none_or_too_large(tmp_path: Path) -> None:
    (tmp_path / "large.json").write_text(" " * (MOST_BYTES + 1), encoding="utf-8")
    places = [tmp_path / "large.json", tmp_path]
    if os.name == "posix":
        os.mkfifo(tmp_path / "pipe")
        places.append(tmp_path / "pipe")
    for place in places:
        with pytest.raises(ContractError, match="cannot be read"):
            read_final_test(place)


def test_metrics_keep_their_stem() -> None:
    assert metric_on_test("val_dice_pos") == "test_dice_pos"
    assert metric_on_test("accuracy") == "test_accuracy"
    assert metric_on_test("test_dice") == "test_dice"
