"""Checkouts: which base, taken again instead of copied, and the user's repository untouched."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_loop.contract.decision import Edit
from llm_loop.errors import ContractError
from llm_loop.versions import checkout
from llm_loop.versions.checkout import (
    CheckoutRequest,
    PreferredBase,
    open_checkout,
    open_version,
    read_record,
    release,
    write_record,
)
from llm_loop.versions.collecting import collect
from llm_loop.versions.pruning import KEPT_FOLDER, prune
from llm_loop.versions.refusal import CodeRefused
from llm_loop.versions.rules import CodeRules
from llm_loop.versions.scanning import scan
from tests.versions.foreign import Foreign, fingerprint, make_foreign, write_files


def code_of(folder: Path) -> dict[str, bytes]:
    return {path: (folder / path).read_bytes() for path in scan(folder, CodeRules()).files}


@pytest.mark.parametrize("git", [True, False])
def test_holds_the_code_and_leaves_the_repository_alone(tmp_path: Path, git: bool) -> None:
    foreign = make_foreign(tmp_path, git=git)
    before = fingerprint(foreign.repository)
    opened = foreign.open()
    assert code_of(opened.folder) == code_of(foreign.repository)
    assert not any((opened.folder / name).exists() for name in ("data", "runs", "notes.log", ".git"))
    write_files(opened.folder, {"train.py": "changed", "data/x": ""})
    collect(opened)
    assert fingerprint(foreign.repository) == before


def test_the_preferred_base_holds_until_the_repository_changes(foreign: Foreign) -> None:
    change = foreign.changed([Edit(path="train.py", new_text="better = 1\n")])
    preferred = PreferredBase(run_id="R0003", version=change.version, repository_version=change.base.repository_version)
    second = open_checkout(foreign.request("c2", preferred=preferred))
    assert second.base.run_id == "R0003" and second.base.version == change.version
    assert (second.folder / "train.py").read_text(encoding="utf-8") == "better = 1\n"
    assert collect(second).is_empty
    write_files(foreign.repository, {"train.py": "the user's own\n"})
    third = open_checkout(foreign.request("c3", preferred=preferred))
    assert third.base.run_id is None and third.base.version == third.base.repository_version
    assert (third.folder / "train.py").read_text(encoding="utf-8") == "the user's own\n"


def test_a_preferred_version_that_is_gone_falls_back_to_the_repository(foreign: Foreign) -> None:
    own = foreign.open().base.version
    preferred = PreferredBase(run_id="R0003", version="0" * 16, repository_version=own)
    assert open_checkout(foreign.request("c2", preferred=preferred)).base.run_id is None


def test_a_released_checkout_is_taken_again_and_made_equal(foreign: Foreign) -> None:
    first = foreign.open("c1")
    write_files(first.folder, {"left.py": "x", "train.py": "changed", "deep/er/x.py": ""})
    (first.folder / "README.md").unlink()
    inode = (first.folder / "src/netlib/model.py").stat().st_ino
    collect(first)
    assert foreign.open("c2").folder.exists() and first.folder.exists()  # not released: not taken
    release(foreign.checkouts, "c1")
    third = foreign.open("c3")
    assert not first.folder.exists()
    assert code_of(third.folder) == code_of(foreign.repository)
    assert not (third.folder / "deep").exists()
    if os.name != "nt":
        assert (third.folder / "src/netlib/model.py").stat().st_ino == inode
    assert collect(third).is_empty


def test_a_damaged_store_is_mended_from_the_repository(foreign: Foreign) -> None:
    foreign.open("c1")
    for place in (foreign.versions / "objects").rglob("*"):
        if place.is_file():
            place.write_bytes(b"torn")
    assert code_of(foreign.open("c2").folder) == code_of(foreign.repository)


def test_a_request_that_is_none_is_refused_by_name(foreign: Foreign) -> None:
    value = foreign.request_json()
    assert CheckoutRequest.from_json(value) == foreign.request()
    for key, wrong in [
        ("repository", None),
        ("repository", "relative"),
        ("checkout_id", "../x"),
        ("checkout_id", "a/b"),
        ("checkout_id", ""),
        ("config_globs", "x"),
        ("keep_out", [1]),
        ("preferred", {"run_id": "R1"}),
    ]:
        with pytest.raises(ContractError, match=key if key != "preferred" else "version"):
            CheckoutRequest.from_json(value | {key: wrong})


def test_prune_keeps_what_is_named_and_the_last_ones(foreign: Foreign) -> None:
    for number in range(6):
        opened = foreign.open(f"c{number}")
        os.utime(foreign.checkouts / f"c{number}.json", (number, number))
    (foreign.checkouts / "somebody's").mkdir()
    versions = fingerprint(foreign.versions)
    assert prune(foreign.checkouts, foreign.versions, ["c1"], 2) == ["c0", "c2", "c3"]
    left = sorted(one.name for one in foreign.checkouts.iterdir() if one.is_dir())
    assert left == ["c1", "c4", "c5", "somebody's"]
    assert fingerprint(foreign.versions) == versions
    assert opened.folder.exists()


def test_what_a_run_left_in_its_checkout_goes_to_the_run(foreign: Foreign, tmp_path: Path) -> None:
    opened = foreign.open()
    record = read_record(foreign.checkouts, "c1")
    assert record is not None
    run_folder = tmp_path / "run"
    write_record(foreign.checkouts, "c1", record | {"run_folder": str(run_folder)})
    write_files(opened.folder, {"lightning_logs/v0/metrics.csv": "1", "src/__pycache__/x.pyc": ""})
    release(foreign.checkouts, "c1")
    foreign.open("c2")
    assert opened.folder.exists()  # it holds what a run made: not taken again
    assert prune(foreign.checkouts, foreign.versions, ["c2"], 0) == ["c1"]
    kept = [one for one in (run_folder / KEPT_FOLDER).rglob("*") if one.is_file()]
    assert kept == [run_folder / KEPT_FOLDER / "lightning_logs/v0/metrics.csv"]


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need a privilege on Windows")
def test_links_inside_the_repository_stay_links(foreign: Foreign) -> None:
    (foreign.repository / "lib").symlink_to("src/netlib")
    opened = foreign.open()
    assert (opened.folder / "lib").readlink() == Path("src/netlib")
    assert collect(opened).is_empty
    (opened.folder / "lib").unlink()
    (opened.folder / "lib").symlink_to(foreign.repository)
    assert "'lib' is a link" in collect(opened).refusals[0]
    open_version(opened.request, opened.request.store.read(opened.base.version), opened.base)
    assert (opened.folder / "lib").readlink() == Path("src/netlib")


def test_a_damaged_run_s_version_gives_way_to_the_repository(foreign: Foreign) -> None:
    change = foreign.changed([Edit(path="train.py", new_text="better = 1\n")])
    entry = foreign.request().store.read(change.version).files["train.py"]
    (foreign.versions / "objects" / entry.sha256[:2] / entry.sha256[2:]).write_bytes(b"torn")
    own = change.base.repository_version
    preferred = PreferredBase(run_id="R0003", version=change.version, repository_version=own)
    opened = open_checkout(foreign.request("c2", preferred=preferred))
    assert opened.base.run_id is None and collect(opened).is_empty


def test_a_repository_that_cannot_be_taken_is_refused(foreign: Foreign) -> None:
    with pytest.raises(CodeRefused, match="count as code"):
        open_checkout(foreign.request(rules=CodeRules(most_files=2)))


class Killed(BaseException):
    """Nothing catches it: the process is gone."""


@pytest.mark.parametrize("step", range(5))
def test_wherever_a_taking_over_is_cut_short_no_folder_is_without_a_record(
    foreign: Foreign, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    first = foreign.open("c1")
    release(foreign.checkouts, "c1")
    left = step

    def die(act: Callable[..., Any]) -> Callable[..., Any]:
        def acted(*words: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            return act(*words, **named)

        return acted

    monkeypatch.setattr(checkout, "write_record", die(checkout.write_record))
    monkeypatch.setattr(checkout, "forget", die(checkout.forget))
    monkeypatch.setattr(checkout.os, "rename", die(os.rename))
    with pytest.raises(Killed):
        foreign.open("c2")
    monkeypatch.undo()
    folders = [folder.name for folder in foreign.checkouts.iterdir() if folder.is_dir()]
    assert len(folders) == 1 and read_record(foreign.checkouts, folders[0]) is not None
    assert code_of(foreign.open("c3").folder) == code_of(foreign.repository)
    prune(foreign.checkouts, foreign.versions, [], 0)
    assert list(foreign.checkouts.iterdir()) == [] and not first.folder.exists()


def test_a_released_checkout_full_of_litter_shuts_nobody_out(foreign: Foreign) -> None:
    first = foreign.open("c1")
    litter = first.folder / "crops"
    litter.mkdir()
    for number in range(30_100):
        os.close(os.open(litter / f"{number}", os.O_CREAT | os.O_WRONLY))
    release(foreign.checkouts, "c1")
    second = foreign.open("c2")
    assert code_of(second.folder) == code_of(foreign.repository)
    assert not (second.folder / "crops").exists() and not first.folder.exists()
    assert collect(second).is_empty


def test_a_file_of_the_code_that_a_run_wrote_into_goes_to_the_run_too(foreign: Foreign, tmp_path: Path) -> None:
    opened = foreign.open()
    record = read_record(foreign.checkouts, "c1")
    assert record is not None
    write_record(foreign.checkouts, "c1", record | {"run_folder": str(tmp_path / "run")})
    write_files(opened.folder, {"README.md": "# theirs\n| best | 0.9 |\n"})
    release(foreign.checkouts, "c1")
    assert prune(foreign.checkouts, foreign.versions, [], 0) == ["c1"]
    kept = [one for one in (tmp_path / "run").rglob("*") if one.is_file()]
    assert kept == [tmp_path / "run" / KEPT_FOLDER / "README.md"] and "0.9" in kept[0].read_text(encoding="utf-8")
