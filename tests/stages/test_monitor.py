"""Watching a run costs little at each look, whatever it writes."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from llm_loop.stages.monitor import RunWatch, has_exploded
from llm_loop.system.files import json_text


def watch(folder: Path, *, metrics_json: Path | None = None, patterns: tuple[str, ...] = ()) -> RunWatch:
    return RunWatch(
        folder=folder,
        stdout=folder / "out.log",
        stderr=folder / "err.log",
        stop_patterns=patterns,
        metric="val_log_loss",
        direction="min",
        metrics_json=metrics_json,
        now_s=0.0,
    )


@pytest.mark.parametrize("epochs", ["1e308", "1e400", "NaN", "2", str(10**300)])
def test_the_heartbeat_can_say_whatever_a_run_claims(tmp_path: Path, epochs: str) -> None:
    row = f'{{"epoch": 1, "epochs": {epochs}, "val_log_loss": 0.5}}\n'
    (tmp_path / "metrics.jsonl").write_text(row, encoding="utf-8", newline="\n")
    seen = watch(tmp_path)
    seen.look(1.0)
    assert json.loads(json_text(seen.progress.to_json(1000.0)))["value"] == 0.5


def test_of_a_flood_of_rows_the_last_ones_are_read(tmp_path: Path) -> None:
    rows = "".join(f"{{'epoch': {n}, 'val_log_loss': nan}}\n" for n in range(1, 7000))
    (tmp_path / "out.log").write_text(rows, encoding="utf-8", newline="\n")
    seen = watch(tmp_path, patterns=("'epoch': 3001,",))
    found = seen.look(1.0)
    assert (seen.progress.epoch, found) == (6999, "'epoch': 3001,")
    assert seen.progress.rows < 200, "a printed dict takes 40 microseconds"


def test_a_big_metrics_file_is_read_seldom(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    seen = watch(tmp_path, metrics_json=path)

    def written(epoch: int, padding: int) -> None:
        row = {"epoch": epoch, "val_log_loss": 0.1, "padding": "x" * padding}
        path.write_text(json.dumps({"history": [{}] * (epoch - 1) + [row]}), encoding="utf-8", newline="\n")

    written(1, 2_000_000)
    seen.look(0.0)
    written(2, 10)
    seen.look(9.0)
    assert seen.progress.epoch == 1, "two megabytes: 12 seconds"
    seen.look(13.0)
    assert seen.progress.epoch == 2


@pytest.mark.skipif(sys.platform == "win32", reason="pipes")
def test_nobody_waits_at_a_pipe(tmp_path: Path) -> None:
    for name in ("out.log", "err.log", "metrics.jsonl", "foreign.json"):
        os.mkfifo(tmp_path / name)
    seen = watch(tmp_path, metrics_json=tmp_path / "foreign.json")
    assert seen.look(3.0) is None and seen.progress.rows == 0


def test_a_time_in_which_nobody_looked_is_no_silence_of_the_run(tmp_path: Path) -> None:
    seen = watch(tmp_path)
    for now_s in (1.0, 2.0, 3602.0, 3603.0):
        seen.look(now_s)
    assert seen.progress.to_json(3603.0)["silent_s"] == 3.0


@pytest.mark.parametrize(
    ("loss", "first", "is_best", "exploded"),
    [
        (2301.0, 2.3, False, False),  # a thousand times, but no large number
        (10_001.0, 2.3, False, True),
        (10_001.0, 11.0, False, False),  # a large number, but such were its losses from the beginning
        (1e9, 2.3, True, False),  # the metric is the best so far: a loss whose weights grow
        (1e9, -2.3, False, False),
        (1e9, None, False, False),
        (None, 2.3, False, False),
    ],
)
def test_a_loss_has_exploded_only_beyond_doubt(
    loss: float | None, first: float | None, is_best: bool, exploded: bool
) -> None:
    assert has_exploded(loss, first, is_best=is_best) is exploded


@pytest.mark.parametrize(("losses", "count"), [((2.0, 1e5, 1e6, 1e7), 3), ((2.0, 1e5, 1e6, 3.0, 1e5), 1)])
def test_epochs_with_an_exploded_loss_are_counted_in_a_row(
    tmp_path: Path, losses: tuple[float, ...], count: int
) -> None:
    rows = [{"epoch": epoch, "train_loss": loss, "val_log_loss": loss} for epoch, loss in enumerate(losses, 1)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    seen = watch(tmp_path)
    seen.look(1.0)
    assert seen.progress.exploded_rows == count
