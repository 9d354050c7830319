"""The leaderboard: seeds together, ties named, failures apart, no number that is none."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import pytest

from llm_loop.contract.decision import IdeaCategory
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.result import Direction, Result
from llm_loop.memory.history import HistoryRow
from llm_loop.memory.history_index import HistoryIndex
from llm_loop.memory.leaderboard import Leaderboard, build
from llm_loop.memory.leaderboard_text import LeaderboardFiles, header, text_rows, to_markdown
from llm_loop.memory.noise import TieBasis
from llm_loop.system.clock import SystemClock


def run(
    number: int,
    value: float | None,
    *,
    lr: float | None = None,
    seed: int | None = 0,
    state: str = "completed",
    metrics: dict[str, float] | None = None,
    label: str | None = None,
    **changes: Any,
) -> HistoryRow:
    result = None
    if value is not None:
        fields: dict[str, Any] = {
            "metric": "val_log_loss",
            "direction": Direction.MIN,
            "value": value,
            "best_val_score": -value,
            "seed": seed,
            "params": None if lr is None else {"train.lr": lr, "train.seed": seed},
            "model": "small_cnn",
        }
        result = Result(**(fields | changes))
    return HistoryRow(
        seq=number,
        run_id=f"R{number:04d}",
        label=label or f"run-{number}",
        label_decided="run",
        cycle=number,
        cycle_trace_id=f"C{number:04d}-0a0b0c0d",
        state=state,
        cause=None if state == "completed" else "exit_code",
        proposer="AI-Builder" if number % 2 else "built-in",
        idea_category=IdeaCategory.OTHER,
        started_utc=None,
        ended_utc="2026-01-02T03:05:05Z",
        run_seconds=10.0 * number,
        attempts=1,
        command="c",
        result=result,
        metrics=metrics,
    )


def board(*rows: HistoryRow, top_k: int = 10) -> Leaderboard:
    return build(rows, "val_log_loss", Direction.MIN, top_k)


def test_seeds_of_one_configuration_are_one_entry() -> None:
    ranked = board(
        run(1, 0.30, lr=0.1),
        run(2, 0.10, lr=0.2, seed=0),
        run(3, 0.12, lr=0.2, seed=1),
        run(4, 0.11, lr=0.2, seed=2),
        run(5, 0.11, lr=0.2, seed=2),
    )
    first, second = ranked.entries
    assert first.run_ids == ("R0002", "R0003", "R0004", "R0005")
    assert (first.seeds, first.label, first.proposer, first.run_seconds) == (3, "run-2", "built-in, AI-Builder", 35.0)
    assert first.value == pytest.approx(0.11) and first.sd == pytest.approx(0.01)
    assert (second.rank, second.sd, second.seeds, second.tied_with_best) == (2, None, 1, False)
    assert (ranked.ranked_configs, ranked.ranked_runs) == (2, 5)


def test_ties_are_named_with_their_basis() -> None:
    ranked = board(
        run(1, 0.10, lr=0.1, interval=(0.08, 0.12)),
        run(2, 0.11, lr=0.2, interval=(0.09, 0.13)),
        run(3, 0.20, lr=0.3, interval=(0.18, 0.22)),
    )
    assert [entry.tied_with_best for entry in ranked.entries] == [True, True, False]
    assert {entry.tie_basis for entry in ranked.entries[1:]} == {TieBasis.INTERVAL}
    unknown = board(run(1, 0.1, lr=0.1), run(2, 0.2, lr=0.2))
    assert [entry.tied_with_best for entry in unknown.entries] == [None, None]
    assert "not known" in text_rows(unknown)[1]


def test_larger_is_better_where_the_direction_says_so() -> None:
    rows = [run(1, 0.8, lr=0.1), run(2, 0.9, lr=0.2)]
    assert [entry.value for entry in build(rows, "val_log_loss", Direction.MAX, 5).entries] == [0.9, 0.8]


def test_equal_values_are_ordered_by_seeds_then_age() -> None:
    ranked = board(run(1, 0.5, lr=0.1), run(2, 0.5, lr=0.2), run(3, 0.5, lr=0.3, seed=0), run(4, 0.5, lr=0.3, seed=1))
    assert [entry.run_ids[0] for entry in ranked.entries] == ["R0003", "R0001", "R0002"]


def test_tie_breakers_order_equal_values_and_no_others() -> None:
    ranked = board(
        run(1, 0.5, lr=0.1, metrics={"val_average_precision": 0.7, "val_roc_auc": 0.9}),
        run(2, 0.5, lr=0.2, metrics={"val_average_precision": 0.8, "val_roc_auc": 0.6}),
        run(3, 0.5, lr=0.3),
        run(4, 0.5, lr=0.4, metrics={"val_average_precision_presence": 0.8, "val_roc_auc_presence": 0.7}),
        run(5, 0.4, lr=0.5, metrics={"val_average_precision": 0.1}),
    )
    assert [entry.run_ids[0] for entry in ranked.entries] == ["R0005", "R0004", "R0002", "R0001", "R0003"]
    assert header(ranked)[2:4] == ("AP", "AUC")
    assert [row[2:4] for row in text_rows(ranked)][:2] == [("0.1", "-"), ("0.8", "0.7")]


def test_what_did_not_complete_is_apart() -> None:
    ranked = board(
        run(1, 0.5, lr=0.1),
        run(2, 0.01, lr=0.2, state="failed"),
        run(3, None, state="interrupted"),
        run(4, None, state="cancelled", metrics={"val_log_loss": 0.02}),
        run(5, 0.4, lr=0.1, state="cancelled", stopped_early=True),
        run(6, math.nan, lr=0.4),
        run(7, 0.9, lr=0.5, metric="val_accuracy"),
    )
    assert [(entry.run_ids, entry.stopped_early) for entry in ranked.entries] == [
        (("R0005",), True),
        (("R0001",), False),
    ]
    assert ranked.apart_counts == {"failed": 1, "interrupted": 1, "cancelled": 1, "without this metric": 2}
    assert [(apart.run_id, apart.partial_value) for apart in ranked.apart][1:3] == [("R0003", None), ("R0004", 0.02)]


def test_a_run_without_parameters_stands_alone() -> None:
    ranked = board(run(1, 0.5), run(2, 0.4))
    assert [(entry.run_ids, entry.config_hash) for entry in ranked.entries] == [(("R0002",), None), (("R0001",), None)]


def test_another_metric_is_taken_from_the_best_epoch() -> None:
    rows = [run(1, 0.5, lr=0.1, metrics={"val_accuracy": 0.8}, interval=(0.4, 0.6)), run(2, 0.4, lr=0.2)]
    ranked = build(rows, "val_accuracy", Direction.MAX, 5)
    assert [(entry.value, entry.interval) for entry in ranked.entries] == [(0.8, None)]


def test_top_k_cuts_the_rows_and_not_the_counts() -> None:
    ranked = board(*(run(number, number / 10, lr=float(number)) for number in range(1, 9)), top_k=3)
    assert [entry.rank for entry in ranked.entries] == [1, 2, 3]
    assert ranked.ranked_configs == 8 and ranked.best is not None and ranked.best.value == 0.1


def test_an_empty_board_says_so() -> None:
    assert "No run has a result yet." in to_markdown(board())
    assert text_rows(board()) == []


def test_a_hostile_label_breaks_no_table(tmp_path: Path) -> None:
    ranked = board(
        run(1, 0.5, lr=0.1, interval=(0.4, 0.6), label="a | b\n# c"), run(2, None, state="failed", label="x\ny")
    )
    page = to_markdown(ranked)
    table = [line for line in page.split("\n") if line.startswith("|")]
    assert len(table) == 3
    assert {line.count(" | ") for line in table} == {len(header(ranked)) - 1}
    assert "0.5 [0.4, 0.6]" in page and "- R0002 x y: failed (exit_code)" in page
    assert "self-reported" in page


def test_both_files_are_written_and_a_persons_page_is_returned(tmp_path: Path) -> None:
    paths = WorkspacePaths(tmp_path)
    written = LeaderboardFiles(paths, SystemClock())
    first = board(run(1, 0.5, lr=0.1, seed=0), run(2, 0.6, lr=0.1, seed=1))
    assert written.write(first).changed
    assert not written.write(first).changed
    value = json.loads(paths.leaderboard_json.read_text("utf-8"))
    assert value["entries"][0]["run_ids"] == ["R0001", "R0002"] and value["direction"] == "min"
    paths.leaderboard_markdown.write_text("my notes", encoding="utf-8")
    edit = written.write(board(run(1, 0.5, lr=0.1))).human_edit
    assert edit is not None and edit.text == "my notes"
    assert any(path.read_text("utf-8") == "my notes" for path in paths.kept_versions.glob("leaderboard-*.md"))


def test_three_thousand_runs_are_ranked_quickly() -> None:
    rows = [run(number, 1 / number, lr=float(number // 2), seed=number % 2) for number in range(1, 3001)]
    started = time.process_time()
    ranked = board(*rows)
    assert time.process_time() - started < 0.3
    assert ranked.ranked_configs == 1501


def test_results_on_other_data_are_counted_and_not_ranked() -> None:
    rows = [run(1, 0.05, lr=0.1, data_hash="digits"), run(2, 0.5, lr=0.1, data_hash="mine"), run(3, 0.4, lr=0.2)]
    ranked = build(rows, "val_log_loss", Direction.MIN, 10)
    assert [entry.run_ids for entry in ranked.entries] == [("R0003",), ("R0002",)]
    assert ranked.apart_counts == {"on other data": 1}


def test_bests_and_trend_begin_anew_on_other_data() -> None:
    index = HistoryIndex("val_log_loss", Direction.MIN)
    for row in (
        run(1, 0.05, lr=0.1, data_hash="digits"),
        run(2, None, state="failed"),
        run(3, 0.5, lr=0.1, data_hash="mine"),
    ):
        index.add(row)
    assert index.best is not None and index.best.run_id == "R0003"
    assert index.runs == 3 and index.runs_since_improvement == 0
