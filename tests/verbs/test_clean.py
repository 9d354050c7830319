"""``llm-loop clean``: what it refuses, what it says, and that a start begins afresh behind it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.system.instance_lock import InstanceLock
from llm_loop.system.links import make_folder_link, remove_link
from tests.loop_process import LoopProcess, script, set_config
from tests.resetting.night import ARCHIVED, NIGHT, Night, fingerprint, write
from tests.windows.marks import not_under_wine

Capture = pytest.CaptureFixture[str]
linked = not_under_wine("it knows no junctions")
posix_only = pytest.mark.skipif(os.name == "nt", reason="a link needs a privilege on Windows")


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path / "a work & space")


def verb(workspace: Path, environ: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-X", "utf8", "-m", "llm_loop", "--workspace", str(workspace), *words]
    return subprocess.run(argv, env=environ, capture_output=True, text=True, encoding="utf-8", timeout=60)


# ---------------------------------------------------------------- a whole night


def test_a_start_begins_afresh(workspace: Callable[..., Path], clean_environ: dict[str, str]) -> None:
    root = workspace()
    paths = WorkspacePaths(root)
    for value in ("0.5", "0.4"):
        script(root, {"train": f"good {value}"})
        (root / "config" / "calls_worker.txt").unlink(missing_ok=True)
        paths.loop.mkdir(exist_ok=True)
        paths.stop_daemon.touch()  # one that nobody obeyed
        with LoopProcess(root, clean_environ, "--cycles", "1") as loop:
            assert loop.finish()[0] == 0
        assert [(row["run_id"], row["result"]["value"]) for row in loop.history()] == [("R0001", float(value))]
        assert [event["cycle"] for event in loop.events("cycle")] == [1]
        done = verb(root, clean_environ, "clean")
        assert (done.returncode, done.stderr) == (0, "")
        assert "never started here" in verb(root, clean_environ, "status").stdout
        assert {one.name for one in paths.loop.iterdir()} == {"daemon.lock"}
    archives = sorted((root / ".llm_loop_archive").iterdir())
    assert len(archives) == 2
    assert ["0.5" in (one / "history.jsonl").read_text(encoding="utf-8") for one in archives] == [True, False]


def test_nothing_begins_on_a_part_of_a_night(workspace: Callable[..., Path], clean_environ: dict[str, str]) -> None:
    root = workspace()
    script(root, {"train": "good 0.5"})
    (root / ".llm_loop").mkdir()
    (root / ".llm_loop" / "CLEANING.20260301T220000Z").touch()  # a clean was killed
    for words in (("start", "--cycles", "1"), ("start", "--detach"), ("cancel", "R0001")):
        done = verb(root, clean_environ, *words)
        assert done.returncode == 1 and "cut short" in done.stderr, words
    assert verb(root, clean_environ, "clean").returncode == 0
    with LoopProcess(root, clean_environ, "--cycles", "1") as loop:
        assert loop.finish()[0] == 0


def test_the_machine_does_not_start_what_a_person_cleaned(
    workspace: Callable[..., Path], clean_environ: dict[str, str]
) -> None:
    root = workspace()
    script(root, {"train": "good 0.5"})
    with LoopProcess(root, clean_environ, "--cycles", "1") as loop:
        assert loop.finish()[0] == 0
    assert verb(root, clean_environ, "clean").returncode == 0
    done = verb(root, clean_environ, "start", "--autostarted", "--quiet")
    assert (done.returncode, "was cleaned" in done.stdout) == (0, True)
    assert not (root / ".llm_loop" / "logs").exists()


def test_an_archived_night_is_no_code(workspace: Callable[..., Path], clean_environ: dict[str, str]) -> None:
    root = workspace(training_repo_root=".")
    script(root, {"train": "good 0.5"})
    with LoopProcess(root, clean_environ, "--cycles", "1") as loop:
        assert loop.finish()[0] == 0
        before = loop.history()[0]["code_version"]
    assert verb(root, clean_environ, "clean").returncode == 0
    (root / ".llm_loop_archive" / "x.py").write_text("print(1)\n", encoding="utf-8")
    (root / "config" / "calls_worker.txt").unlink()
    with LoopProcess(root, clean_environ, "--cycles", "1") as loop:
        assert loop.finish()[0] == 0
        assert loop.history()[0]["code_version"] == before


def test_a_living_loop_is_refused_and_nothing_is_overridden(
    workspace: Callable[..., Path], clean_environ: dict[str, str]
) -> None:
    root = workspace()
    script(root, {"train": "polite"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("attempt_started")
        for flags in ((), ("--force",), ("--no-archive", "--force")):
            done = verb(root, clean_environ, "clean", *flags)
            assert done.returncode == 3
            assert re.search(r"the loop with pid \d+ holds", done.stderr) and "stop" in done.stderr
        shown = verb(root, clean_environ, "clean", "--what-if", "--json")
        assert shown.returncode == 3 and json.loads(shown.stdout)["what_if"]
        loop.kill()
        for flags in ((), ("--force",)):  # the training goes on without it
            done = verb(root, clean_environ, "clean", *flags)
            assert done.returncode == 3
            assert "the training R0001, attempt-1 (pid " in done.stderr and "takes over" in done.stderr
        assert not (root / ".llm_loop_archive").exists()
        loop.start()
        loop.wait_for("daemon_started", 2)
        loop.interrupt()
        assert loop.finish()[0] == 0
    assert verb(root, clean_environ, "clean").returncode == 0


def test_a_keeper_that_comes_late_starts_nothing(night: Night) -> None:
    late = night.paths.attempt("R0002", 1)
    write(late, {"spec.json": "{}"})
    assert night.clean() == 0
    moved = night.archives[0] / "runs" / "R0002" / "attempt-1"
    assert (moved / "void.json").exists()


def test_whoever_holds_the_lock_is_waited_for_a_moment_only(night: Night, capsys: Capture) -> None:
    with InstanceLock(night.paths.instance_lock):
        assert night.clean("--force") == 3
    assert "another command of llm-loop" in capsys.readouterr().err
    assert night.left() >= ARCHIVED


# ---------------------------------------------------------------- what it says


@linked
def test_it_says_what_goes_with_sizes_and_if_changes_nothing(night: Night, capsys: Capture) -> None:
    write(night.paths.loop, {"mine.txt": "x"})
    before = fingerprint(night.root)
    assert night.clean("--what-if", "--force") == 0
    said = capsys.readouterr().out
    assert ".llm_loop/runs  737 bytes in 3 files" in said
    assert f"repo/data  (the link alone, leads to {night.data})" in said
    assert ".llm_loop/mine.txt  1 byte" in said.replace("1 bytes", "1 byte") and "not made by the loop" in said
    assert "Nothing was changed" in said
    assert fingerprint(night.root) == before
    assert night.clean() == 0
    plan = capsys.readouterr().out
    assert said.splitlines()[:-1] == plan.splitlines()[:-1]
    assert "the old night lies in .llm_loop_archive/" in plan.lower()


@linked
def test_json_for_programs(night: Night, capsys: Capture) -> None:
    assert night.clean("--json", "--keep-codex-login") == 0
    said = json.loads(capsys.readouterr().out)
    fates = {entry["path"]: entry["fate"] for entry in said["entries"]}
    assert fates[".llm_loop/logs"] == "archived" and fates[".llm_loop/codex_home"] == "kept"
    assert said["archive"] == str(night.archives[0]) and not said["what_if"]
    assert said["data_link"] == {
        "path": str(night.link),
        "leads_to": os.path.realpath(night.data),
        "removed": True,
        "why": "the link alone",
    }


def test_nothing_to_clean_leaves_nothing_behind(tmp_path: Path, capsys: Capture) -> None:
    night = Night(tmp_path / "w")
    night.clean()
    (night.paths.instance_lock).unlink()
    night.paths.loop.rmdir()
    capsys.readouterr()
    assert night.clean() == 0
    assert not night.paths.loop.exists()
    assert "begins afresh" in capsys.readouterr().out


# ---------------------------------------------------------------- the login


def test_the_login_stays_untouched_or_goes_and_never_enters_the_archive(night: Night) -> None:
    home = night.paths.codex_home
    before = fingerprint(home), (home / "auth.json").stat().st_ino
    assert night.clean("--keep-codex-login") == 0
    assert (fingerprint(home), (home / "auth.json").stat().st_ino) == before
    assert night.clean() == 0
    assert not home.exists()
    assert not [one for one in (night.root / ".llm_loop_archive").rglob("*") if one.name in ("auth.json", "codex_home")]


@posix_only
def test_a_login_elsewhere_is_not_reached_through_a_link(night: Night, tmp_path: Path) -> None:
    mine = tmp_path / "my codex"
    night.paths.codex_home.rename(mine)
    night.paths.codex_home.symlink_to(mine)
    before = fingerprint(mine)
    assert night.clean() == 0
    assert not os.path.lexists(night.paths.codex_home)
    assert fingerprint(mine) == before


# ---------------------------------------------------------------- what is a person's


def test_what_is_a_persons_is_not_touched(night: Night) -> None:
    theirs = night.theirs()
    assert night.clean("--no-archive") == 0
    assert night.theirs() == theirs
    assert not os.path.lexists(night.link)
    assert night.left() == set()


@linked
def test_the_link_to_the_data_stays_when_wished(night: Night) -> None:
    assert night.clean("--keep-data-link") == 0
    assert (night.link / "labels.csv").exists()


@linked
def test_a_real_folder_data_stays(night: Night) -> None:
    remove_link(night.link)
    write(night.link, {"own.png": "pixels"})
    assert night.clean("--no-archive", "--force") == 0
    assert (night.link / "own.png").read_text(encoding="utf-8") == "pixels"


@linked
def test_a_link_that_the_loop_did_not_make_stays(night: Night, tmp_path: Path, capsys: Capture) -> None:
    write(tmp_path / "other", {"x.png": ""})
    remove_link(night.link)
    make_folder_link(night.link, tmp_path / "other")
    assert night.clean() == 0
    assert (night.link / "x.png").exists()
    assert "your own" in capsys.readouterr().out


@linked
@pytest.mark.parametrize("place", ["repo/images", ".llm_loop/data here", ".llm_loop/runs/data"])
def test_data_inside_the_workspace_stays_where_it_is(night: Night, place: str) -> None:
    remove_link(night.link)
    data = night.root / place
    write(data, {"1.png": "pixels"})
    set_config(night.root, data_source_root=place)
    make_folder_link(night.link, data)
    assert night.clean("--no-archive") == 0
    assert (data / "1.png").read_text(encoding="utf-8") == "pixels"
    assert not os.path.lexists(night.link)


@pytest.mark.parametrize("flags", [(), ("--no-archive",)])
def test_test_rows_that_are_sealed_inside_stay(night: Night, flags: tuple[str, ...]) -> None:
    set_config(night.root, sealed_root=".llm_loop/runs/vault")
    write(night.paths.runs / "vault", {"test.csv": "rows"})
    assert night.clean(*flags) == 0
    assert (night.paths.runs / "vault" / "test.csv").read_text(encoding="utf-8") == "rows"
    assert night.left() == {"runs"} and [one.name for one in night.paths.runs.iterdir()] == ["vault"]


@pytest.mark.parametrize("flags", [(), ("--no-archive",)])
def test_a_wish_to_finish_up_goes_with_its_night_wherever_it_lies(night: Night, flags: tuple[str, ...]) -> None:
    set_config(night.root, finishup_control_file="requests/end.json")
    place = night.root / "requests" / "end.json"
    write(night.root, {"requests/end.json": '{"status": "requested"}', "requests/other.json": "{}"})
    assert night.clean(*flags) == 0
    assert [one.name for one in place.parent.iterdir()] == ["other.json"]
    if not flags:
        assert (night.archives[0] / "end.json").exists()
    night.fill()
    write(night.root, {"requests/end.json": "dear diary"})
    assert night.clean(*flags) == 0
    assert place.read_text(encoding="utf-8") == "dear diary"


# ---------------------------------------------------------------- links in the way


@posix_only
def test_a_workspace_behind_a_link(night: Night, tmp_path: Path) -> None:
    theirs = night.theirs()
    (tmp_path / "short").symlink_to(night.root)
    from llm_loop.cli import main

    assert main(["--workspace", str(tmp_path / "short"), "clean"]) == 0
    assert night.theirs() == theirs
    assert {one.name for one in night.archives[0].iterdir()} == ARCHIVED


@posix_only
def test_a_loops_folder_behind_a_link(night: Night, tmp_path: Path) -> None:
    night.paths.loop.rename(tmp_path / "big")
    night.paths.loop.symlink_to(tmp_path / "big")
    assert night.clean("--keep-codex-login") == 0
    assert night.paths.loop.is_symlink() and night.left() == {"codex_home"}
    assert {one.name for one in night.archives[0].iterdir()} == ARCHIVED


@posix_only
def test_a_link_to_what_is_no_loops_folder_is_refused(night: Night, tmp_path: Path, capsys: Capture) -> None:
    night.paths.loop.rename(tmp_path / "old")
    write(tmp_path / "project", {"runs/best.pt": "mine", "logs/a.txt": "mine", "thesis.tex": "mine"})
    night.paths.loop.symlink_to(tmp_path / "project")
    before = fingerprint(tmp_path / "project")
    for flags in ((), ("--no-archive",), ("--what-if",)):
        assert night.clean(*flags) == 1
        assert "holds no journal" in capsys.readouterr().err
        assert fingerprint(tmp_path / "project") == before
    assert night.link.exists()


@pytest.mark.parametrize("what", ["a file", "a link to nothing"])
def test_what_is_no_folder_is_refused(tmp_path: Path, night: Night, what: str, capsys: Capture) -> None:
    night.paths.loop.rename(tmp_path / "old")
    if what == "a file":
        night.paths.loop.write_text("", encoding="utf-8")
    elif os.name == "nt":
        pytest.skip("a link needs a privilege on Windows")
    else:
        night.paths.loop.symlink_to(tmp_path / "none")
    assert night.clean() == 1
    assert "no folder" in capsys.readouterr().err


# ---------------------------------------------------------------- what cannot be read


def test_a_state_that_cannot_be_read_needs_force(night: Night, capsys: Capture) -> None:
    night.paths.state.write_text('{"loop": ', encoding="utf-8")
    assert night.clean() == 1
    assert "state.json" in capsys.readouterr().err
    assert night.left() >= ARCHIVED
    assert night.clean("--force") == 0
    assert (night.archives[0] / "state.json").read_text(encoding="utf-8") == '{"loop": '


@linked
def test_a_configuration_that_cannot_be_read_needs_force_and_removes_no_night(night: Night, capsys: Capture) -> None:
    set_config(night.root, no_such_key=1)
    assert night.clean() == 2
    assert "no_such_key" in capsys.readouterr().err
    assert night.clean("--force", "--no-archive") == 2
    assert night.left() >= ARCHIVED
    assert night.clean("--force") == 0
    assert night.left() == set() and night.link.exists()
    assert (night.archives[0] / "history.jsonl").read_text(encoding="utf-8") == NIGHT["history.jsonl"]


def test_the_configuration_is_the_one_that_the_loop_ran_with(night: Night) -> None:
    other = night.root / "config" / "other.json"
    value = json.loads((night.root / "config" / "daemon_config.json").read_text(encoding="utf-8"))
    other.write_text(json.dumps(value | {"sealed_root": ".llm_loop/runs"}), encoding="utf-8")
    write(night.paths.loop, {"logs/daemon_heartbeat.json": json.dumps({"config_path": str(other)})})
    set_config(night.root, sealed_root=".llm_loop/versions")  # and a heartbeat that lies spares no less
    assert night.clean("--no-archive") == 0
    assert night.left() == {"runs", "versions"}


def test_a_workspace_that_is_none(tmp_path: Path) -> None:
    from llm_loop.cli import main

    assert main(["--workspace", str(tmp_path / "none"), "clean"]) == 2
    assert not (tmp_path / "none").exists()
