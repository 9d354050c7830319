"""The finish-up of a real loop: the window opens, the best is trained once more, the report is there in time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.system.clock import parse_utc, utc_text
from tests.conftest import eventually
from tests.loop_process import LoopProcess, script

Make = Callable[..., Path]
Environ = dict[str, str]
NIGHT = ("--run-minutes", "0.6", "--finishup-minutes", "0.5")


def wish(root: Path, **fields: Any) -> Path:
    """Write a wish as a person does, as a whole or not at all."""
    path = WorkspacePaths(root).finish_up
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".new")
    partial.write_text(json.dumps(fields), encoding="utf-8-sig")
    partial.replace(path)
    return path


def status(root: Path) -> str:
    return str(json.loads(WorkspacePaths(root).finish_up.read_text(encoding="utf-8-sig"))["status"])


def artifacts(root: Path) -> set[str]:
    return {path.name for path in WorkspacePaths(root).artifacts.glob("final_*")}


@pytest.mark.slow
def test_a_night_ends_with_a_final_round_and_the_report_by_its_deadline(
    workspace: Make, clean_environ: Environ
) -> None:
    root = workspace()
    script(root, {"train": "good 0.5"}, {"train": "polite"}, {"train": "good 0.4", "run_label": "last"})
    with LoopProcess(root, clean_environ, *NIGHT) as loop:
        code, out, err = loop.finish(90)
    assert code == 0 and "finished up" in out, out + err
    (activated,) = loop.events("finish_up_activated")
    deadline = parse_utc(activated["wish"]["deadline_utc"])
    assert status(root) == "done"
    (done,) = loop.events("finish_up_done")
    assert parse_utc(done["ts_utc"]) <= deadline
    finals = [event["run"]["run_id"] for event in loop.events("run_staged") if event["is_final_round"]]
    rows = {row["run_id"]: row for row in loop.history()}
    assert len(finals) == 1 and rows[finals[0]]["state"] == "completed"
    assert {"final_condensed_story.md", "final_paper_report.md", "final_report.html"} <= artifacts(root)


@pytest.mark.slow
def test_what_is_staged_is_dropped_and_what_trains_without_an_end_counts_as_far_as_it_came(
    workspace: Make, clean_environ: Environ
) -> None:
    root = workspace()
    script(root, {"train": "polite"}, {"train": "good 0.4"}, {"train": "good 0.3"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("run_staged", 2)
        loop.wait_for("attempt_started")
        eventually(lambda: list(loop.paths.attempt("R0001", 1).glob("metrics.jsonl")))
        wish(root, minutes_left=0.5)
        loop.wait_for("finish_up_done", seconds=60)
        first, second = (next(r for r in loop.history() if r["run_id"] == name) for name in ("R0001", "R0003"))
        dropped = [event for event in loop.events("cycle") if event["run_id"] == "R0002"]
        assert [event["result"] for event in dropped] == ["dropped"]
        assert (first["state"], first["cause"], first["result"]["stopped_early"]) == ("completed", "finish_up", True)
        assert second["state"] == "completed"
        eventually(lambda: "finishup --cancel" in loop.paths.heartbeat.read_text(encoding="utf-8"))
        runs, cycles = len(loop.events("attempt_intended")), len(loop.events("cycle_opened"))
        assert loop.events("cycle_opened")[-1]["seq"] < loop.events("finish_up_reporting")[0]["seq"]
        loop.paths.finish_up.unlink()
        loop.wait_for("finish_up_cancelled")
        loop.wait_for("attempt_intended", runs + 1)
        assert len(loop.events("cycle_opened")) > cycles


@pytest.mark.parametrize(
    "text, why",
    [
        ("{broken", "not JSON (line 1"),
        pytest.param('{"minutes_left": 0.1}', "minutes_left", marks=pytest.mark.slow),
        ('{"deadline_utc": "tomorrow"}', "'tomorrow' is no moment"),
        pytest.param('{"status": "perhaps"}', "status", marks=pytest.mark.slow),
    ],
)
def test_a_wish_that_is_none_is_refused_and_kept(text: str, why: str, workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "polite"})
    path = WorkspacePaths(root).finish_up
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    with LoopProcess(root, clean_environ) as loop:
        assert why in loop.wait_for("finish_up_refused")["why"]
        loop.wait_for("attempt_started")
    assert path.read_text(encoding="utf-8") == text
    assert len(loop.events("finish_up_refused")) == 1


@pytest.mark.slow
def test_a_model_that_never_answers_leaves_the_window_to_the_planner(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "good 0.5"}, {"hang": True})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("run_ended")
        began = time.monotonic()
        wish(root, minutes_left=0.5)
        loop.wait_for("finish_up_done", seconds=60)
        assert time.monotonic() - began < 30
    agents = [event["agent"] for event in loop.events("call_intended")]
    assert agents[-1] == "builtin" and status(root) == "done"


@pytest.mark.slow
def test_a_killed_loop_goes_on_in_its_window(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "good 0.5"}, {"train": "polite"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("run_ended")
        wish(root, minutes_left=0.6)
        loop.wait_for("finish_up_activated")
        (final,) = eventually(lambda: [e["run"]["run_id"] for e in loop.events("run_staged") if e["is_final_round"]])
        loop.kill()
        loop.start()
        loop.wait_for("finish_up_done", seconds=60)
    assert len(loop.events("finish_up_activated")) == 1
    rows = [row for row in loop.history() if row["run_id"] == final]
    assert [row["cause"] for row in rows] == ["finish_up"], "it trained on until its time was over, and once"


def test_the_report_at_once_trains_nothing(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "good 0.5"}, {"train": "polite"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("attempt_started", 2)
        wish(root, force_report_now=True, final_training_rounds_target=0)
        loop.wait_for("finish_up_done", seconds=60)
    assert not [event for event in loop.events("run_staged") if event["is_final_round"]]
    assert "final_report.html" in artifacts(root)


@pytest.mark.slow
def test_a_wish_for_later_changes_nothing_before_the_search_is_over(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "good 0.5"}, {"train": "good 0.4"})
    later = datetime.now(UTC) + timedelta(hours=1)
    wish(root, activate_at_utc=utc_text(later), minutes_left=5, final_training_rounds_target=0)
    with LoopProcess(root, clean_environ, "--cycles", "2") as loop:
        code, out, err = loop.finish()
    assert code == 0 and "2 cycles done" in out, out + err
    wished, brought = loop.events("finish_up_scheduled")
    assert wished["wish"]["activate_at_utc"] == utc_text(later) and "2 cycles done" in brought["why"]
    assert len(loop.history()) == 2 and status(root) == "done" and "final_report.html" in artifacts(root)


@pytest.mark.slow
def test_a_start_after_a_night_that_is_over_begins_a_new_one(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "good 0.5"}, {"train": "good 0.4"}, {"train": "good 0.3"}, {"train": "good 0.2"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("attempt_started")
        wish(root, force_report_now=True)
        loop.wait_for("finish_up_done", seconds=60)
    runs = len(loop.events("attempt_intended"))
    with LoopProcess(root, clean_environ, "--run-minutes", "5") as loop:
        loop.wait_for("finish_up_cancelled")
        loop.wait_for("attempt_intended", runs + 1)
    assert not loop.paths.finish_up.exists()


def test_a_finish_up_needs_an_end_of_the_night(workspace: Make, clean_environ: Environ) -> None:
    with LoopProcess(workspace(), clean_environ, "--finishup-minutes", "3") as loop:
        code, _, err = loop.finish()
    assert code == 2 and "--finishup-minutes needs --run-hours or --run-minutes" in err
