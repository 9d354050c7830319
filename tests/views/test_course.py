"""How the best has come on, and the open entries of the TODO, as ``status`` shows them."""

from __future__ import annotations

from pathlib import Path

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.result import Direction
from llm_loop.system import files
from llm_loop.system.clock import SystemClock
from llm_loop.views.course import MOST_RUNS, Course
from llm_loop.views.reading import SnapshotReader
from llm_loop.views.screen import draw
from llm_loop.views.wording import ASCII
from tests.memory.test_leaderboard import run


def write(paths: WorkspacePaths, *values: float | None) -> None:
    paths.loop.mkdir(parents=True, exist_ok=True)
    for number, value in enumerate(values, 1):
        row = run(number, value, state="failed" if value is None else "completed")
        files.append_line(paths.history, files.json_text(row.to_json()))


def test_the_best_so_far_goes_one_way_and_skips_what_does_not_rank(tmp_path: Path) -> None:
    paths = WorkspacePaths(tmp_path)
    write(paths, 0.5, 0.7, None, 0.3, 0.4)
    course = Course(paths)
    assert course.best_so_far("val_log_loss", Direction.MIN) == (0.5, 0.5, 0.3, 0.3)
    assert course.best_so_far("val_log_loss", Direction.MAX) == (0.5, 0.7, 0.7, 0.7)
    assert course.best_so_far("val_dice", Direction.MAX) == () == course.best_so_far(None, None)


def test_of_a_long_history_the_end_is_read(tmp_path: Path) -> None:
    paths = WorkspacePaths(tmp_path)
    write(paths, 0.01, *([0.5] * MOST_RUNS))
    with paths.history.open("ab") as stream:
        stream.write(b"no row\n")
    assert Course(paths).best_so_far("val_log_loss", Direction.MIN) == (0.5,) * (MOST_RUNS - 1)


def test_the_screen_shows_both(tmp_path: Path) -> None:
    paths = WorkspacePaths(tmp_path)
    write(paths, 0.9, 0.6, 0.1)
    paths.artifacts.mkdir(parents=True)
    lines = [f"- [ ] try number {number}" for number in range(1, 6)]
    paths.shared_todo.write_text("# TODO\n\n- [x] [P01] done\n" + "\n".join(lines) + "\x1b[31m\n", encoding="utf-8-sig")
    snapshot = SnapshotReader(paths, SystemClock(), {}).take()
    assert (snapshot.open_todos, len(snapshot.todo)) == (5, 3)
    shown = [line.plain for line in draw(snapshot, 80, None, ASCII)]
    assert "best so far  @+_" in shown
    place = shown.index("TODO  5 open")
    assert [line.split("] ")[1] for line in shown[place + 1 : place + 4]] == [f"try number {n}" for n in (1, 2, 3)]
    assert all(len(line.plain) <= 40 for line in draw(snapshot, 40, 20, ASCII))
