"""The archive: one drive, one rename an entry, no name twice."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from llm_loop.resetting.archive import FOLDER, ArchiveError, check_place, open_archive
from llm_loop.resetting.carrying_out import carry_out
from llm_loop.resetting.plan import Wishes, parts_of
from tests.file_holding import held_open
from tests.resetting.night import ARCHIVED, Night, fingerprint, write
from tests.system.drives import drive, filled
from tests.windows.marks import not_under_wine

posix_only = pytest.mark.skipif(os.name == "nt", reason="Windows has no such thing, or needs a privilege for it")
STAMP = "20260301T220000Z"


def test_two_in_one_second_do_not_meet(night: Night) -> None:
    night.clean()
    first = fingerprint(night.archives[0])
    for _ in range(2):
        night.fill()
        carry_out(night.paths, parts_of(night.paths, Wishes(), ()), None, night.archives[0].name)
    assert len(night.archives) == 3
    assert fingerprint(night.archives[0]) == first
    assert all({one.name for one in archive.iterdir()} == ARCHIVED for archive in night.archives)


def test_what_was_moved_before_is_never_replaced(night: Night) -> None:
    archive = open_archive(night.paths, STAMP)
    for text in ("one", "two"):
        write(night.paths.loop, {"logs/last_crash.txt": text})
        archive.take(night.paths.logs)
    assert [(archive.folder / name / "last_crash.txt").read_text() for name in ("logs", "logs.2")] == ["one", "two"]


@pytest.mark.parametrize("kind", ["file", "link", "dangling link"])
def test_an_archive_that_is_no_folder_of_its_own_is_refused(night: Night, tmp_path: Path, kind: str) -> None:
    place = night.root / FOLDER
    if kind == "file":
        place.write_text("mine", encoding="utf-8")
    elif os.name == "nt":
        pytest.skip("a link needs a privilege on Windows")
    else:
        if kind == "link":
            (tmp_path / "else").mkdir()
        place.symlink_to(tmp_path / "else")
    before = fingerprint(night.root)
    assert night.clean("--what-if") == 1
    assert night.clean("--force") == 1
    assert fingerprint(night.root) == before
    assert night.clean("--no-archive") == 0  # it needs none, and leaves what lies there alone
    assert os.path.lexists(place)
    assert night.left() == set()


def test_what_lies_on_another_drive_is_refused_before_anything_moves(night: Night) -> None:
    with drive(night.paths.loop / "model_sources"):
        assert night.clean() == 1
        assert night.left() >= ARCHIVED
        assert night.archives == []
        with pytest.raises(ArchiveError, match="another drive"):
            check_place(night.paths, [night.paths.loop / "model_sources"])


def test_a_loops_folder_on_another_drive_is_removed_or_left(night: Night, tmp_path: Path) -> None:
    with drive(tmp_path / "scratch") as place:
        shutil.copytree(night.paths.loop, place / "big")
        shutil.rmtree(night.paths.loop)
        night.paths.loop.symlink_to(place / "big")
        assert night.clean("--force") == 1
        assert night.left() >= ARCHIVED and night.archives == [] and night.link.exists()
        assert night.clean("--no-archive", "--keep-codex-login") == 0
        assert night.left() == {"codex_home"} and (night.paths.codex_home / "auth.json").exists()
        night.paths.loop.unlink()


@pytest.mark.parametrize("where", ["runs/R0001/attempt-1/images", "model_sources"])
@pytest.mark.parametrize("flags", [(), ("--no-archive", "--force")])
def test_a_drive_that_is_mounted_inside_is_not_emptied(
    night: Night, flags: tuple[str, ...], where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with drive(night.paths.loop / where) as place:
        write(place, {"1.png": "pixels"})
        assert night.clean(*flags) == 1
        assert "mounted" in capsys.readouterr().err
        assert (place / "1.png").exists() and night.left() >= ARCHIVED


def test_a_full_drive_holds_up_nothing(tmp_path: Path) -> None:
    with drive(tmp_path / "small", megabytes=2) as place:
        night = Night(place / "w")
        big = night.paths.attempt("R0001", 1) / "last.pt"
        big.write_bytes(os.urandom(1_000_000))
        inode = big.stat().st_ino
        with filled(place):
            with pytest.raises(OSError):
                (place / "one byte").write_bytes(b"x")
            assert night.clean("--keep-codex-login") == 0
            moved = night.archives[0] / big.relative_to(night.paths.loop)
            assert moved.stat().st_ino == inode  # renamed, not copied
        assert {one.name for one in night.archives[0].iterdir()} == ARCHIVED


def test_a_full_drive_is_made_room_on_without_an_archive(tmp_path: Path) -> None:
    with drive(tmp_path / "small", megabytes=2) as place:
        night = Night(place / "w")
        with filled(place):
            assert night.clean("--no-archive") == 0
        assert night.left() == set()


@posix_only
def test_rights_links_and_names_do_not_stop_it(night: Night, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    write(outside, {"theirs.txt": "theirs"})
    run = night.paths.attempt("R0001", 1)
    (run / "input").symlink_to(outside)
    (run / "\x1b]0;owned\x07 <b>&\n name").write_text("", encoding="utf-8")
    Path(os.fsdecode(os.fsencode(run) + b"/\xff\xfe")).mkdir()
    (night.paths.loop / "model_sources").symlink_to("../../outside")  # relative
    night.paths.runs.chmod(0o500)
    (night.paths.logs / "events.jsonl").chmod(0o400)
    theirs = fingerprint(outside)
    assert night.clean() == 0
    (archive,) = night.archives
    assert stat.S_IMODE((archive / "runs").stat().st_mode) == 0o500
    assert (archive / "model_sources" / "theirs.txt").read_text() == "theirs"
    assert fingerprint(outside) == theirs
    night.fill()
    (night.paths.attempt("R0001", 1) / "input").symlink_to(outside)
    assert night.clean("--no-archive") == 0
    assert fingerprint(outside) == theirs


def test_thousands_of_files_are_moved_as_one_folder(night: Night) -> None:
    write(night.paths.calls, {f"c{number}/prompt.md": "?" for number in range(3_000)})
    assert night.clean() == 0
    assert len(list((night.archives[0] / "calls").iterdir())) == 3_001


@pytest.mark.skipif(os.name != "nt", reason="elsewhere an open file holds up nobody")
@not_under_wine("a folder with an open file in it can be renamed")
def test_a_file_that_somebody_holds_is_named_and_nothing_is_half_lost(
    night: Night, capsys: pytest.CaptureFixture[str]
) -> None:
    held = night.paths.logs / "20260301T220000Z_a.stdout.log"
    with held_open(held, alone=True):
        assert night.clean("--keep-codex-login") == 1
        assert held.name in capsys.readouterr().err
    assert night.clean("--keep-codex-login") == 0
    assert {one.name for one in night.archives[0].iterdir()} == ARCHIVED
