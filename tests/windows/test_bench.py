"""What of the bench can go wrong without anybody noticing: a deletion through a mount, a count that is not one."""

from __future__ import annotations

import ctypes
import io
import os
import sys
import tarfile
from pathlib import Path

import pytest

from tests.windows.bench.layout import Layout, default_layout
from tests.windows.bench.problem import BenchFailure
from tests.windows.bench.removal import mounts_below, remove
from tests.windows.bench.runtime import export_list, exported_names
from tests.windows.codex import unpack
from tests.windows.counts import counts_of
from tests.windows.marks import LEFT_OUT, ON_WINDOWS, runs_on_windows

CHECKOUT = Path(__file__).resolve().parents[2]
posix = pytest.mark.skipif(os.name == "nt", reason="the bench itself lives on Linux")

MOUNTS = """\
22 28 0:20 / /proc rw,relatime - proc proc rw
40 28 0:6 / /bench/debian/dev rw - devtmpfs devtmpfs rw
41 40 0:21 / /bench/debian/dev/pts rw - devpts devpts rw
42 28 8:1 /home /bench/debian/a\\040b rw - ext4 /dev/sda rw
43 28 8:1 / /bench2 rw - ext4 /dev/sdb rw
"""


@posix
def test_mounts_inside_a_folder_are_found_deepest_first() -> None:
    found = [str(place) for place in mounts_below(Path("/bench"), MOUNTS)]
    assert found[0] == "/bench/debian/dev/pts"
    assert sorted(found) == ["/bench/debian/a b", "/bench/debian/dev", "/bench/debian/dev/pts"]
    assert mounts_below(Path("/elsewhere"), MOUNTS) == []


@posix
def test_a_folder_goes_but_not_through_a_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(outside)
    remove(folder)
    assert not folder.exists() and (outside / "kept").exists()
    remove(folder)  # a second time: nothing to do


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mounts are Linux's")
def test_a_folder_with_a_mount_inside_is_not_touched(tmp_path: Path) -> None:
    folder, source = tmp_path / "folder", tmp_path / "source"
    inside = folder / "in side"
    for place in (inside, source):
        place.mkdir(parents=True)
    (source / "kept").touch()
    libc = ctypes.CDLL(None, use_errno=True)
    bind = 4096
    if libc.mount(os.fsencode(source), os.fsencode(inside), None, bind, None) != 0:
        pytest.skip(f"nothing may be mounted here: {os.strerror(ctypes.get_errno())}")
    try:
        with pytest.raises(BenchFailure, match="in side is mounted"):
            remove(folder)
        assert (source / "kept").exists()
    finally:
        assert libc.umount2(os.fsencode(inside), 2) == 0


def test_pytests_words_are_counted_over_both_suites() -> None:
    printed = "Tests of the loop\n....s\n4 passed, 1 skipped, 900 deselected in 61.20s (0:01:01)\n"
    printed += "Tests of the trainer\n=== 2 failed, 3 passed, 1 error in 4s ===\nit took in 5 passed\n"
    assert counts_of(printed) == {"passed": 7, "skipped": 1, "failed": 2, "error": 1}
    assert counts_of("no tests ran in 0.01s") == {}


def test_our_functions_take_the_place_of_the_missing_ones() -> None:
    dump = "[Ordinal/Name Pointer] Table -- base 1\n\t[   0] +base[   1] creal\n\t[   1] +base[   2] abort\n"
    assert exported_names(dump) == ["creal", "abort"]
    assert export_list(["creal", "abort"]).splitlines()[2:] == ['  "creal" = real_part', '  "abort" = "ucrtorig.abort"']


def test_the_variable_says_where_the_bench_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WINDOWS_BENCH_DIR", str(tmp_path / "b"))
    assert default_layout() == Layout(folder=tmp_path / "b")


def test_what_runs_on_windows_is_there() -> None:
    for place in (*ON_WINDOWS, *LEFT_OUT):
        file, _, test = place.partition("::")
        assert (CHECKOUT / file).exists(), place
        assert not test or f"def {test}(" in (CHECKOUT / file).read_text(encoding="utf-8"), place


def test_a_call_of_the_real_client_is_taken_by_its_own_name_alone() -> None:
    assert runs_on_windows("tests\\stages\\test_decide.py::test_edits_that_climb_out_are_refused")
    assert not runs_on_windows("tests/stages/test_decide.py::test_both_clients_tell_each_failure[a]", real_codex=True)
    assert runs_on_windows("tests/agents/test_sandbox_trial.py::test_the_sandboxes_of_windows", real_codex=True)
    assert not runs_on_windows(f"{LEFT_OUT[0]}[a]")
    assert not runs_on_windows("tests/test_hostile.py::test_anything")


def test_the_programs_alone_come_out_of_a_package(tmp_path: Path) -> None:
    vendor = "package/vendor/x86_64-pc-windows-msvc"
    names = [f"{vendor}/bin/codex.exe", f"{vendor}/codex-resources/voice/v.dll", "package/README.md"]
    with tarfile.open(tmp_path / "p.tgz", "w:gz") as archive:
        for name in (*names, "package/vendor/../../../climbed.exe"):
            member = tarfile.TarInfo(name)
            member.size = 2
            archive.addfile(member, io.BytesIO(b"MZ"))
    unpack(tmp_path / "p.tgz", tmp_path / "to")
    found = [file for file in tmp_path.rglob("*") if file.is_file() and file.suffix != ".tgz"]
    assert found == [tmp_path / "to" / names[0]]
