"""The ended runs at a cost that does not grow: the same as from the whole history, whatever came and was restarted."""

from __future__ import annotations

import json
import random
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.result import Direction
from llm_loop.memory import leaderboard, past_runs, shown_runs, standings
from llm_loop.memory.history import HistoryRow, latest_of_each, load
from llm_loop.memory.history_index import HistoryIndex
from llm_loop.memory.past_runs import PastRuns
from tests.memory.test_leaderboard import run

METRIC = "val_log_loss"


def opened(root: Path) -> PastRuns:
    return PastRuns(WorkspacePaths(root), "stamp", METRIC, Direction.MIN)


def random_row(rng: random.Random, seq: int, data: str | None) -> HistoryRow:
    """A run of a few configurations, seeds and ends; now and then one that is resumed, or on other data."""
    run_id = f"R{rng.randrange(1, seq):04d}" if seq > 2 and rng.random() < 0.01 else f"R{seq:04d}"
    kind = rng.random()
    if kind < 0.15:
        row = run(seq, None, state=rng.choice(["failed", "cancelled", "lost"]))
    else:
        seed = rng.choice([None, 0, 1, 2, -3])
        fields: dict[str, Any] = {"seed": seed, "data_hash": data, "stopped_early": rng.random() < 0.1}
        fields |= {"metrics": {METRIC: 0.1, "val_acc": rng.random()}, "lr": rng.choice([None, *range(40)])}
        fields |= {"metric": "other"} if rng.random() < 0.05 else {}
        row = run(seq, round(rng.random(), 2), state=rng.choice(["completed"] * 8 + ["failed", "cancelled"]), **fields)
    return replace(row, run_id=run_id, label=f"label {run_id}")


def expected_board(rows: tuple[HistoryRow, ...]) -> dict[str, Any]:
    board = leaderboard.build(rows, METRIC, Direction.MIN, 10)
    return comparable(board)


def comparable(board: leaderboard.Leaderboard) -> dict[str, Any]:
    value = asdict(board)
    value["entries"] = [{**entry, "value": pytest.approx(entry["value"])} for entry in value["entries"]]
    return value


def expected_shown(rows: tuple[HistoryRow, ...], latest: int, best: int) -> tuple[HistoryRow, ...]:
    data = next((row.data_hash for row in reversed(rows) if row.ranks and row.data_hash is not None), None)
    rows = tuple(row for row in rows if row.data_hash in (None, data))
    older = [row for row in rows[:-latest] if row.result is not None]
    best_ones = sorted(older, key=lambda row: -row.result.best_val_score if row.result else 0)[:best]
    return tuple(row for row in older if row in best_ones) + rows[-latest:]


@pytest.mark.parametrize("seed", range(4))
def test_it_knows_what_the_whole_history_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(standings, "KEPT_PLACES", 12)  # so that places are looked for again
    monkeypatch.setattr(shown_runs, "LATEST_RUNS", 30)
    monkeypatch.setattr(shown_runs, "BEST_RUNS", 5)
    monkeypatch.setattr(past_runs, "_KEPT_ROWS", 20)
    monkeypatch.setattr(past_runs, "KEPT_EVERY_RUNS", 7)
    rng = random.Random(seed)
    past, data = opened(tmp_path), rng.choice([None, "a"])
    for seq in range(1, 250):
        data = rng.choice(["a", "b", None]) if rng.random() < 0.01 else data
        assert past.append(random_row(rng, seq, data))
        if rng.random() < 0.1:
            past = opened(tmp_path)
        if rng.random() < 0.02:
            (tmp_path / ".llm_loop" / "history_index.json").write_text('{"schema_version": 1', "utf-8")
            past = opened(tmp_path)
        if rng.random() > 0.3:
            continue
        rows = latest_of_each(load(tmp_path / ".llm_loop" / "history.jsonl").rows)
        index = HistoryIndex(METRIC, Direction.MIN, rows)
        assert comparable(past.board(10)) == expected_board(rows)
        assert past.comparable_rows() == expected_shown(rows, 30, 5)
        assert past.latest_rows(20) == rows[-20:]
        assert past.index.to_json() == index.to_json()
        assert past.index.runs_without_gain(0.05) == index.runs_without_gain(0.05)
        best = index.best
        assert past.best_row() == next((row for row in rows if best is not None and row.run_id == best.run_id), None)
        assert all(past.names.has_ended(row.run_id) and past.names.label_is_taken(row.label) for row in rows)
        assert [past.names.has_result(row.run_id) for row in rows] == [row.result is not None for row in rows]
    assert not past.names.has_ended("R0999") and not past.names.label_is_taken("label R0999")
    assert not past.names.has_ended("R1") and not past.names.has_ended("r0001")


def test_a_start_reads_only_the_rows_behind_what_was_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    past = opened(tmp_path)
    for seq in range(1, 2 * past_runs.KEPT_EVERY_RUNS + 4):
        past.append(run(seq, 0.5 + seq / 1000))
    read: list[int] = []
    real = past_runs.read_rows
    monkeypatch.setattr(
        past_runs, "read_rows", lambda path, begins: (read.append(found[0]) or found for found in real(path, begins))
    )
    again = opened(tmp_path)
    assert len(read) == 3 and again.index.runs == 2 * past_runs.KEPT_EVERY_RUNS + 3


@pytest.mark.parametrize("how", ["replaced", "shorter", "removed", "an older one"])
def test_a_history_of_another_content_is_read_whole(tmp_path: Path, how: str) -> None:
    past, paths = opened(tmp_path), WorkspacePaths(tmp_path)
    for seq in range(1, past_runs.KEPT_EVERY_RUNS + 3):
        past.append(run(seq, 0.5))
    lines = paths.history.read_text("utf-8").splitlines(keepends=True)
    kept = {
        "replaced": [json.dumps(run(seq, 0.1).to_json()) + "\n" for seq in range(1, 70)],
        "shorter": lines[:-20],
        "removed": [],
        "an older one": lines[1:],
    }[how]
    paths.history.write_text("".join(kept), encoding="utf-8")
    again = opened(tmp_path)
    assert again.index.runs == len(kept)
    assert paths.history_index.exists() == bool(kept), "what is of no use does not stay"
    assert [row.run_id for row in again.latest_rows(1)] == ([json.loads(kept[-1])["run_id"]] if kept else [])


def test_a_history_that_is_changed_under_its_writer_is_read_anew(tmp_path: Path) -> None:
    past, paths = opened(tmp_path), WorkspacePaths(tmp_path)
    for seq in (1, 2, 3):
        past.append(run(seq, 0.5 + seq / 100))
    past = opened(tmp_path)
    lines = paths.history.read_text("utf-8").splitlines(keepends=True)
    paths.history.write_text("".join(lines[1:]), encoding="utf-8")
    assert [entry.run_ids for entry in past.board(10).entries] == [("R0002",), ("R0003",)]


def test_another_selection_metric_is_judged_by_from_then_on(tmp_path: Path) -> None:
    past = opened(tmp_path)
    past.append(run(1, 0.1, metrics={METRIC: 0.1, "val_acc": 0.5}))
    past.append(run(2, 0.2, metrics={METRIC: 0.2, "val_acc": 0.9}))
    past.use("val_acc", Direction.MAX)
    assert past.index.best is not None and past.index.best.run_id == "R0002"
    assert [entry.run_ids for entry in past.board(10).entries] == [("R0002",), ("R0001",)]
    assert opened(tmp_path).index.best.run_id == "R0001", "what was kept is of another metric, and no use here"  # type: ignore[union-attr]
