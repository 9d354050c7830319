"""The loop's folder: there, removed, replaced, or away with its drive and back."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.cycle.home_watch import HomeWatch, Presence
from llm_loop.errors import FileWriteError
from llm_loop.system import files
from llm_loop.system.folders import make_folder
from llm_loop.system.instance_lock import InstanceLock, is_held
from tests.system.drives import covered, drive


class Home:
    """Hold a watched folder, its lock, and what was said."""

    def __init__(self, root: Path) -> None:
        self.paths = WorkspacePaths(root)
        self.said: list[str] = []
        self.lock = InstanceLock(self.paths.instance_lock)
        self.lock.__enter__()
        self.watch = HomeWatch(self.paths, self.said.append, self.lock)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    one = Home(tmp_path / "w")
    yield one
    one.lock.__exit__(None, None, None)


def test_it_is_there(home: Home) -> None:
    assert [home.watch.look(now_s) for now_s in (1.0, 2.0)] == [Presence.THERE] * 2 and not home.said


@pytest.mark.skipif(os.name == "nt", reason="Windows removes no folder in which a lock is held")
def test_a_folder_that_was_removed_is_no_drive_that_is_away(home: Home) -> None:
    shutil.rmtree(home.paths.root)
    assert home.watch.look(1.0) is Presence.REMOVED and not home.watch.is_away


@pytest.mark.skipif(os.name == "nt", reason="Windows removes no folder in which a lock is held")
def test_a_watched_folder_is_not_made_anew(home: Home) -> None:
    shutil.rmtree(home.paths.root)
    with pytest.raises(FileNotFoundError):
        make_folder(home.paths.jobs / "a")
    assert not home.paths.root.exists()


def test_nothing_is_written_beside_a_drive_that_was_mounted_at_the_folder_itself(tmp_path: Path) -> None:
    with drive(tmp_path / "w" / ".llm_loop") as place:
        home = Home(tmp_path / "w")
        with covered(place), pytest.raises(FileWriteError):
            files.replace_json(home.paths.jobs / "a" / "request.json", {})
        files.replace_json(home.paths.jobs / "a" / "request.json", {})


def test_a_folder_that_was_moved_away_and_made_anew_is_replaced(home: Home) -> None:
    home.paths.loop.rename(home.paths.root / "aside")
    home.paths.loop.mkdir()
    home.paths.instance_lock.touch()
    assert home.watch.look(1.0) is Presence.REPLACED


def test_a_drive_that_went_away_is_told_once_and_counted_when_it_is_back(tmp_path: Path) -> None:
    with drive(tmp_path / "drive") as place:
        home = Home(place / "w")
        with covered(place):
            assert [home.watch.look(now_s) for now_s in (1.0, 2.0, 61.0)] == [Presence.AWAY] * 3
            assert home.watch.is_away and home.watch.was_away_s is None
        assert home.watch.look(62.0) is Presence.THERE
        assert (home.watch.is_away, home.watch.was_away_s) == (False, 61.0)
        assert len(home.said) == 2 and is_held(home.paths.instance_lock)
        home.lock.__exit__(None, None, None)


def test_the_lock_of_a_drive_that_came_back_under_another_number_is_taken_again(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drive that is plugged in again has a new number, the file its old one, and nobody holds its lock."""
    monkeypatch.setattr(home.watch, "_device", -1)
    monkeypatch.setattr(home.watch, "_file", (-1, home.paths.instance_lock.stat().st_ino))
    assert home.watch.look(1.0) is Presence.REPLACED, "somebody holds it: this very process, through its first opening"
    home.lock.__exit__(None, None, None)
    assert home.watch.look(2.0) is Presence.THERE and is_held(home.paths.instance_lock)
    assert home.watch.look(3.0) is Presence.THERE
