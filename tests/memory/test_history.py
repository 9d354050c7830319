"""The history: one row an ended run, whatever a crash left of the file."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import pytest

from llm_loop.contract.decision import IdeaCategory
from llm_loop.contract.result import Direction, Result
from llm_loop.errors import FileWriteError
from llm_loop.memory.history import History, HistoryRow, config_hash, latest_of_each, load
from llm_loop.memory.history_index import HistoryIndex, usual_direction


def result(value: float = 0.5, **changes: Any) -> Result:
    fields: dict[str, Any] = {
        "metric": "val_log_loss",
        "direction": Direction.MIN,
        "value": value,
        "best_val_score": -value,
        "seed": 0,
        "n": 540,
        "params": {"model.name": "small_cnn", "train.seed": 0, "train.lr": 0.001},
        "interval": (value - 0.01, value + 0.01),
    }
    return Result(**(fields | changes))


def row(seq: int, value: float | None = 0.5, **changes: Any) -> HistoryRow:
    fields: dict[str, Any] = {
        "seq": seq,
        "run_id": f"R{seq:04d}",
        "label": f"run-{seq}",
        "label_decided": "run",
        "cycle": seq,
        "cycle_trace_id": f"C{seq:04d}-0a0b0c0d",
        "state": "completed" if value is not None else "failed",
        "cause": None if value is not None else "exit_code",
        "proposer": "AI-Builder",
        "idea_category": IdeaCategory.OPTIMIZATION,
        "started_utc": "2026-01-02T03:04:05Z",
        "ended_utc": "2026-01-02T03:05:05Z",
        "run_seconds": 60.0,
        "attempts": 1,
        "command": "python -m x --a 'ü'",
        "result": None if value is None else result(value),
    }
    return HistoryRow(**(fields | changes))


def index(*rows: HistoryRow) -> HistoryIndex:
    return HistoryIndex("val_log_loss", Direction.MIN, rows)


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    rows = (
        row(3, metrics={"val_log_loss": 0.5, "val_accuracy": 0.9}, code_version="abc", cpu_seconds=1.5),
        row(5, None, peak_memory_bytes=10),
    )
    history = History(path, "stamp")
    assert [history.row_at(history.append(entry) or 0) for entry in rows] == list(rows)
    assert load(path).rows == rows
    assert load(path).rows[0].config_hash == config_hash(result(), "abc")


def test_a_replayed_row_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    history = History(path, "stamp")
    history.append(row(3))
    size = path.stat().st_size
    assert history.append(row(3)) is None
    again = History(path, "stamp")
    assert [again.append(row(seq)) for seq in (2, 3, 4)] == [None, None, size]
    assert [entry.seq for entry in load(path).rows] == [3, 4]


def test_a_missing_file_is_an_empty_history(tmp_path: Path) -> None:
    assert load(tmp_path / "none.jsonl").rows == ()


@pytest.mark.parametrize("cut", [1, 40, 400])
def test_a_torn_last_line_is_moved_away_and_told(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "history.jsonl"
    history = History(path, "s1")
    for seq in (1, 2):
        history.append(row(seq))
    data = path.read_bytes()
    path.write_bytes(data[:-cut])
    assert [entry.seq for entry in load(path).rows] == [1]
    again = History(path, "s2")
    assert again.torn == path.with_name("history.jsonl.torn-s2")
    assert load(path).rows[0].to_json() == json.loads(path.read_bytes())
    assert again.append(row(2)) == len(data) - len(again.torn.read_bytes()) - cut
    assert path.read_bytes() == data
    assert History(path, "s3").torn is None


def test_a_damaged_line_is_left_out_and_named(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    history = History(path, "s1")
    for seq in range(1, 8):
        history.append(row(seq))
    lines = path.read_bytes().split(b"\n")
    lines[0] = b"\xef\xbb\xbf" + lines[0]
    lines[1] = b"\xff\xfe"
    lines[2] = b"[]"
    lines[3] = json.dumps({"schema_version": 99}).encode()
    lines[4] = b"{}"
    lines[5] += b"\r"
    path.write_bytes(b"\n".join(lines))
    loaded = load(path)
    assert [entry.seq for entry in loaded.rows] == [1, 6, 7]
    begins = [sum(len(line) + 1 for line in lines[:number]) for number in (1, 2, 3, 4)]
    assert [f"at byte {begin} " in str(error) for begin, error in zip(begins, loaded.damaged, strict=True)] == [
        True
    ] * 4
    assert "schema_version 99" in str(loaded.damaged[2])
    assert History(path, "s2").append(row(8)) is not None


def test_a_history_that_cannot_be_written_is_a_file_write_error(tmp_path: Path) -> None:
    history = History(tmp_path / "taken" / "history.jsonl", "s")
    (tmp_path / "taken").touch()
    with pytest.raises(FileWriteError):
        history.append(row(1))
    (tmp_path / "taken").unlink()
    assert history.append(row(1)) == 0, "what failed is not taken as written"


def test_metrics_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    History(path, "s").append(row(1, metrics={"val_a": math.nan, "val_b": math.inf, "val_c": 1.0}))
    assert load(path).rows[0].metrics == {"val_c": 1.0}


def test_the_config_hash_forgets_the_seed_and_nothing_else() -> None:
    base = config_hash(result(), None)
    other_seed = result(params={"model.name": "small_cnn", "train.seed": 7, "train.lr": 0.001}, seed=7, value=0.1)
    assert config_hash(other_seed, None) == base
    assert config_hash(result(params={"train.lr": 0.001, "train.seed": 0, "model.name": "small_cnn"}), None) == base
    assert config_hash(result(params={"train.lr": 0.002}), None) != base
    assert config_hash(result(budget={"epochs": 3}), None) != base
    assert config_hash(result(data_hash="other"), None) != base
    assert config_hash(result(), "edited") != base
    assert config_hash(result(params=None), None) is None


def test_trend_counts_runs_with_an_outcome_only() -> None:
    history = index()
    assert history.best is None and history.runs_since_improvement == 0
    for entry in (row(1, 0.9), row(2, 0.5), row(3, None), row(4, 0.6), row(5, None), row(6, None)):
        history.add(entry)
    assert history.best is not None
    assert (history.best.value, history.best.run_id) == (0.5, "R0002")
    assert history.runs_since_improvement == 1
    assert history.consecutive_failures == 2
    assert history.states == {"completed": 3, "failed": 3}
    assert history.delta_to_best(0.25) == -0.25


def test_small_gains_do_not_count_above_a_threshold() -> None:
    history = index(*(row(seq, 0.5 - seq / 1000) for seq in range(1, 8)))
    assert history.runs_since_improvement == 0
    assert history.runs_without_gain(0.0045) == 1
    assert history.runs_without_gain(0.1) == 6


def test_both_ends_of_every_metric_are_known() -> None:
    history = index(
        row(1, 0.5, metrics={"val_log_loss": 0.5, "val_accuracy": 0.8, "train_loss": 0.4}),
        row(2, 0.6, metrics={"val_log_loss": 0.6, "val_accuracy": 0.9, "train_loss": 0.2}),
        row(3, None, metrics={"val_accuracy": 1.0}),
    )
    ends = {
        name: [(end.value, end.run_id) for end in (found.low, found.high)] for name, found in history.extremes.items()
    }
    assert ends == {
        "val_log_loss": [(0.5, "R0001"), (0.6, "R0002")],
        "val_accuracy": [(0.8, "R0001"), (0.9, "R0002")],
        "train_loss": [(0.2, "R0002"), (0.4, "R0001")],
    }


def test_usual_directions() -> None:
    names = ("val_log_loss", "val_brier", "val-error", "val_accuracy", "val_auc", "val_dice_pos", "val_precision")
    assert [usual_direction(name).value for name in names] == ["min", "min", "min", "max", "max", "max", "max"]


def test_categories_say_how_they_paid() -> None:
    history = index(
        row(1, 0.9),
        row(2, 0.7, idea_category=IdeaCategory.LOSS),
        row(3, None, idea_category=IdeaCategory.LOSS),
        row(4, 0.8, idea_category=IdeaCategory.LOSS),
        row(5, 0.6),
    )
    loss = history.categories[IdeaCategory.LOSS]
    assert (loss.tried, loss.ranked, loss.improved, loss.best) == (3, 2, 1, 0.7)
    assert loss.gain == pytest.approx(0.2)
    first = history.categories[IdeaCategory.OPTIMIZATION]
    assert (first.tried, first.improved, first.best) == (2, 1, 0.6)


def test_a_resumed_run_is_counted_once() -> None:
    rows = row(1, 0.9), row(2, None, run_id="R0002", state="interrupted"), row(3, 0.8), row(4, 0.5, run_id="R0002")
    history = index(*rows)
    assert [entry.run_id for entry in latest_of_each(rows)] == ["R0001", "R0003", "R0002"]
    assert history.states == {"completed": 3}
    assert history.best is not None and history.best.run_id == "R0002"
    assert history.categories[IdeaCategory.OPTIMIZATION].tried == 3


def test_a_result_of_a_failed_run_does_not_rank_and_a_stopped_one_does() -> None:
    history = index(row(1, 0.9), row(2, 0.1, state="failed"))
    assert history.best is not None and history.best.run_id == "R0001"
    history.add(row(3, 0.2, state="cancelled", result=result(0.2, stopped_early=True)))
    assert history.best.run_id == "R0003"


def test_four_thousand_rows_load_in_a_second(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text("".join(json.dumps(row(seq).to_json()) + "\n" for seq in range(4_000)), encoding="utf-8")
    started = time.process_time()
    history = index(*load(path).rows)
    assert time.process_time() - started < 1
    assert history.runs == 4_000
