"""Pages stay short: what is old moves beside them, and a person's lines stay where they are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.memory import older_lines
from llm_loop.memory.shared_todo import Addition, Author, SharedTodo
from llm_loop.memory.workpad import Workpad
from tests.conftest import TestClock

A_PERSONS = "- this line of mine stays, however old it is"


@pytest.mark.slow
def test_the_workpad_keeps_its_latest_lines_and_every_line_is_somewhere(tmp_path: Path, clock: TestClock) -> None:
    paths = WorkspacePaths(tmp_path)
    pad = Workpad(paths, clock)
    pad.ensure()
    page = paths.workpad.read_text("utf-8").replace("## Notes\n", f"## Notes\n\n{A_PERSONS}\n")
    paths.workpad.write_text(page, encoding="utf-8")
    for number in range(3000):
        at_utc = f"2026-03-{1 + number // 1440:02d}T{number // 60 % 24:02d}:{number % 60:02d}:00Z"
        pad.add(at_utc=at_utc, notes=f"note {number}", data_exploration=f"seen {number}" if number % 3 == 0 else "")
    page, older = paths.workpad.read_text("utf-8"), older_lines.older_page(paths.workpad).read_text("utf-8")
    assert len(page) < 61_000 and A_PERSONS in page and A_PERSONS not in older
    assert older_lines.older_page(paths.workpad).name == "workpad.older.md"
    found = [int(number) for number in re.findall(r"note (\d+)$", older + page, re.MULTILINE)]
    assert found == list(range(3000)), "in their order, none twice"
    assert sorted(map(int, re.findall(r"seen (\d+)$", older + page, re.MULTILINE))) == list(range(0, 3000, 3))
    assert page.index("note 2999") < page.index("## Data Exploration") < page.index("seen 2997")


def test_resolved_entries_leave_the_todo_and_open_ones_stay(tmp_path: Path, clock: TestClock) -> None:
    paths = WorkspacePaths(tmp_path)
    todo = SharedTodo(paths, clock)
    todo.ensure()
    paths.shared_todo.write_text(f"# Shared TODO\n- [x] [P07] {A_PERSONS}\n", encoding="utf-8")
    words = [f"compare{number} batch{number} widths{number} across{number} seeds{number}" for number in range(400)]
    for cycle, text in enumerate(words, 1):
        addition = Addition(texts=(text,), author=Author.WORKER, display_name="W", cycle=cycle)
        outcome = todo.add(addition)
        assert outcome.added, outcome
        if cycle % 10:
            todo.resolve(outcome.added, by="W", cycle=cycle)
        else:
            todo.resolve([f"C{cycle - 9 - 1:04d}-W01"] if cycle > 60 else [], by="W", cycle=cycle)
    page, older = paths.shared_todo.read_text("utf-8"), older_lines.older_page(paths.shared_todo).read_text("utf-8")
    assert A_PERSONS in page and "- [ ]" not in older
    assert all((text in page) != (text in older) for text in words)
    assert len(page) < 30_000 and len(todo.open_todos()) < 48
    assert todo.add(Addition(texts=("x",), author=Author.WORKER, display_name="W", cycle=400)).repeated
