"""The change of a checkout: what an agent left there is seen whole, or refused."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from llm_loop.contract.code_change import ChangeKind, CodeChange
from llm_loop.contract.decision import Edit
from llm_loop.versions.checkout import OpenCheckout
from llm_loop.versions.collecting import collect
from llm_loop.versions.store import VersionStore
from tests.versions.foreign import Foreign, fingerprint, write_files

posix_only = pytest.mark.skipif(os.name == "nt", reason="Windows has no such thing, or needs a privilege for it")


def test_nothing_done_is_no_change(foreign: Foreign) -> None:
    change = collect(foreign.open())
    assert change.is_empty
    assert change.version == change.base.version == change.base.repository_version
    assert change.refusals == ()


def test_added_changed_and_removed_files_are_seen(foreign: Foreign) -> None:
    opened = foreign.open()
    write_files(opened.folder, {"src/netlib/model.py": 'NAME = "second"\n', "src/netlib/extra.py": "a\nb\n"})
    (opened.folder / "README.md").unlink()
    change = collect(opened)
    assert [(one.path, one.kind, one.lines_added, one.lines_removed) for one in change.files] == [
        ("README.md", ChangeKind.REMOVED, 0, 1),
        ("src/netlib/extra.py", ChangeKind.ADDED, 2, 0),
        ("src/netlib/model.py", ChangeKind.CHANGED, 1, 1),
    ]
    assert '-NAME = "first"\n+NAME = "second"\n' in change.diff
    assert change.refusals == ()
    assert change.version != change.base.version
    files = VersionStore(foreign.versions).read(change.version).files
    assert "README.md" not in files and "src/netlib/extra.py" in files
    assert CodeChange.from_json(change.to_json()) == change


def test_new_configs_are_of_the_run_and_not_changed_code(foreign: Foreign) -> None:
    change = foreign.changed([Edit(path="configs/sub/new.yaml", new_text="lr: 1\n")])
    assert change.files == () and change.diff == ""
    assert change.config_files == {"configs/sub/new.yaml": "lr: 1\n"}
    assert not change.is_empty
    changed = foreign.changed([Edit(path="configs/base.yaml", new_text="lr: 1\n")], "c2")
    assert [one.path for one in changed.files] == ["configs/base.yaml"] and changed.config_files is None


def test_by_catch_is_swept_and_cannot_run(foreign: Foreign) -> None:
    opened = foreign.open()
    write_files(
        opened.folder,
        {
            "src/netlib/__pycache__/model.cpython-311.pyc": "evil",
            "runs/probe/x.txt": "",
            "weights/hidden.py": "evil",
            "agent.log": "",
            ".pytest_cache/x": "",
            ".git/hooks/post-checkout": "evil",
            ".codex": "",
            "src/.agents/x": "",
        },
    )
    change = collect(opened)
    assert change.is_empty and change.refusals == ()
    assert not any((opened.folder / name).exists() for name in ("weights", "agent.log", "runs", ".git"))
    assert not (opened.folder / "src/netlib/__pycache__").exists()


def test_what_the_worker_ignores_is_seen_all_the_same(foreign: Foreign) -> None:
    opened = foreign.open()
    hidden = {"src/netlib/hidden.py": "evil", "sub/.gitignore": "*", "sub/x.py": ""}
    write_files(opened.folder, {".gitignore": "*\n", **hidden})
    assert {"src/netlib/hidden.py", "sub/x.py", ".gitignore"} <= {one.path for one in collect(opened).files}


def test_a_change_that_keeps_size_and_time_is_seen(foreign: Foreign) -> None:
    opened = foreign.open()
    place = opened.folder / "src/netlib/model.py"
    status = place.stat()
    with place.open("r+b") as stream:
        stream.write(b'NAME = "FIRST"\n')
    os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert [one.path for one in collect(opened).files] == ["src/netlib/model.py"]


def refusals_of(opened: OpenCheckout) -> str:
    change = collect(opened)
    assert change.refusals
    assert change.version == change.base.version
    return "\n".join(change.refusals)


@posix_only
def test_links_left_behind_are_refused_and_not_followed(foreign: Foreign, tmp_path: Path) -> None:
    opened = foreign.open()
    secret = tmp_path / "secret.txt"
    secret.write_text("their secret", encoding="utf-8")
    (opened.folder / "file.py").symlink_to(secret)
    (opened.folder / "folder").symlink_to(tmp_path)
    (opened.folder / "README.md").unlink()
    (opened.folder / "README.md").symlink_to(secret)
    (opened.folder / "inside").symlink_to("src")
    change = collect(opened)
    said = "\n".join(change.refusals)
    assert all(f"{name!r} is a link" in said for name in ("file.py", "folder", "README.md", "inside"))
    assert "their secret" not in str(change.to_json())
    assert secret.read_text(encoding="utf-8") == "their secret"


@posix_only
def test_pipes_sockets_and_odd_names_are_refused_without_waiting(foreign: Foreign) -> None:
    opened = foreign.open()
    os.mkfifo(opened.folder / "pipe.py")
    with socket.socket(socket.AF_UNIX) as one:
        before = Path.cwd()
        os.chdir(opened.folder)  # a socket's path must be short
        try:
            one.bind("sock")
        finally:
            os.chdir(before)
    Path(os.fsdecode(os.fsencode(opened.folder) + b"/\xff.py")).write_text("", encoding="utf-8")
    (opened.folder / "new\nline.py").write_text("", encoding="utf-8")
    (opened.folder / "con.py").write_text("", encoding="utf-8")
    (opened.folder / "TRAIN.py").write_text("", encoding="utf-8")
    said = refusals_of(opened)
    for what in ("'pipe.py' is a pipe", "'sock' is a pipe", "no text", "cannot be seen", "'con.py'", "case or accents"):
        assert what in said, (what, said)
    said.encode("utf-8")


def test_too_large_too_many_and_binary_are_refused(foreign: Foreign) -> None:
    opened = foreign.open()
    (opened.folder / "large.py").write_bytes(b"#" * 200_002)
    (opened.folder / "huge.bin").write_bytes(b"\1" * 5_000_000)
    (opened.folder / "raw.dat").write_bytes(b"a\0b")
    said = refusals_of(opened)
    assert "'large.py': it has 200,002" in said and "'huge.bin'" in said and "'raw.dat': it is no text" in said


def test_more_than_forty_files_are_refused(foreign: Foreign) -> None:
    opened = foreign.open()
    write_files(opened.folder, {f"new{n}.py": "" for n in range(60)})
    assert "more than 40 files" in refusals_of(opened)


def test_ten_thousand_files_left_behind_are_refused(foreign: Foreign) -> None:
    opened = foreign.open()
    folder = opened.folder / "scratch"
    folder.mkdir()
    for number in range(10_050):
        os.close(os.open(folder / f"{number}", os.O_CREAT | os.O_WRONLY))
    assert "10,000 entries were left behind" in refusals_of(opened)


def test_a_deep_nest_is_refused(foreign: Foreign) -> None:
    opened = foreign.open()
    (opened.folder / "/".join("d" * 45)).mkdir(parents=True)
    assert "folders deep" in refusals_of(opened)


def test_a_hard_link_out_is_refused(foreign: Foreign, tmp_path: Path) -> None:
    opened = foreign.open()
    other = tmp_path / "theirs.py"
    other.write_text("theirs", encoding="utf-8")
    os.link(other, opened.folder / "new.py")
    assert "hard link" in refusals_of(opened)


def test_a_hostile_text_is_compared_in_time(foreign: Foreign) -> None:
    lines = ["a\n" if n % 2 else "b\n" for n in range(60_000)]
    opened = foreign.open()
    write_files(opened.folder, {"train.py": "".join(lines)})
    change = collect(opened)
    assert change.diff_is_cut and len(change.diff) == 60_000
    assert change.files[0].lines_added == 60_000


@pytest.mark.skipif(shutil.which("git") is None, reason="no git here")
def test_git_applies_the_diff(foreign: Foreign) -> None:
    opened = foreign.open()
    before = fingerprint(foreign.repository)
    write_files(opened.folder, {"train.py": "no end", "src/netlib/model.py": "", "a b/new ü.py": "x\r\ny\n"})
    (opened.folder / "configs/base.yaml").unlink()
    diff = collect(opened).diff
    copy = foreign.workspace / "copy"
    shutil.copytree(foreign.repository, copy)
    subprocess.run(
        ["git", "-c", "core.autocrlf=false", "apply", "-"], input=diff.encode(), cwd=copy, check=True, timeout=30
    )
    assert (copy / "train.py").read_bytes() == b"no end"
    assert (copy / "a b/new ü.py").read_bytes() == b"x\r\ny\n"
    assert (copy / "src/netlib/model.py").read_bytes() == b""
    assert not (copy / "configs/base.yaml").exists()
    assert fingerprint(foreign.repository) == before


def test_configurations_without_end_are_refused_and_not_kept_whole(foreign: Foreign) -> None:
    opened = foreign.open()
    write_files(opened.folder, {f"configs/n{number}.yaml": "lr: 0.1\n" * 20_000 for number in range(5)})
    change = collect(opened)
    assert "the new configurations hold more than 600 kB" in "".join(change.refusals)
    assert not change.config_files and change.version == change.base.version
