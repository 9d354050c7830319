"""A folder that was removed is told from one whose drive is away."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from llm_loop.system.presence import device_of, goes_by, is_away, is_of_the_drive
from tests.system.drives import covered, drive


def test_a_folder_that_was_removed_is_not_away(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    device = device_of(folder)
    assert not is_away(folder, device)
    folder.rmdir()
    (tmp_path / "a").rmdir()
    assert not is_away(folder, device)
    (tmp_path / "a").write_text("a file", encoding="utf-8")
    assert not is_away(folder, device)


def test_a_folder_on_a_drive_that_was_unmounted_is_away_until_it_is_back(tmp_path: Path) -> None:
    with drive(tmp_path / "drive") as place:
        folder = place / "a"
        folder.mkdir()
        device = device_of(folder)
        with covered(place):
            assert is_away(folder, device)
        assert not is_away(folder, device)
        folder.rmdir()
        assert not is_away(folder, device)


@pytest.mark.skipif(os.name != "nt", reason="drives have letters on Windows")
def test_a_drive_without_its_letter_is_away() -> None:
    assert is_away(r"Q:\work\space", 1)


@pytest.mark.parametrize("name", ["ENOSPC", "EROFS", "EIO"])
def test_what_a_drive_refuses_goes_by(tmp_path: Path, name: str) -> None:
    error = OSError(getattr(errno, name), "no")
    assert is_of_the_drive(error) and goes_by(error, tmp_path, device_of(tmp_path))


@pytest.mark.parametrize("name", ["ENOENT", "EISDIR", "EACCES"])
def test_what_somebody_did_does_not_go_by(tmp_path: Path, name: str) -> None:
    error = OSError(getattr(errno, name), "no")
    assert not is_of_the_drive(error) and not goes_by(error, tmp_path / "gone", device_of(tmp_path))
