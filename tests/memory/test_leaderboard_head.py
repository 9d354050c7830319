"""The head of the leaderboard comes from its file, and from the runs when the file is of no use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llm_loop.contract.result import Direction
from llm_loop.memory import leaderboard
from llm_loop.memory.leaderboard_head import leaderboard_head
from tests.stages.long_campaign import history_row

ROWS = [history_row(number) for number in range(1, 21)]


def test_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "leaderboard.json"
    board = leaderboard.build(ROWS, "val_log_loss", Direction.MIN, 10)
    path.write_text(json.dumps(board.to_json()), encoding="utf-8")
    head = leaderboard_head(path, [], "val_log_loss", Direction.MIN)
    assert (head.ranked_runs, len(head.places)) == (20, 8)
    assert [place.value for place in head.places] == [entry.value for entry in board.entries[:8]]
    assert head == leaderboard_head(tmp_path / "missing.json", ROWS, "val_log_loss", Direction.MIN)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"metric": "dice", "direction": "max", "entries": []}', '{"metric": "val_log_loss"}']
)
def test_a_file_of_no_use(tmp_path: Path, text: str) -> None:
    path = tmp_path / "leaderboard.json"
    path.write_text(text, encoding="utf-8")
    head = leaderboard_head(path, ROWS, "val_log_loss", Direction.MIN)
    assert head.places[0].value == min(row.value_of("val_log_loss") or 9 for row in ROWS)


def test_no_runs_no_places(tmp_path: Path) -> None:
    assert leaderboard_head(tmp_path / "l.json", [], "val_log_loss", Direction.MIN).places == ()
