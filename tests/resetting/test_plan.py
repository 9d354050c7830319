"""What goes and what stays, wherever things lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llm_loop.config import load_config
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.errors import ConfigError
from llm_loop.resetting.places import Spared, spared_places
from llm_loop.resetting.plan import Fate, Part, Wishes, parts_of
from llm_loop.resetting.size import Size, size_of, size_text
from tests.resetting.night import ARCHIVED, Night, write

posix_only = pytest.mark.skipif(os.name == "nt", reason="Windows has no such thing, or needs a privilege for it")
ALL_ARCHIVED = Wishes(keep_login=True)


def by_fate(parts: tuple[Part, ...], paths: WorkspacePaths) -> dict[Fate, set[str]]:
    found: dict[Fate, set[str]] = {fate: set() for fate in Fate}
    for part in parts:
        found[part.fate].add(part.path.relative_to(paths.loop).as_posix())
    return found


def fates(night: Night, wishes: Wishes = ALL_ARCHIVED, spared: tuple[Spared, ...] = ()) -> dict[Fate, set[str]]:
    return by_fate(parts_of(night.paths, wishes, spared), night.paths)


def test_the_night_is_archived_what_is_made_again_removed_and_the_rest_stays(night: Night) -> None:
    write(night.paths.loop, {"notes of mine.txt": "x", "codex_sandbox.json": "{}", "dry_decision-ab1/x": ""})
    assert fates(night) == {
        Fate.ARCHIVED: ARCHIVED,
        Fate.REMOVED: {"checkouts", "jobs", "dry_decision-ab1"},
        Fate.KEPT: {"codex_home", "notes of mine.txt", "codex_sandbox.json"},
    }
    without = fates(night, Wishes(archive=False))
    assert without[Fate.REMOVED] == ARCHIVED | {"checkouts", "jobs", "dry_decision-ab1", "codex_home"}
    assert without[Fate.KEPT] == {"notes of mine.txt", "codex_sandbox.json"}


def test_every_path_that_has_a_name_is_the_loops(night: Night) -> None:
    values = [getattr(night.paths, name) for name, kind in vars(WorkspacePaths).items() if isinstance(kind, property)]
    names = {one.relative_to(night.paths.loop).parts[0] for one in values if night.paths.loop in one.parents}
    assert len(names) > 20
    for name in names:
        (night.paths.loop / name).mkdir(exist_ok=True) if not (night.paths.loop / name).exists() else None
    found = fates(night)
    assert names - found[Fate.ARCHIVED] - found[Fate.REMOVED] == {"codex_home", "daemon.lock"}


@pytest.mark.parametrize("name", ["codex_home.bak", "codex_home", "Codex_Home-old"])
def test_no_copy_of_the_login_is_ever_archived(night: Night, name: str) -> None:
    write(night.paths.loop / name, {"auth.json": "secret"})
    assert name in fates(night)[Fate.KEPT]
    assert name in fates(night, Wishes())[Fate.REMOVED]


def test_the_journal_goes_last_and_checkouts_first(night: Night) -> None:
    names = [part.path.name for part in parts_of(night.paths, Wishes(), ())]
    assert (names[0], names[-1]) == ("checkouts", "logs")


@pytest.mark.parametrize("place", ["runs", "runs/R0001/sealed", "codex_home/sealed", "sealed"])
def test_a_sealed_place_inside_stays_with_all_above_it(night: Night, place: str) -> None:
    write(night.paths.loop / place, {"test.csv": "rows"})
    spared = (Spared(path=night.paths.loop / place, what="sealed test rows"),)
    found = fates(night, Wishes(archive=False), spared)
    kept = night.paths.loop / place
    gone = [night.paths.loop / name for name in found[Fate.REMOVED]]
    assert not any(kept == one or one in kept.parents or kept in one.parents for one in gone)
    assert place in found[Fate.KEPT]
    if place.startswith("runs/"):
        assert "runs/R0001/attempt-1" in found[Fate.REMOVED]


@posix_only
def test_a_link_on_the_way_to_a_spared_place_stays(night: Night, tmp_path: Path) -> None:
    (tmp_path / "big").mkdir()
    write(tmp_path / "big", {"sealed/test.csv": "rows"})
    (night.paths.loop / "model_sources").symlink_to(tmp_path / "big")
    for written in (night.paths.loop / "model_sources" / "sealed", tmp_path / "big" / "sealed"):
        found = fates(night, Wishes(archive=False), (Spared(path=written, what="sealed"),))
        assert "model_sources" in found[Fate.KEPT]


def test_the_configuration_says_what_is_spared(tmp_path: Path) -> None:
    night = Night(tmp_path / "w", sealed_root=".llm_loop/vault", training_repo_root=".llm_loop/runs/repo")
    path = night.root / "config" / "daemon_config.json"
    config = load_config(path, night.root, {})
    assert {place.what for place in spared_places(config, path, night.paths)} == {
        "sealed test rows",
        "the training repository",
    }


@pytest.mark.parametrize(
    "settings", [{"sealed_root": ".llm_loop"}, {"sealed_root": "."}, {"training_repo_root": ".llm_loop"}]
)
def test_a_place_that_is_the_loops_own_folder_is_refused(tmp_path: Path, settings: dict[str, str]) -> None:
    night = Night(tmp_path / "w", **settings)
    path = night.root / "config" / "daemon_config.json"
    with pytest.raises(ConfigError):
        spared_places(load_config(path, night.root, {}), path, night.paths)


@posix_only
def test_a_size_counts_no_link_and_no_file_twice(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    write(folder, {"a/one": "x" * 5000, "two": "y" * 700})
    os.link(folder / "two", folder / "two again")
    (folder / "out").symlink_to(tmp_path.parent)
    size = size_of(folder)
    assert size.files == 4
    assert 5700 <= size.size_bytes < 6000
    assert size_of(tmp_path / "none") == Size()
    assert size_text(Size(size_bytes=1_234_000_000, files=1234)) == "1.2 GB in 1,234 files"
    assert size_text(Size(size_bytes=999, files=1, is_whole=False)) == "at least 999 bytes in 1 file"
