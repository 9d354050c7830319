"""Folders are made, but none above one whose drive is away."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_loop.errors import FileWriteError
from llm_loop.system import files, folders
from llm_loop.system.folders import make_folder, never_make_anew


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(folders, "_kept", {})
    yield


def test_a_folder_is_made_with_those_above_it(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b" / "c")
    make_folder(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()


@pytest.mark.parametrize("gone", [".llm_loop", "."])
def test_none_is_made_where_the_drive_is_away(tmp_path: Path, gone: str) -> None:
    home = tmp_path / "w" / ".llm_loop"
    home.mkdir(parents=True)
    never_make_anew(home)
    files.replace_json(home / "jobs" / "first" / "request.json", {})
    shutil.rmtree(tmp_path / "w" / gone)
    for place in (home, home / "jobs" / "second", tmp_path / "w" / ".llm_loop" / "a"):
        with pytest.raises(FileNotFoundError):
            make_folder(place)
    with pytest.raises(FileWriteError):
        files.replace_json(home / "jobs" / "second" / "request.json", {})
    with pytest.raises(FileWriteError):
        files.append_line(home / "history.jsonl", "{}")
    assert not home.exists()
    make_folder(tmp_path / "elsewhere" / "a")
    home.mkdir(parents=True)
    make_folder(home / "jobs" / "third")
    assert (home / "jobs" / "third").is_dir()


def test_a_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(FileExistsError):
        make_folder(tmp_path / "a")
    with pytest.raises(OSError):
        make_folder(tmp_path / "a" / "b")
