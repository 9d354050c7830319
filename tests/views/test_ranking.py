"""The ranking of a status: from the leaderboard's file where that knows every run, else from the whole history."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_loop.memory import history
from llm_loop.views.ranking import PLACES, Ranking
from tests.views.workspace_builder import WorkspaceBuilder


@pytest.fixture
def workspace(tmp_path: Path) -> WorkspaceBuilder:
    builder = WorkspaceBuilder(tmp_path)
    for number in range(PLACES + 2):
        run = builder.stage(f"run {number}")
        builder.launch(run)
        builder.end(run, 0.5 - number / 100)
    return builder


@pytest.fixture
def whole_reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The history files that were read whole."""
    found: list[Path] = []
    real = history.load
    monkeypatch.setattr(history, "load", lambda path: found.append(path) or real(path))  # type: ignore[func-returns-value]
    return found


def ranked(workspace: WorkspaceBuilder) -> Ranking:
    ranking = Ranking(workspace.paths)
    ranking.look(workspace.context.config)
    return ranking


def told(ranking: Ranking) -> tuple[Any, ...]:
    board = ranking.board
    assert board is not None
    return board, ranking.states, ranking.best({}), ranking.metric, ranking.direction


def test_the_leaderboards_file_tells_all_and_no_history_is_read(
    workspace: WorkspaceBuilder, whole_reads: list[Path]
) -> None:
    by_file = told(ranked(workspace))
    assert whole_reads == []
    workspace.paths.leaderboard_json.unlink()
    by_history = told(ranked(workspace))
    assert len(whole_reads) == 1 and by_file == by_history
    assert len(by_file[0].entries) == PLACES and by_file[1] == {"completed": PLACES + 2}
    assert by_file[2].run_id == "R0007"


def test_a_run_that_the_file_has_not_heard_of_is_ranked(workspace: WorkspaceBuilder, whole_reads: list[Path]) -> None:
    kept = workspace.paths.leaderboard_json.read_bytes()
    run = workspace.stage("better")
    workspace.launch(run)
    workspace.end(run, 0.1)
    workspace.paths.leaderboard_json.write_bytes(kept)
    ranking = ranked(workspace)
    best = ranking.best({})
    assert best is not None and best.label == "better" and ranking.states == {"completed": PLACES + 3}
    for _ in range(3):
        ranking.look(workspace.context.config)
    assert len(whole_reads) == 1, "and not again as long as nothing changes"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda board: board["entries"][0].update(value="a word"),
        lambda board: board["entries"][0].update(surprise=1),
        lambda board: board.update(states={"completed": "many"}),
        lambda board: board.update(best={"run_id": 3}),
        lambda board: board.pop("last_seq"),
        lambda board: board.update(apart=[{}]),
        lambda board: board.update(entries=None),
    ],
)
def test_a_file_that_is_not_as_the_loop_writes_it_is_not_believed(
    workspace: WorkspaceBuilder, whole_reads: list[Path], spoil: Callable[[dict[str, Any]], Any]
) -> None:
    good = told(ranked(workspace))
    board = json.loads(workspace.paths.leaderboard_json.read_bytes())
    spoil(board)
    workspace.paths.leaderboard_json.write_text(json.dumps(board), encoding="utf-8")
    assert told(ranked(workspace)) == good and len(whole_reads) == 1


def test_a_row_that_is_being_written_is_not_waited_for(workspace: WorkspaceBuilder, whole_reads: list[Path]) -> None:
    with workspace.paths.history.open("ab") as stream:
        stream.write(b'{"schema_version": 1, "seq": 9')
    assert told(ranked(workspace))[1] == {"completed": PLACES + 2} and whole_reads == []
