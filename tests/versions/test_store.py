"""The store: what a version is, that it comes back to the byte, and what an unchanged tree costs."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from llm_loop.versions import store as store_module
from llm_loop.versions.refusal import CodeRefused
from llm_loop.versions.rules import CodeRules
from llm_loop.versions.store import VersionStore
from llm_loop.versions.tree import Tree, make_equal
from tests.versions.foreign import fingerprint, write_files

RULES = CodeRules()


def age(folder: Path) -> None:
    """Let the files of a folder be older than the last second."""
    past = time.time() - 100
    for place in folder.rglob("*"):
        os.utime(place, (past, past))


def test_the_same_content_is_the_same_version(tmp_path: Path) -> None:
    store = VersionStore(tmp_path / "versions")
    for name in ("one", "two"):
        write_files(tmp_path / name, {"a.py": "1\r\n", "p/b.bin": "\ufeffx"})
    one, two = store.take(tmp_path / "one", RULES), store.take(tmp_path / "two", RULES)
    assert one == two
    assert store.read(one.id) == one
    write_files(tmp_path / "two", {"p/b.bin": "y"})
    assert store.take(tmp_path / "two", RULES).id != one.id


def test_a_version_comes_back_to_the_byte(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    write_files(tree, {"a.py": "é\r\n\ufeff", "deep/er/b.txt": "", "c c/ü.py": "x" * 70_000})
    (tree / "raw.bin").write_bytes(bytes(range(256)))
    (tree / "go.sh").write_text("echo", encoding="utf-8")
    (tree / "go.sh").chmod(0o755)
    store = VersionStore(tmp_path / "versions")
    version = store.take(tree, RULES)
    make_equal(tmp_path / "back", version, store, {}, Tree())
    was, now = fingerprint(tree), fingerprint(tmp_path / "back")
    assert {path: said[0] for path, said in was.items()} == {path: said[0] for path, said in now.items()}
    if os.name != "nt":
        assert (tmp_path / "back" / "go.sh").stat().st_mode & 0o100
        assert not (tmp_path / "back" / "a.py").stat().st_mode & 0o100


def test_an_unchanged_file_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = tmp_path / "tree"
    write_files(tree, {"a.py": "1", "b.py": "2"})
    age(tree)
    if os.name != "nt":
        monkeypatch.setattr(store_module, "_UNSURE_NS", -(10**12))  # the status of these files changed just now
    store = VersionStore(tmp_path / "versions")
    first = store.take(tree, RULES)
    read: list[Path] = []
    real = store_module.read_outside
    monkeypatch.setattr(store_module, "read_outside", lambda path, most: read.append(path) or real(path, most))
    assert store.take(tree, RULES) == first
    assert not read
    write_files(tree, {"b.py": "3"})
    assert store.take(tree, RULES) != first
    assert read == [tree / "b.py"]


def test_a_change_within_the_clock_s_step_is_seen(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    store = VersionStore(tmp_path / "versions")
    seen = set()
    for number in range(20):  # same size, and faster than some clocks step
        write_files(tree, {"a.py": f"{number:03}"})
        seen.add(store.take(tree, RULES).id)
    assert len(seen) == 20


def test_damage_is_found_and_mended_by_taking_anew(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    write_files(tree, {"a.py": "1"})
    store = VersionStore(tmp_path / "versions")
    version = store.take(tree, RULES)
    entry = version.files["a.py"]
    place = tmp_path / "versions" / "objects" / entry.sha256[:2] / entry.sha256[2:]
    place.write_bytes(b"2")
    with pytest.raises(CodeRefused, match="damaged"):
        store.content(entry)
    store.take(tree, RULES, anew=True)
    assert store.content(entry) == b"1"
    (tmp_path / "versions" / f"{version.id}.json").write_text("{}", encoding="utf-8")
    with pytest.raises(CodeRefused, match="damaged"):
        store.read(version.id)


def test_an_unknown_version_is_refused(tmp_path: Path) -> None:
    store = VersionStore(tmp_path)
    for name in ("0" * 16, "../../etc", ""):
        with pytest.raises(CodeRefused, match="not in"):
            store.read(name)


def test_like_a_version_counts_its_files_only(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    write_files(tree, {"a.py": "1", "b.py": "2"})
    store = VersionStore(tmp_path / "versions")
    version = store.take(tree, RULES)
    write_files(tree, {"results.csv": "made by the run"})
    assert store.take_like(tree, version).id == version.id
    assert store.take(tree, RULES).id != version.id
    (tree / "b.py").unlink()
    assert store.take_like(tree, version).files.keys() == {"a.py"}


def test_many_files_become_one_pack_that_is_mended_too(tmp_path: Path) -> None:
    tree, versions = tmp_path / "tree", tmp_path / "versions"
    write_files(tree, {f"f{n}.py": f"value = {n}\n" for n in range(80)} | {"empty.py": "", "again.py": "value = 1\n"})
    version = VersionStore(versions).take(tree, RULES)
    packs = list((versions / "packs").glob("*.pack"))
    assert len(packs) == 1 and not (versions / "objects").exists()
    store = VersionStore(versions)
    assert store.content(version.files["f70.py"]) == b"value = 70\n"
    assert store.content(version.files["empty.py"]) == b""
    write_files(tree, {"f3.py": "other\n"})
    store.take(tree, RULES)
    assert len([one for one in (versions / "objects").rglob("*") if one.is_file()]) == 1
    packs[0].write_bytes(b"torn")
    with pytest.raises(CodeRefused, match="damaged"):
        VersionStore(versions).content(version.files["f70.py"])
    store = VersionStore(versions)
    store.take(tree, RULES, anew=True)
    assert store.content(version.files["f70.py"]) == b"value = 70\n"
    assert VersionStore(versions).content(version.files["f70.py"]) == b"value = 70\n"


def test_a_pack_without_its_index_is_nothing(tmp_path: Path) -> None:
    tree, versions = tmp_path / "tree", tmp_path / "versions"
    write_files(tree, {f"f{n}.py": f"value = {n}\n" for n in range(80)})
    version = VersionStore(versions).take(tree, RULES)
    next((versions / "packs").glob("*.json")).write_text("{", encoding="utf-8")
    with pytest.raises(CodeRefused, match="missing"):
        VersionStore(versions).content(version.files["f7.py"])
    assert VersionStore(versions).take(tree, RULES, anew=True) == version
    assert VersionStore(versions).content(version.files["f7.py"]) == b"value = 7\n"
