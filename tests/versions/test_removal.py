"""The one remover: nothing outside is ever touched, nothing inside stops it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llm_loop.versions.refusal import CodeRefused
from llm_loop.versions.removal import remove_entry, remove_tree
from tests.versions.foreign import fingerprint, write_files

posix_only = pytest.mark.skipif(os.name == "nt", reason="Windows has no such thing, or needs a privilege for it")


@posix_only
def test_never_enters_a_link(tmp_path: Path) -> None:
    outside, made = tmp_path / "outside", tmp_path / "made" / "c1"
    write_files(outside, {"keep/x.txt": "theirs", "y.txt": "theirs"})
    write_files(made, {"a/b.txt": "", "c.txt": ""})
    (made / "out").symlink_to(outside)
    (made / "a" / "deep").symlink_to(outside / "keep")
    (made / "file").symlink_to(outside / "y.txt")
    (made / "hollow").symlink_to(tmp_path / "none")
    os.mkfifo(made / "pipe")
    before = fingerprint(outside)
    remove_tree(made, tmp_path / "made")
    assert not os.path.lexists(made)
    assert fingerprint(outside) == before


@posix_only
def test_a_link_in_its_place_is_removed_itself(tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "made"
    write_files(outside, {"x.txt": "theirs"})
    root.mkdir()
    (root / "c1").symlink_to(outside)
    remove_tree(root / "c1", root)
    assert not os.path.lexists(root / "c1")
    assert (outside / "x.txt").exists()


@pytest.mark.parametrize("where", ["..", ".", "../outside", "sub/../../outside"])
def test_only_what_lies_within_is_removed(tmp_path: Path, where: str) -> None:
    write_files(tmp_path, {"outside/x.txt": "", "made/sub/x.txt": ""})
    with pytest.raises(CodeRefused, match="not removed"):
        remove_tree(tmp_path / "made" / where, tmp_path / "made")
    assert (tmp_path / "outside/x.txt").exists() and (tmp_path / "made/sub/x.txt").exists()


@posix_only
def test_a_link_above_does_not_lead_it_out(tmp_path: Path) -> None:
    write_files(tmp_path, {"outside/c1/x.txt": "", "made/x.txt": ""})
    (tmp_path / "made" / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(CodeRefused):
        remove_tree(tmp_path / "made" / "link" / "c1", tmp_path / "made")
    assert (tmp_path / "outside/c1/x.txt").exists()


def test_a_missing_folder_is_fine(tmp_path: Path) -> None:
    remove_tree(tmp_path / "none", tmp_path)


@posix_only
def test_depth_length_rights_and_odd_names_do_not_stop_it(tmp_path: Path) -> None:
    made = tmp_path / "c1"
    made.mkdir()
    before = Path.cwd()
    os.chdir(made)
    try:
        for _ in range(1_500):  # deeper than Python recurses, longer than a path may be
            Path("d" * 20).mkdir()
            os.chdir("d" * 20)
        Path("end.txt").write_text("", encoding="utf-8")
    finally:
        os.chdir(before)
    write_files(made, {"locked/in/x.txt": ""})
    (made / "locked" / "in").chmod(0)
    (made / "locked").chmod(0o500)
    Path(os.fsdecode(os.fsencode(made) + b"/\xff\xfe")).mkdir()
    remove_tree(made, tmp_path)
    assert not made.exists()


def test_one_entry_goes_and_its_neighbours_stay(tmp_path: Path) -> None:
    write_files(tmp_path, {"a/x": "", "b": "", "c": ""})
    (tmp_path / "b").chmod(0o400)
    remove_entry(tmp_path / "a")
    remove_entry(tmp_path / "b")
    remove_entry(tmp_path / "b")
    assert [one.name for one in tmp_path.iterdir()] == ["c"]
