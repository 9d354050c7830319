"""What a run, an agent or an accident does to the loop's own files: it is named, and the night goes on."""

from __future__ import annotations

import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import FAKES
from tests.loop_process import LoopProcess, pid_is_alive, script

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes, links and SIGKILL")

Make = Callable[..., Path]
Environ = dict[str, str]
GOOD: dict[str, Any] = {"train": "good 0.3"}


def hostile(mode: str) -> dict[str, Any]:
    return {"command": f'python "{(FAKES / "hostile_trainer.py").as_posix()}" {mode}', "run_label": f"hostile-{mode}"}


def survived(root: Path, environ: Environ, *flags: str) -> LoopProcess:
    """Run both scripted cycles and return the loop; it ended by itself, without a word of complaint."""
    with LoopProcess(root, environ, "--cycles", "2", *flags) as loop:
        code, out, err = loop.finish(20)
    assert code == 0, err
    assert "Traceback" not in out + err
    assert (loop.history()[-1]["label"], loop.history()[-1]["state"]) == ("scripted-2", "completed")
    return loop


@pytest.mark.parametrize(
    "mode",
    [
        "result_pipe",
        "own_ending",
        *(
            pytest.param(mode, marks=pytest.mark.slow)
            for mode in ("todo_is_a_pipe", "state_is_a_folder", "flag_is_a_folder")
        ),
    ],
)
def test_the_loop_waits_at_nothing_and_believes_no_ending_but_the_keepers(
    workspace: Make, clean_environ: Environ, mode: str
) -> None:
    root = workspace()
    script(root, hostile(mode), GOOD)
    loop = survived(root, clean_environ)
    first = "needs_human" if mode == "result_pipe" else "completed"
    assert [row["state"] for row in loop.history()] == [first, "completed"]
    assert len(loop.events("attempt_intended")) == 2
    assert len(loop.events("flag_consumed")) == (mode == "flag_is_a_folder"), "a flag that stays is obeyed once"


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["ending_is_a_folder", "folder_is_a_file"])
def test_where_no_ending_can_be_the_run_is_ended_with_all_its_processes(
    workspace: Make, clean_environ: Environ, mode: str
) -> None:
    root = workspace()
    script(root, hostile(mode), GOOD)
    loop = survived(root, clean_environ)
    assert loop.history()[0]["cause"] == "keeper_error"
    assert not any(pid_is_alive(event["pid"]) for event in loop.events("attempt_started"))


@pytest.mark.slow
def test_an_adopted_run_whose_folder_is_removed_is_ended_before_its_next_attempt(
    workspace: Make, clean_environ: Environ
) -> None:
    root = workspace()
    script(root, {"train": "silent"}, GOOD)
    with LoopProcess(root, clean_environ) as loop:
        first = loop.wait_for("attempt_started")["pid"]
        loop.kill()
        loop.start()
        loop.wait_for("run_adopted")
        shutil.rmtree(loop.paths.run("R0001"))
        loop.wait_for("attempt_intended", 2)
        assert not pid_is_alive(first)
        loop.send(signal.SIGINT)
        assert loop.finish()[0] == 0


def test_a_loop_whose_folder_is_removed_ends(workspace: Make, clean_environ: Environ) -> None:
    root = workspace(stop_grace_seconds=1)
    script(root, hostile("no_home"), GOOD)
    with LoopProcess(root, clean_environ) as loop:
        code, out, err = loop.finish(60)
    assert (code, err.count("Traceback")) == (0, 0)
    assert "was removed or replaced" in out


def test_a_stop_flag_that_cannot_be_removed_still_stops_the_run_politely(
    workspace: Make, clean_environ: Environ
) -> None:
    root = workspace()
    script(root, {"train": "polite"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("attempt_started")
        loop.paths.stop_daemon.mkdir()
        assert loop.finish(20)[0] == 0
    assert loop.history()[0]["cause"] == "daemon_stop"
    assert len(loop.events("flag_consumed")) == 1


def test_a_broken_policy_is_an_event_and_the_last_good_one_stays(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "polite"}, {"train": "good 0.3"}, GOOD)
    with LoopProcess(root, clean_environ, "--cycles", "3") as loop:
        loop.wait_for("run_staged", 2)
        loop.until_trains("R0001")
        (root / "config" / "command_policy.yaml").write_text("a: [1", encoding="utf-8")
        loop.paths.stop_current_run.write_text("R0001", encoding="utf-8")
        assert "command_policy.yaml" in loop.wait_for("config_refused")["why"]
        assert loop.finish()[0] == 0
    assert [row["state"] for row in loop.history()] == ["completed"] * 3


@pytest.mark.slow
def test_a_journal_that_was_moved_away_gives_no_old_result_to_a_new_run(
    workspace: Make, clean_environ: Environ
) -> None:
    root = workspace()
    script(root, {"train": "good 0.1"}, {"train": "fail 3"})
    with LoopProcess(root, clean_environ, "--cycles", "1") as loop:
        assert loop.finish()[0] == 0
        loop.paths.events.rename(loop.paths.events.with_name("old.jsonl"))
        loop.start()
        assert loop.finish()[0] == 0
    assert [(row["run_id"], row["state"]) for row in loop.history()] == [
        ("R0001", "completed"),
        ("R0002", "needs_human"),
    ]


def test_a_launch_that_the_disk_refuses_costs_no_attempt(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, GOOD)
    (root / ".llm_loop").mkdir()
    (root / ".llm_loop" / "runs").write_text("in the way", encoding="utf-8")
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("launch_failed")
        assert not loop.events("attempt_intended")
        loop.send(signal.SIGINT)
        assert loop.finish()[0] == 0


@pytest.mark.slow
def test_a_run_that_is_interrupted_each_evening_is_never_given_up(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "polite"})
    with LoopProcess(root, clean_environ) as loop:
        for evening in range(1, 9):
            loop.wait_for("attempt_started", evening)
            loop.send(signal.SIGTERM)
            assert loop.finish()[0] == 0
            loop.start()
        loop.wait_for("attempt_started", 9)
        assert {event["run_id"] for event in loop.events("attempt_started")} == {"R0001"}
        loop.send(signal.SIGINT)
        assert loop.finish()[0] == 0
