"""What may go wrong around a finish-up, on real loops: the report is there all the same, and no run is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.memory.finish_up import TOO_LATE
from llm_loop.system.clock import utc_text
from tests.conftest import FAKES, eventually
from tests.fakes.fake_worker import DECISION
from tests.loop_process import LoopProcess, script
from tests.test_finish_up import artifacts, status, wish

Make = Callable[..., Path]
Environ = dict[str, str]


def finals(loop: LoopProcess) -> list[str]:
    return [event["run"]["run_id"] for event in loop.events("run_staged") if event["is_final_round"]]


def queue_a_run(root: Path, environ: Environ) -> None:
    """Let a person queue a run of their own."""
    command = f'python "{(FAKES / "fake_trainer.py").as_posix()}" good 0.3'
    mine: dict[str, Any] = {**DECISION, "command": command, "run_label": "mine"}
    (root / "mine.json").write_text(json.dumps(mine), encoding="utf-8")
    argv = [sys.executable, "-m", "llm_loop", "--workspace", str(root), "queue", "add", str(root / "mine.json")]
    subprocess.run(argv, env=environ, check=True, capture_output=True)


@pytest.mark.slow
def test_a_persons_run_that_waits_keeps_no_final_round_from_its_slot(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "polite"}, {"train": "good 0.4"}, {"train": "good 0.35"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("attempt_started")
        loop.wait_for("run_staged", 2)
        queue_a_run(root, clean_environ)
        wish(root, minutes_left=0.5)
        loop.wait_for("finish_up_done", seconds=60)
        (final,) = finals(loop)
        assert next(row for row in loop.history() if row["run_id"] == final)["state"] == "completed"
        assert "mine" not in [row["label"] for row in loop.history()]
        eventually(lambda: status(root) == "done")
        loop.paths.finish_up.unlink()
        eventually(lambda: "mine" in [row["label"] for row in loop.history()])


@pytest.mark.slow
def test_two_rounds_in_one_slot_follow_one_another(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "good 0.5"}, {"train": "good 0.4"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("run_ended")
        wish(root, minutes_left=0.7, final_training_rounds_target=2)
        loop.wait_for("finish_up_done", seconds=70)
        first, second = finals(loop)
        ended = next(event["seq"] for event in loop.events("run_ended") if event["run_id"] == first)
        staged = next(event for event in loop.events("run_staged") if event["run"]["run_id"] == second)
        opened = next(e for e in loop.events("cycle_opened") if e["cycle"] == staged["cycle"])
        assert opened["seq"] > ended, "what it may take is known when its slot is free"


def test_a_target_that_is_reached_lets_the_report_come_first(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "good 0.5"}, {"train": "good 0.2"}, {"train": "good 0.1"})
    night = ("--run-minutes", "30", "--finishup-minutes", "0.5", "--finishup-final-training-rounds", "0")
    with LoopProcess(root, clean_environ, "--until", "val_log_loss<=0.3", *night) as loop:
        code, out, err = loop.finish(60)
    assert code == 0 and "finished up" in out, out + err
    assert "reached val_log_loss<=0.3" in loop.events("finish_up_scheduled")[-1]["why"]
    assert status(root) == "done" and "final_report.html" in artifacts(root)


@pytest.mark.slow
def test_a_worker_that_shuts_down_gets_the_report_first(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "good 0.5"}, {"action": "shutdown_daemon", "idea_category": "other"})
    night = ("--run-minutes", "30", "--finishup-minutes", "0.5")
    with LoopProcess(root, clean_environ, *night) as loop:
        code, out, err = loop.finish(60)
    assert code == 0 and "finished up" in out, out + err
    (no_more,) = loop.events("finish_up_no_more_rounds")
    assert "trains no more" in no_more["why"] and "final_report.html" in artifacts(root)


@pytest.mark.slow
def test_a_window_that_is_put_off_lets_the_search_go_on(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "good 0.5"}, {"train": "polite"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("run_ended")
        wish(root, minutes_left=2)
        loop.wait_for("finish_up_activated")
        (final,) = eventually(lambda: finals(loop))
        later = utc_text(datetime.now(UTC) + timedelta(hours=7))
        wish(root, activate_at_utc=later, minutes_left=60)
        scheduled = loop.wait_for("finish_up_scheduled", 2)
        staged = eventually(lambda: [e for e in loop.events("run_staged") if e["seq"] > scheduled["seq"]])
        assert not staged[0]["is_final_round"] and final in [e["run"]["run_id"] for e in loop.events("run_staged")]
    assert not loop.events("finish_up_reporting")


@pytest.mark.slow
def test_a_loop_that_is_killed_while_the_report_is_made_makes_it(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "good 0.5"}, {"train": "polite"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("run_ended")
        wish(root, force_report_now=True, minutes_left=1)
        eventually(lambda: list((loop.paths.loop / "jobs").glob("finish-up-report-*/keeper.lock")))
        loop.kill()
        assert not loop.events("finish_up_reported")
        loop.start()
        loop.wait_for("finish_up_done", seconds=40)
        assert [event["outcome"] for event in loop.events("finish_up_reported")] == ["written"]
    assert status(root) == "done" and "final_report.html" in artifacts(root)


@pytest.mark.slow
def test_two_rounds_in_two_slots_train_side_by_side(workspace: Make, clean_environ: Environ) -> None:
    root = workspace(max_parallel_runs=2)
    script(root, {"train": "good 0.5"}, {"train": "polite"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("run_ended")
        wish(root, minutes_left=0.6, final_training_rounds_target=2)
        loop.wait_for("finish_up_done", seconds=60)
        assert len(finals(loop)) == 2
        rows = [row for row in loop.history() if row["run_id"] in finals(loop)]
        assert [(row["state"], row["cause"]) for row in rows] == [("completed", "finish_up")] * 2
        began = [e["seq"] for e in loop.events("attempt_started") if e["run_id"] in finals(loop)]
        assert max(began) < min(e["seq"] for e in loop.events("run_ended") if e["run_id"] in finals(loop))


@pytest.mark.slow
def test_a_disk_that_refuses_for_a_while_keeps_no_report_from_being_written(
    workspace: Make, clean_environ: Environ
) -> None:
    root = workspace()
    script(root, {"train": "good 0.5"}, {"train": "polite"})
    paths = WorkspacePaths(root)
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("run_ended")
        in_the_way = paths.artifacts / "final_report.html"
        in_the_way.mkdir(parents=True)
        wish(root, force_report_now=True, minutes_left=1)
        loop.wait_for("finish_up_reporting")
        for _ in range(2):
            eventually(lambda: list((paths.loop / "jobs").glob("finish-up-report-*/keeper.lock")))
            eventually(lambda: not list((paths.loop / "jobs").glob("finish-up-report-*")))
        in_the_way.rmdir()
        loop.wait_for("finish_up_done", seconds=40)
        (reported,) = loop.events("finish_up_reported")
        assert reported["outcome"] == "written" and "final_report.html" in artifacts(root)


@pytest.mark.slow
def test_a_report_that_cannot_be_written_is_not_called_one(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "good 0.5"}, {"train": "polite"})
    paths = WorkspacePaths(root)
    night = ("--run-minutes", "0.7", "--finishup-minutes", "0.5", "--finishup-final-training-rounds", "0")
    with LoopProcess(root, clean_environ, *night) as loop:
        loop.wait_for("run_ended")
        (paths.artifacts / "final_report.html").mkdir(parents=True)
        code, out, err = loop.finish(140)
    assert code == 0 and "finished up: the report is written" not in out, out + err


@pytest.mark.slow
def test_a_final_round_that_had_to_wait_for_too_long_is_not_begun(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "good 0.5"}, {"train": "polite"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("run_ended")
        loop.paths.pause.write_text("", encoding="utf-8")
        loop.wait_for("paused")
        wish(root, minutes_left=0.6)
        loop.wait_for("finish_up_done", seconds=60)
        rows = {row["run_id"]: row for row in loop.history()}
        causes = [event["cause"] for event in loop.events("run_ended")]
        assert TOO_LATE in causes and "final_report.html" in artifacts(root)
        last = loop.events("attempt_intended")[-1]
        assert last["seq"] < loop.events("finish_up_activated")[0]["seq"], rows


def test_a_file_that_does_not_say_yet_that_it_is_done_is_told(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "good 0.5"}, {"train": "polite"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("attempt_started")
        wish(root, force_report_now=True)
        loop.wait_for("finish_up_done", seconds=60)
        eventually(lambda: status(root) == "done")
        loop.kill()
        path = loop.paths.finish_up  # as a daemon leaves it that is killed between its journal and the file
        path.write_text(path.read_text(encoding="utf-8").replace('"done"', '"active"'), encoding="utf-8")
        loop.start()
        eventually(lambda: status(root) == "done")
        assert len(loop.events("finish_up_done")) == 1


@pytest.mark.slow
def test_what_a_person_breaks_in_the_window_is_kept(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "good 0.5"}, {"train": "polite"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("run_ended")
        path = wish(root, minutes_left=0.5)
        loop.wait_for("finish_up_activated")
        eventually(lambda: status(root) == "active")  # the file is the person's again
        path.write_text('{"minutes_left": 2', encoding="utf-8")
        loop.wait_for("finish_up_refused")
        loop.wait_for("finish_up_done", seconds=60)
    assert path.read_text(encoding="utf-8") == '{"minutes_left": 2' and "final_report.html" in artifacts(root)


def test_a_night_shorter_than_any_window_is_refused(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    with LoopProcess(root, clean_environ, "--run-minutes", "0.2", "--finishup-minutes", "0.5") as loop:
        code, _, err = loop.finish()
    assert code == 2 and "a finish-up takes 0.5 minutes at least" in err
    assert not loop.paths.finish_up.exists()
