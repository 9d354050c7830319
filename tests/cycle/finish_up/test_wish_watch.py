"""The loop and a person write ``FINISH_UP.json``; what the person saves last holds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llm_loop.contract.finish_up import FinishUpStatus
from llm_loop.cycle.finish_up.wish_watch import WishWatch
from tests.views.workspace_builder import WorkspaceBuilder


@pytest.fixture
def watch(tmp_path: Path) -> WishWatch:
    one = WishWatch(WorkspaceBuilder(tmp_path).context)
    one.path.parent.mkdir(parents=True, exist_ok=True)
    one.path.write_text('{"minutes_left": 5}', encoding="utf-8")
    assert one.look(0.0)
    return one


def test_a_file_that_a_person_saves_while_it_is_told_where_it_stands_is_looked_at(
    watch: WishWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = os.fsync

    def sync_while_a_person_saves(handle: int) -> None:
        sync(handle)
        watch.path.write_text('{"minutes_left": 7}', encoding="utf-8")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", sync_while_a_person_saves)
        watch.tell(FinishUpStatus.ACTIVE)
    assert watch.path.read_text(encoding="utf-8") == '{"minutes_left": 7}'
    assert watch.look(2.0)
    wish = watch.wish()
    assert wish is not None and wish.minutes == 7


def test_a_file_that_a_person_saves_right_after_is_looked_at(watch: WishWatch, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = Path.replace

    def replace_before_a_person_saves(source: Path, target: Path) -> Path:
        done = replace(source, target)
        watch.path.write_text('{"minutes_left": 7}', encoding="utf-8")
        return done

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", replace_before_a_person_saves)
        watch.tell(FinishUpStatus.ACTIVE)
    assert watch.look(2.0)
    wish = watch.wish()
    assert wish is not None and wish.minutes == 7
