"""Cut short at any instruction, a clean loses nothing, and the next one finishes it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from llm_loop.errors import LoopError
from llm_loop.resetting.unfinished import mark, refuse_unfinished, unfinished
from llm_loop.versions.checkout import CheckoutRequest, open_checkout, write_record
from tests.resetting.night import ARCHIVED, LOGIN, NIGHT, Night, fingerprint, write

_STEPS = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.symlink", "os.chmod", "open")
_KILLED = 99

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a child of this very state needs fork")


def die_at(step: int, night: Night, *flags: str) -> bool:
    """Clean in a child that is gone before its ``step``-th change of the disk; tell whether it came that far."""
    child = os.fork()
    if child == 0:
        done = 0

        def count(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal done
            if event in _STEPS and not (event == "open" and not int(str(arguments[2])) & os.O_CREAT):
                done += 1
                if done == step:
                    os._exit(_KILLED)

        with open(os.devnull, "w") as nowhere:  # noqa: PTH123
            sys.stdout = sys.stderr = nowhere
            sys.addaudithook(count)
            os._exit(night.clean(*flags))
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == _KILLED


def contents(folder: Path) -> list[str]:
    """Return the files of a night that lie in a folder, by their path in it."""
    names = [one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_file() and not one.is_symlink()]
    return sorted(
        name for name in names if name in NIGHT and (folder / name).read_text(encoding="utf-8") == NIGHT[name]
    )


@pytest.mark.parametrize(
    "flags",
    [
        ("--keep-codex-login",),
        pytest.param(("--keep-codex-login", "--keep-data-link"), marks=pytest.mark.slow),
        pytest.param((), marks=pytest.mark.slow),
    ],
)
def test_killed_at_any_moment(tmp_path: Path, flags: tuple[str, ...]) -> None:
    Night(tmp_path / "first")
    step, cut_short = 0, 0
    is_killed = True
    while is_killed:
        step += 1
        night = Night(tmp_path / f"w{step}")
        theirs, login = night.theirs(), fingerprint(night.paths.codex_home)
        is_killed = die_at(step, night, *flags)
        assert night.theirs() == theirs
        in_place, moved = contents(night.paths.loop), [name for one in night.archives for name in contents(one)]
        assert sorted([*in_place, *moved]) == sorted(NIGHT), "each file is at one of the two places, whole"
        assert not list((night.root / ".llm_loop_archive").rglob("auth.json"))
        if moved and in_place:
            cut_short += 1
            assert unfinished(night.paths) == night.archives[0].name
            with pytest.raises(LoopError, match="cut short"):
                refuse_unfinished(night.paths)
        assert night.clean(*flags) == 0
        assert night.theirs() == theirs
        if "--keep-codex-login" in flags:
            assert fingerprint(night.paths.codex_home) == login
        assert night.left() == ({"codex_home"} if "--keep-codex-login" in flags else set())
        assert os.path.lexists(night.link) == ("--keep-data-link" in flags)
        (archive,) = night.archives
        assert sorted(contents(archive)) == sorted(NIGHT)
        refuse_unfinished(night.paths)
        shutil.rmtree(night.root)
    assert step > 30 and cut_short > 5


@pytest.mark.slow
def test_killed_while_it_removes_without_an_archive(tmp_path: Path) -> None:
    flags = ("--no-archive", "--keep-codex-login")
    step, is_killed = 0, True
    while is_killed:
        step += 1
        night = Night(tmp_path / f"w{step}")
        theirs = night.theirs()
        is_killed = die_at(step, night, *flags)
        left = contents(night.paths.loop)
        assert left in ([], sorted(NIGHT)) or not is_killed or unfinished(night.paths) is not None
        assert night.clean(*flags) == 0
        assert night.left() == {"codex_home"}
        assert {one.name for one in night.paths.codex_home.iterdir()} == {name.partition("/")[0] for name in LOGIN}
        assert night.theirs() == theirs and night.archives == []
        shutil.rmtree(night.root)
    assert step > 30


def test_what_comes_back_in_between_is_archived_beside_the_first(night: Night) -> None:
    night.clean("--keep-codex-login")
    (archive,) = night.archives
    mark(night.paths, archive.name)  # as one that was cut short leaves it
    write(night.paths.loop, {"FINISH_UP.json": '{"status": "requested"}', "logs/last_crash.txt": "x"})
    night.clean("--keep-codex-login")
    assert night.archives == [archive]
    assert (archive / "FINISH_UP.json").read_text(encoding="utf-8") == NIGHT["FINISH_UP.json"]
    assert "requested" in (archive / "FINISH_UP.json.2").read_text(encoding="utf-8")
    assert (archive / "logs.2" / "last_crash.txt").exists()


def test_a_mark_cannot_lead_elsewhere(night: Night) -> None:
    for name in ("CLEANING...", "CLEANING.20260301T220000Z-", "CLEANING.20260301T220000Z x"):
        (night.paths.loop / name).touch()
    assert unfinished(night.paths) is None
    (night.paths.loop / "CLEANING.20260301T220000Z").touch()
    (night.root / ".llm_loop_archive").mkdir()
    (night.root / ".llm_loop_archive" / "20260301T220000Z").symlink_to(night.data)
    data = fingerprint(night.data)
    assert night.clean() == 1
    assert fingerprint(night.data) == data
    assert night.left() >= ARCHIVED


def placed_checkout(night: Night, version: str | None = None) -> Path:
    """Make a checkout of the repository in which a run has run; return a file that the run left there."""
    paths = night.paths
    request = CheckoutRequest(
        repository=night.repository, versions=paths.versions, checkouts=paths.checkouts, checkout_id="c2"
    )
    base = open_checkout(request).base
    record = {"state": "open", "version": version or base.version, "run_folder": str(paths.attempt("R0001", 1))}
    write_record(paths.checkouts, "c2", record)
    write(request.folder, {"outcome.csv": "1", "train.py": "print(1)\n"})
    return request.folder / "outcome.csv"


def test_what_a_run_left_in_its_checkout_goes_into_its_folder(night: Night) -> None:
    placed_checkout(night)
    assert night.clean() == 0
    left = night.archives[0] / "runs" / "R0001" / "attempt-1" / "left_in_checkout"
    assert [one.name for one in left.iterdir()] == ["outcome.csv"]
    assert not (night.archives[0] / "checkouts").exists() and not night.paths.checkouts.exists()


def test_a_checkout_whose_code_nobody_knows_is_archived_whole(night: Night) -> None:
    placed_checkout(night, version="gone")
    assert night.clean() == 0
    assert (night.archives[0] / "checkouts" / "c2" / "outcome.csv").read_text(encoding="utf-8") == "1"
    assert not night.paths.checkouts.exists()
