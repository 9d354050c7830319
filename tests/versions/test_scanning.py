"""Which files count as code: held against git itself where there is one."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from llm_loop.versions.refusal import CodeRefused
from llm_loop.versions.rules import CodeRules
from llm_loop.versions.scanning import InputKind, scan
from tests.versions.foreign import git_init, write_files

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="no git here")
needs_links = pytest.mark.skipif(os.name == "nt", reason="symbolic links need a privilege on Windows")

TREE = {
    "a.py": "1",
    "b.log": "2",
    "keep.log": "3",
    "build/x.py": "4",
    "src/build/y.py": "5",
    "src/pkg/m.py": "6",
    "src/pkg/.gitignore": "*.txt\n!wanted.txt\n/only_here\n",
    "src/pkg/n.txt": "7",
    "src/pkg/wanted.txt": "8",
    "src/pkg/only_here": "9",
    "src/pkg/deep/only_here": "10",
    "docs/a b.md": "11",
    "docs/ünï.md": "12",
    "cache/x/y.py": "13",
    "cache/kept/y.py": "14",
    "secret.env": "15",
    "dir/sub/file.tmp": "16",
    "star[1].py": "17",
    ".gitignore": "# comment\n*.log\n!keep.log\n/build\ncache/*\n!cache/kept\n**/sub/*.tmp\n\\#odd\ntrailing   \n",
    "#odd": "18",
    "trailing": "19",
}


def git_says(repository: Path) -> set[str]:
    said = subprocess.run(
        ["git", "-c", "core.excludesFile=", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=repository,
        check=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )
    return {name.decode() for name in said.stdout.split(b"\0") if name}


@needs_git
@pytest.mark.parametrize("index_version", ["2", "4"])
def test_counts_what_git_lists(tmp_path: Path, index_version: str) -> None:
    write_files(tmp_path, TREE)
    git_init(tmp_path)
    (tmp_path / ".git" / "info" / "exclude").write_text("secret.*\n", encoding="utf-8")
    subprocess.run(["git", "rm", "-q", "--cached", "secret.env"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "-f", "b.log", "build/x.py"], cwd=tmp_path, check=True)  # tracked all the same
    subprocess.run(["git", "update-index", "--index-version", index_version], cwd=tmp_path, check=True)
    write_files(tmp_path, {"new.py": "", "new.log": "", "build/new.py": ""})
    assert set(scan(tmp_path, CodeRules()).files) == git_says(tmp_path)
    assert "build/x.py" in scan(tmp_path, CodeRules()).files
    assert "build/new.py" not in scan(tmp_path, CodeRules()).files


@needs_git
def test_a_repository_inside_a_larger_one_obeys_it_too(tmp_path: Path) -> None:
    inside = {"inner/a.py": "", "inner/b.out": "", "inner/only.py": ""}
    write_files(tmp_path, {".gitignore": "*.out\n/inner/only.py\n", **inside})
    git_init(tmp_path)
    inner = scan(tmp_path / "inner", CodeRules())
    assert set(inner.files) == {"a.py"}


def test_a_repository_that_the_larger_one_ignores_is_taken_for_itself(tmp_path: Path) -> None:
    write_files(tmp_path, {".gitignore": "inner/\n*.py\n", "inner/a.py": ""})
    (tmp_path / ".git").mkdir()
    assert set(scan(tmp_path / "inner", CodeRules()).files) == {"a.py"}


def test_without_git_the_ignore_files_alone_decide(tmp_path: Path) -> None:
    write_files(tmp_path, TREE)
    found = set(scan(tmp_path, CodeRules()).files)
    assert {"a.py", "keep.log", "src/build/y.py", "src/pkg/wanted.txt", "cache/kept/y.py", "secret.env"} <= found
    assert not {"b.log", "build/x.py", "src/pkg/n.txt", "cache/x/y.py", "dir/sub/file.tmp", "src/pkg/only_here"} & found


def test_leaves_out_what_is_never_code(tmp_path: Path) -> None:
    write_files(
        tmp_path,
        {
            "train.py": "",
            ".llm_loop/state.json": "{}",
            ".llm_loop_sealed/rows": "",
            "sealed/rows": "",
            "data/x.txt": "",
            "runs/1/log.txt": "",
            "venv/pyvenv.cfg": "",
            "venv/lib/x.py": "",
            "pkg/__pycache__/x.pyc": "",
            "sub/.git/config": "",
            "datasets/raw/x.csv": "",
            "datasets/read.py": "",
        },
    )
    (tmp_path / "big.csv").write_bytes(b"x" * 2000)
    rules = CodeRules(keep_out=(tmp_path / "sealed",), link_folders=("datasets/raw",), largest_file_bytes=1000)
    found = scan(tmp_path, rules)
    assert set(found.files) == {"train.py", "datasets/read.py"}
    kinds = {one.path: one.kind for one in found.inputs}
    assert kinds == {
        "data": InputKind.DATA,
        "datasets/raw": InputKind.LINK_FOLDER,
        "venv": InputKind.IGNORED,
        "big.csv": InputKind.BIG,
    }


def test_a_package_named_data_or_logs_is_code(tmp_path: Path) -> None:
    write_files(tmp_path, {"data/loader.py": "", "logs/__init__.py": "", "outputs/x.txt": ""})
    assert set(scan(tmp_path, CodeRules()).files) == {"data/loader.py", "logs/__init__.py"}


@needs_links
def test_links_are_never_followed_out(tmp_path: Path) -> None:
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    write_files(outside, {"secret.py": "x"})
    write_files(tree, {"a.py": "1", "pkg/b.py": "2"})
    (tree / "out.py").symlink_to(outside / "secret.py")
    (tree / "out_folder").symlink_to(outside)
    (tree / "same.py").symlink_to("a.py")
    (tree / "pkg2").symlink_to("pkg")
    (tree / "gone").symlink_to("nowhere")
    (tree / "loop").symlink_to(".")
    os.mkfifo(tree / "pipe")
    found = scan(tree, CodeRules())
    assert set(found.files) == {"a.py", "pkg/b.py", "same.py"}
    assert found.links == {"pkg2": "pkg"}
    assert {one.path for one in found.inputs} == {"out.py", "out_folder"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_a_name_that_is_no_text_is_no_code(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("", encoding="utf-8")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.py")).write_text("", encoding="utf-8")
    assert set(scan(tmp_path, CodeRules()).files) == {"a.py"}


def test_too_much_code_is_refused_with_the_mend(tmp_path: Path) -> None:
    write_files(tmp_path, {f"{n}.txt": "x" for n in range(12)})
    with pytest.raises(CodeRefused, match=r"more than 10 files.*link_folders"):
        scan(tmp_path, CodeRules(most_files=10))


def test_a_repository_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CodeRefused, match="not a folder"):
        scan(tmp_path / "none", CodeRules())
