"""The door attacked: paths that climb, names that deceive, texts that are none; and edits that keep a file's style."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from llm_loop.contract.decision import Edit
from llm_loop.versions.edits import apply_edits
from tests.versions.foreign import Foreign, fingerprint

BAD_PATHS = [
    "",
    "   ",
    ".",
    "..",
    "../x.py",
    "src/../../x.py",
    "src/..",
    "..\\x.py",
    "src\\..\\..\\x.py",
    "/etc/passwd",
    "\\x.py",
    "\\\\server\\share\\x.py",
    "//server/share/x.py",
    "C:\\x.py",
    "C:x.py",
    "c:/x.py",
    "~/x.py",
    "src//x.py",
    "src/./x.py",
    "train.py:stream",
    "CON",
    "con.py",
    "src/NUL.txt",
    "aux .py",
    "COM1",
    "lpt².txt",
    "x.py.",
    "x.py ",
    " x.py",
    "dir./x.py",
    "a\nb.py",
    "a\0b.py",
    "a\u200bb.py",
    "a\u202eyp.b",
    "a\udc80.py",
    "what?.py",
    "a*.py",
    'a".py',
    "a<b>.py",
    "a|b.py",
    ".git/config",
    ".GIT/hooks/pre-commit",
    "src/.git/x",
    "GIT~1/config",
    ".llm_loop/state.json",
    ".llm_loop_sealed/rows",
    ".codex/config.toml",
    "__pycache__/x.py",
    "data/rows.txt",
    "DATA/rows.txt",
    "runs/x.py",
    "outputs/x.py",
    "weights/x.py",
    "Train.py",
    "SRC/netlib/model.py",
    "src/NetLib/new.py",
    "src",
    "train.py/x.py",
    "x" * 130 + ".py",
    "/".join("abcdefghijklmnopqrstuvwxyz"),
]


@pytest.mark.parametrize("path", BAD_PATHS, ids=ascii)
def test_a_path_that_is_none_is_refused_and_nothing_is_written(foreign: Foreign, path: str) -> None:
    opened = foreign.open()
    before, theirs = fingerprint(foreign.workspace), fingerprint(foreign.repository)
    refusals = apply_edits(opened, [Edit(path="ok.py", new_text="fine"), Edit(path=path, new_text="evil")])
    assert len(refusals) == 1, refusals
    assert fingerprint(foreign.workspace) == before
    assert fingerprint(foreign.repository) == theirs


def test_good_paths_of_both_systems_are_taken(foreign: Foreign) -> None:
    opened = foreign.open()
    edits = [
        Edit(path="src\\netlib\\new.py", new_text="1"),
        Edit(path="./top.py", new_text="2"),
        Edit(path="new folder/ünï.py", new_text="3"),
        Edit(path="configs/new.yaml", new_text="lr: 1"),
        Edit(path=".gitignore", new_text="*.py"),
    ]
    assert apply_edits(opened, edits) == ()
    assert (opened.folder / "src/netlib/new.py").read_text(encoding="utf-8") == "1"
    assert (opened.folder / "new folder/ünï.py").read_text(encoding="utf-8") == "3"


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need a privilege on Windows")
@pytest.mark.parametrize("path", ["link.py", "folder/x.py", "pipe", "hollow/x.py"])
def test_links_and_pipes_in_the_way_are_refused(foreign: Foreign, tmp_path: Path, path: str) -> None:
    opened = foreign.open()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.py").write_text("theirs", encoding="utf-8")
    (opened.folder / "link.py").symlink_to(outside / "x.py")
    (opened.folder / "folder").symlink_to(outside)
    (opened.folder / "hollow").symlink_to(outside / "not there")
    os.mkfifo(opened.folder / "pipe")
    assert len(apply_edits(opened, [Edit(path=path, new_text="evil")])) == 1
    assert (outside / "x.py").read_text(encoding="utf-8") == "theirs"
    assert [one.name for one in outside.iterdir()] == ["x.py"]


def test_a_hard_link_keeps_its_other_end(foreign: Foreign, tmp_path: Path) -> None:
    opened = foreign.open()
    other = tmp_path / "other.py"
    other.write_text("theirs", encoding="utf-8")
    os.link(other, opened.folder / "new.py")
    assert apply_edits(opened, [Edit(path="new.py", new_text="ours")]) == ()
    assert other.read_text(encoding="utf-8") == "theirs"


@pytest.mark.parametrize(
    "edit",
    [
        Edit(path="train.py"),
        Edit(path="train.py", old="parser"),
        Edit(path="train.py", new="parser"),
        Edit(path="train.py", new_text="x", old="parser", new="y"),
        Edit(path="train.py", old="parser", new="x"),
        Edit(path="train.py", old="not there", new="x"),
        Edit(path="train.py", old="", new="x"),
        Edit(path="none.py", old="a", new="x"),
        Edit(path="train.py", new_text="a\0b"),
        Edit(path="train.py", new_text="half \ud800"),
        Edit(path="train.py", new_text="x" * 200_001),
        Edit(path="train.py", old="import argparse", new="y" * 200_001),
        Edit(path="binary.dat", old="a", new="b"),
        Edit(path="latin.py", old="a", new="b"),
    ],
)
def test_an_edit_that_cannot_be_is_refused(foreign: Foreign, edit: Edit) -> None:
    opened = foreign.open()
    (opened.folder / "binary.dat").write_bytes(b"a\0")
    (opened.folder / "latin.py").write_bytes(b"# a \xe9")
    before = fingerprint(opened.folder)
    assert len(apply_edits(opened, [edit])) == 1
    assert fingerprint(opened.folder) == before


def test_overlapping_occurrences_count(foreign: Foreign) -> None:
    opened = foreign.open()
    (opened.folder / "x.py").write_text("aaa", encoding="utf-8")
    assert "more than once" in apply_edits(opened, [Edit(path="x.py", old="aa", new="b")])[0]


@pytest.mark.parametrize(
    ("present", "edit", "then"),
    [
        (b"a = 1\r\nb = 2\r\n", {"old": "a = 1\nb", "new": "a = 3\nc = 4\nb"}, b"a = 3\r\nc = 4\r\nb = 2\r\n"),
        (b"\xef\xbb\xbfa = 1\n", {"old": "a = 1", "new": "a = 2"}, b"\xef\xbb\xbfa = 2\n"),
        (b"\xef\xbb\xbfa = 1\r\n", {"new_text": "b = 1\nc = 2\n"}, b"\xef\xbb\xbfb = 1\r\nc = 2\r\n"),
        (b"a = 1\nb = 2\r\n", {"old": "a = 1\n", "new": "c\n"}, b"c\nb = 2\r\n"),
        (b"a = 1\r\nb = 2\r\n", {"old": "b = 2", "new": "b = 3\nc"}, b"a = 1\r\nb = 3\r\nc\r\n"),
        (b"a\rb", {"old": "a", "new": "c"}, b"c\rb"),
        (b"no end", {"old": "end", "new": "END"}, b"no END"),
    ],
)
def test_line_ends_and_byte_order_mark_stay(
    foreign: Foreign, present: bytes, edit: dict[str, str], then: bytes
) -> None:
    opened = foreign.open()
    (opened.folder / "x.py").write_bytes(present)
    assert apply_edits(opened, [Edit(path="x.py", **edit)]) == ()
    assert (opened.folder / "x.py").read_bytes() == then


def test_edits_of_one_file_build_on_each_other_and_keep_it_executable(foreign: Foreign) -> None:
    opened = foreign.open()
    (opened.folder / "train.py").chmod(0o755)
    edits = [
        Edit(path="train.py", old="import argparse", new="import sys, argparse"),
        Edit(path="train.py", old="import sys, argparse", new="import time, argparse"),
    ]
    assert apply_edits(opened, edits) == ()
    assert (opened.folder / "train.py").read_text(encoding="utf-8").startswith("import time, argparse")
    assert os.name == "nt" or (opened.folder / "train.py").stat().st_mode & 0o100


def test_too_many_files_are_refused(foreign: Foreign) -> None:
    opened = foreign.open()
    refusals = apply_edits(opened, [Edit(path=f"f{n}.py", new_text="") for n in range(41)])
    assert "at most 40" in refusals[0]
    assert not (opened.folder / "f0.py").exists()


def test_a_path_of_a_million_dots_costs_no_time(foreign: Foreign) -> None:
    began = time.monotonic()
    change = foreign.changed([Edit(path="./" * 500_000 + "train.py", new_text="print()\n")])
    assert time.monotonic() - began < 10
    assert [one.path for one in change.files] == ["train.py"]
