"""The loop goes on while a foreign process holds its files open, and says which one it could not write."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_loop.contract.paths import WorkspacePaths
from tests.conftest import eventually
from tests.file_holding import held_open
from tests.loop_process import LoopProcess, script

NOTES = {"todo_new": [], "data_exploration_update": "", "resolve_shared_todo_ids": []}


@pytest.fixture
def old_workspace(workspace: Callable[..., Path], clean_environ: dict[str, str]) -> Path:
    """A workspace after its first cycle: every file is there."""
    root = workspace()
    entries = [
        {"train": f"good 0.{9 - number}", "housekeeping": {**NOTES, "notes_update": f"note {number}"}}
        for number in range(6)
    ]
    script(root, *entries)
    with LoopProcess(root, clean_environ, "--cycles", "1") as loop:
        assert loop.finish()[0] == 0
    return root


def workpad(paths: WorkspacePaths) -> str:
    return paths.workpad.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("names", [("state.json",), ("workpad.md",)], ids=lambda names: "+".join(names))
def test_files_held_for_ever_stand_and_the_loop_goes_on(
    old_workspace: Path, clean_environ: dict[str, str], names: tuple[str, ...]
) -> None:
    paths = WorkspacePaths(old_workspace)
    held = [path for path in (paths.state, paths.workpad) if path.name in names]
    before = [path.read_bytes() for path in held]
    with held_open(*held), LoopProcess(old_workspace, clean_environ, "--cycles", "2") as loop:
        code, _, err = loop.finish()
        assert code == 0, err
        assert [row["state"] for row in loop.history()] == ["completed"] * len(loop.history())
        assert len(loop.events("run_ended")) == 3
        troubles = [*loop.events("file_not_written"), *loop.events("error")]
        assert all("cannot write" in event["why"] for event in troubles), troubles
        if os.name == "nt":
            assert [path.read_bytes() for path in held] == before
            assert {path.name for path in held for event in troubles if str(path) in event["why"]} == set(names)
            assert len(troubles) <= 2 * len(held), "said once, not at each tick"
        else:
            assert not troubles
    with LoopProcess(old_workspace, clean_environ, "--cycles", "1") as loop:
        assert loop.finish()[0] == 0
    assert [f"note {number}" in workpad(paths) for number in range(4)] == [True] * 4, "nothing of it is lost"
    assert json.loads(paths.state.read_bytes())["loop"]["cycles_closed"] == 4


def test_files_held_for_a_while_are_written_after(old_workspace: Path, clean_environ: dict[str, str]) -> None:
    paths = WorkspacePaths(old_workspace)
    with LoopProcess(old_workspace, clean_environ, "--cycles", "2") as loop:
        loop.wait_for("daemon_started", 2)
        with held_open(paths.state, paths.workpad):
            loop.wait_for("run_ended", 2)
        eventually(lambda: "note 1" in workpad(paths))
        code, _, err = loop.finish()
        assert code == 0, err
        assert len(loop.events("run_ended")) == 3
        assert all("cannot write" in event["why"] for event in loop.events("error"))
    assert [f"note {number}" in workpad(paths) for number in range(3)] == [True] * 3
