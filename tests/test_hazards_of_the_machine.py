"""A full disk, a read-only drive, one that goes away: the loop waits, keeps what it has, and goes on by itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import eventually, make_workspace
from tests.loop_process import LoopProcess, pid_is_alive, script, set_config
from tests.system.drives import covered, drive, filled, mount_or_skip, read_only

Make = Callable[..., Path]
Environ = dict[str, str]


def heartbeat(loop: LoopProcess) -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads(loop.paths.heartbeat.read_text(encoding="utf-8"))
        return value
    except (OSError, ValueError):
        return {}


def reasons(loop: LoopProcess) -> list[tuple[str, str]]:
    beat = heartbeat(loop)
    return [(one["phase"], one["cause"]) for one in beat.get("human_intervention_reasons", [])]


def flags_of_some_size(loop: LoopProcess) -> list[Path]:
    """Lay down requests that mean nothing, each of which takes a kilobyte of the journal once it has its name."""
    folder = loop.paths.root / "flags"
    folder.mkdir()
    flags = [folder / str(number) for number in range(32)]
    for flag in flags:
        flag.write_text("R9" * 490, encoding="utf-8")
        flag.with_suffix(".kept").hardlink_to(flag)  # so that its room stays taken when it is consumed
    return flags


def at_rest(loop: LoopProcess) -> list[Path]:
    """Wait until a run trains and the next is staged, so that nothing takes room or frees it; return flags."""
    loop.wait_for("run_staged", 2)
    eventually(lambda: heartbeat(loop).get("phase") == "training")
    return flags_of_some_size(loop)


def fill_the_journal(loop: LoopProcess, flags: list[Path]) -> None:
    """Let the journal take up the last pages that it has on a full disk."""
    for flag in flags:
        if reasons(loop) == [("writing", "refused")]:
            return
        flag.rename(loop.paths.stop_current_run)
        eventually(lambda: not loop.paths.stop_current_run.exists())
    eventually(lambda: reasons(loop) == [("writing", "refused")])


def ended_well(loop: LoopProcess) -> None:
    """End the loop; nothing was lost, doubled or torn."""
    loop.interrupt()
    code, out, err = loop.finish(30)
    assert (code, "Traceback" in out + err) == (0, False), out + err
    events = loop.events()
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    json.loads(loop.paths.state.read_text(encoding="utf-8"))
    launched = [(event["run_id"], event["attempt"]["number"]) for event in loop.events("attempt_intended")]
    assert len(launched) == len(set(launched))


def test_a_short_disk_holds_launches_and_calls_a_person_until_there_is_space(
    workspace: Make, clean_environ: Environ
) -> None:
    root = workspace(min_free_disk_mb=10**9)
    script(root, {"train": "good 0.5"})
    with LoopProcess(root, clean_environ) as loop:
        call = loop.wait_for("needs_human")
        assert (call["phase"], call["cause"], call["id"]) == ("disk", "short", f"H{call['seq']}")
        assert "1000000000 MB are wanted" in call["why"] and str(loop.paths.loop) in call["what_to_do"]
        loop.wait_for("run_staged")
        eventually(lambda: reasons(loop) == [("disk", "short")])
        state = eventually(lambda: json.loads(loop.paths.state.read_text(encoding="utf-8")))
        assert state["needs_human"] and state["human_intervention_reasons"][0]["id"] == call["id"]
        told = subprocess.run(
            [sys.executable, "-m", "llm_loop", "--workspace", str(root), "status", "--json"],
            env=clean_environ,
            capture_output=True,
            encoding="utf-8",
            check=True,
        )
        snapshot = json.loads(told.stdout)
        assert [one["id"] for one in snapshot["human_intervention_reasons"]] == [call["id"]]
        assert not loop.events("attempt_intended") and len(loop.events("needs_human")) == 1
        set_config(root, min_free_disk_mb=0)
        assert loop.wait_for("human_no_longer_needed")["id"] == call["id"]
        loop.wait_for("run_ended")
        eventually(lambda: not heartbeat(loop)["needs_human"])
        ended_well(loop)


def test_the_youngest_run_ends_when_the_disk_is_nearly_full(workspace: Make, clean_environ: Environ) -> None:
    root = workspace(min_free_disk_mb=0)
    script(root, {"train": "polite"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("attempt_started")
        loop.until_trains("R0001")
        set_config(root, min_free_disk_mb=10**9)
        loop.wait_for("run_ended")
        row = eventually(loop.history)[0]
        assert (row["state"], row["cause"], row["result"]["stopped_early"]) == ("completed", "disk_full", True)
        ended_well(loop)


def test_a_run_ends_at_its_deadline(workspace: Make, clean_environ: Environ) -> None:
    root = workspace(max_run_seconds=4)
    script(root, {"train": "polite"})
    with LoopProcess(root, clean_environ, "--cycles", "1") as loop:
        assert loop.finish()[0] == 0
    assert (loop.history()[0]["state"], loop.history()[0]["cause"]) == ("completed", "max_run_seconds")
    assert loop.events("attempt_ended")[0]["cause"] == "deadline"


def test_a_loss_that_explodes_ends_the_run(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "exploding"})
    with LoopProcess(root, clean_environ, "--cycles", "1") as loop:
        assert loop.finish()[0] == 0
    (row,) = loop.history()
    assert (row["state"], row["cause"], row["result"]) == ("failed", "diverged", None), "it only got worse"


@pytest.mark.slow
def test_a_full_disk_loses_no_ending_and_the_loop_goes_on_when_there_is_space(
    tmp_path: Path, clean_environ: Environ
) -> None:
    with drive(tmp_path / "drive") as place:
        root = make_workspace(place / "w", min_free_disk_mb=0)
        script(root, {"train": "silent"}, {"train": "good 0.4"})
        with LoopProcess(root, clean_environ) as loop:
            loop.wait_for("attempt_started")
            flags = at_rest(loop)
            with filled(place):
                fill_the_journal(loop, flags)
                loop.paths.stop_current_run.touch()  # the run ends although nothing can be journaled
                eventually(lambda: (loop.paths.attempt("R0001", 1) / "exit.json").exists())
                before = len(loop.events())
                first = heartbeat(loop)
                assert reasons(loop) == [("writing", "refused")]
                assert "free some space" in first["human_intervention_reasons"][0]["what_to_do"]
                later = eventually(lambda: (beat := heartbeat(loop)).get("ticks", 0) >= first["ticks"] + 30 and beat)
                assert later["updated_utc"] > first["updated_utc"]
                assert later["cpu_seconds"] - first["cpu_seconds"] < 1.5, "it spins"
                assert len(loop.events()) <= before + 3, "only what fits the last page"
            assert loop.wait_for("written_again")["for_s"] >= 1
            assert loop.wait_for("stop_requested")["reason"] == "stop_flag:STOP_CURRENT_RUN"
            loop.wait_for("attempt_intended", 2)
            loop.wait_for("run_ended", 2)
            assert [event["run_id"] for event in loop.events("attempt_ended")] == ["R0001", "R0002"]
            assert not loop.paths.stop_current_run.exists()
            ended_well(loop)


@pytest.mark.slow
def test_a_training_that_dies_of_a_full_disk_is_begun_again(tmp_path: Path, clean_environ: Environ) -> None:
    with drive(tmp_path / "drive") as place:
        root = make_workspace(place / "w", min_free_disk_mb=0)
        script(root, {"train": "polite"})
        with LoopProcess(root, clean_environ) as loop:
            pid = loop.wait_for("attempt_started")["pid"]
            flags = at_rest(loop)
            with filled(place):
                fill_the_journal(loop, flags)
                eventually(lambda: not pid_is_alive(pid))  # it cannot write its epochs
                eventually(lambda: (loop.paths.attempt("R0001", 1) / "exit.json").exists())
            again = loop.wait_for("attempt_started", 2)
            assert (again["run_id"], len(loop.events("attempt_intended"))) == ("R0001", 2)
            moved = loop.events("run_moved")[-1]
            assert (moved["run_id"], moved["state"]) == ("R0001", "queued")
            assert moved["why"] == "nothing could be written"
            loop.until_trains("R0001", 2)
            loop.paths.stop_current_run.touch()
            assert loop.wait_for("run_ended")["state"] == "completed"
            ended_well(loop)


@pytest.mark.slow
def test_stop_means_stop_on_a_full_disk(tmp_path: Path, clean_environ: Environ) -> None:
    with drive(tmp_path / "drive") as place:
        root = make_workspace(place / "w", min_free_disk_mb=0, stop_grace_seconds=1)
        script(root, {"train": "silent"})
        with LoopProcess(root, clean_environ) as loop:
            pid = loop.wait_for("attempt_started")["pid"]
            flags = at_rest(loop)
            with filled(place):
                fill_the_journal(loop, flags)
                loop.interrupt()
                code, _, err = loop.finish(15)
                assert code == 0 and "a person is needed: cannot" in err
                eventually(lambda: not pid_is_alive(pid))
            loop.start()
            loop.wait_for("daemon_started", 2)
            loop.wait_for("attempt_ended")
            ended_well(loop)


@pytest.mark.slow
def test_a_loop_that_starts_on_a_full_disk_waits_for_space(tmp_path: Path, clean_environ: Environ) -> None:
    with drive(tmp_path / "drive") as place:
        root = make_workspace(place / "w", min_free_disk_mb=0)
        script(root, {"train": "good 0.5"})
        with LoopProcess(root, clean_environ, "--cycles", "1") as loop:
            loop.finish()
            size = loop.paths.events.stat().st_size
            with loop.paths.events.open("a", encoding="utf-8") as journal:  # to the end of its page
                words = {"seq": len(loop.events()) + 1, "ts_utc": "2026-01-01T00:00:00Z", "event": "notice", "text": ""}
                left = 4096 - (size + len(json.dumps(words)) + 1) % 4096
                journal.write(json.dumps(words | {"text": "x" * left}) + "\n")
            with filled(place):
                loop.start()
                eventually(lambda: reasons(loop) == [("writing", "refused")])
                assert loop.process.poll() is None and len(loop.events("daemon_started")) == 1
            loop.wait_for("run_ended", 2)
            loop.finish()
            assert len(loop.events("daemon_started")) == 2


@pytest.mark.slow
def test_a_read_only_drive_is_waited_for(tmp_path: Path, clean_environ: Environ) -> None:
    mount_or_skip("--version")
    root = make_workspace(tmp_path / "w", min_free_disk_mb=0)
    script(root, {"train": "sleep 6"}, {"train": "good 0.4"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("attempt_started")
        loop.wait_for("run_staged", 2)
        with read_only(root):
            before = eventually(lambda: heartbeat(loop).get("ticks"))
            psutil.Process(loop.process.pid).cpu_percent()
            eventually(lambda: psutil.Process(loop.process.pid).cpu_percent(3.0) < 60)
            assert loop.process.poll() is None and not loop.events("attempt_ended")
            assert heartbeat(loop)["ticks"] <= before + 30
        loop.wait_for("written_again")
        loop.wait_for("run_ended", 2, seconds=60)
        ended = {event["run_id"]: event["state"] for event in loop.events("run_ended")}
        assert (ended["R0001"], ended["R0002"]) == ("completed", "completed")
        assert {event["why"] for event in loop.events("run_moved")} <= {"nothing could be written"}
        loop.interrupt()
        code, _, err = loop.finish()
        assert code == 0 and err.count("make the drive of") == 1


@pytest.mark.slow
def test_a_drive_that_goes_away_is_waited_for_and_nothing_is_written_elsewhere(
    tmp_path: Path, clean_environ: Environ
) -> None:
    with drive(tmp_path / "drive") as place:
        root = make_workspace(place / "w", min_free_disk_mb=0)
        script(root, {"train": "sleep 1"}, {"train": "good 0.4"})
        with LoopProcess(root, clean_environ) as loop:
            loop.wait_for("attempt_started")
            loop.wait_for("run_staged", 2)
            with covered(place), pytest.raises(subprocess.TimeoutExpired):
                loop.process.wait(4)
            assert loop.wait_for("drive_away")["for_s"] >= 3
            loop.wait_for("run_ended", 2)
            assert [event["run_id"] for event in loop.events("attempt_ended")] == ["R0001", "R0002"]
            assert len(loop.events("daemon_started")) == 1
            ended_well(loop)


@pytest.mark.slow
@pytest.mark.parametrize("far", [False, True])
def test_a_training_repository_that_is_away_holds_launches(tmp_path: Path, clean_environ: Environ, far: bool) -> None:
    repository = tmp_path / "far"
    repository.mkdir()
    root = make_workspace(tmp_path / "w", training_repo_root=str(repository))
    script(root, {"train": "good 0.5"})
    if far:
        with drive(repository), LoopProcess(root, clean_environ) as loop:
            (repository / "train.py").touch()
            loop.wait_for("run_ended")
            aside = tmp_path / "aside"
            aside.mkdir()
            mount_or_skip("--move", str(repository), str(aside))
            repository.rmdir()
            is_held(loop)
            repository.mkdir()
            mount_or_skip("--move", str(aside), str(repository))
            goes_on(loop)
        return
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("run_ended")
        repository.rename(tmp_path / "aside")
        is_held(loop)
        (tmp_path / "aside").rename(repository)
        goes_on(loop)


def is_held(loop: LoopProcess) -> None:
    call = loop.wait_for("needs_human", seconds=60)
    assert (call["phase"], call["cause"]) == ("drive", "training_repo_root") and "it is not there" in call["why"]
    eventually(lambda: "drive" in heartbeat(loop)["holds"])


def goes_on(loop: LoopProcess) -> None:
    loop.wait_for("human_no_longer_needed", seconds=60)
    ended = len(loop.events("run_ended"))
    loop.wait_for("run_ended", ended + 1)
    assert all(row["state"] == "completed" for row in loop.history()[ended:])
    loop.interrupt()
    assert loop.finish()[0] == 0


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a stopped process is a thing of POSIX")
def test_a_loop_that_stood_still_lets_no_run_stall_for_that(workspace: Make, clean_environ: Environ) -> None:
    root = workspace(stall_seconds=8)
    script(root, {"train": "silent"})
    with LoopProcess(root, clean_environ) as loop:
        pid = loop.wait_for("attempt_started")["pid"]
        assert pid
        process = psutil.Process(loop.process.pid)
        process.suspend()
        with pytest.raises(subprocess.TimeoutExpired):
            loop.process.wait(9)
        process.resume()
        with pytest.raises(subprocess.TimeoutExpired):
            loop.process.wait(2)
        assert not loop.events("stop_requested")
        assert loop.wait_for("stop_requested")["reason"] == "stall"
        loop.interrupt()
        loop.finish()


@pytest.mark.slow
def test_nothing_starts_before_it_is_known_that_the_data_are_there(
    workspace: Callable[..., Path], clean_environ: dict[str, str], tmp_path: Path
) -> None:
    data = tmp_path / "data of another drive"
    root = workspace(data_source_root=str(data))
    script(root, {"train": "good 0.5"}, {"action": "wait"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("needs_human")
        loop.kill()
        loop.start()
        loop.wait_for("daemon_started", 2)
        eventually(lambda: "drive" in holds_of(loop))
        assert not loop.events("human_no_longer_needed") and not loop.events("attempt_intended")
        data.mkdir()
        loop.wait_for("run_ended")
    (back,) = loop.events("human_no_longer_needed")
    assert back["seq"] < loop.events("attempt_intended")[0]["seq"]


def holds_of(loop: LoopProcess) -> dict[str, str]:
    beat = json.loads(loop.paths.heartbeat.read_text(encoding="utf-8"))
    return beat["holds"] if beat["pid"] == loop.process.pid else {}
