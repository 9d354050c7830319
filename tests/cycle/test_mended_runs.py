"""Mended and interrupted runs in whole loops: which run is next, how often it begins again, what a stop leaves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_loop.cycle.run_endings import MAX_LOST_ATTEMPTS
from tests.conftest import FAKES, eventually
from tests.loop_process import LoopProcess, script

Make = Callable[..., Path]
Environ = dict[str, str]

TRAIN = f"""
import os, pathlib, runpy, sys, time
folder = pathlib.Path(os.environ["LLM_LOOP_RUN_DIR"])
size, mode = int(sys.argv[2]), sys.argv[3]
said = folder / "resume.txt"
said.write_text(os.environ.get("LLM_LOOP_RESUME_DIR", ""))
(folder / "last.pt").write_text("a checkpoint")
if mode == "interrupts" and folder.name != "attempt-3":
    raise KeyboardInterrupt
if mode == "always":
    raise KeyboardInterrupt
if mode == "mended" and size > 4:
    while not pathlib.Path("go").exists():
        time.sleep(0.02)
    raise MemoryError
sys.argv = ["train", "good", "0.4"]
runpy.run_path({str(FAKES / "fake_trainer.py")!r}, run_name="__main__")
"""
LACKS = """
import pathlib, time
while not pathlib.Path("go").exists():
    time.sleep(0.02)
def late():
    import needed
late()
"""


def make(workspace: Make, **settings: Any) -> Path:
    root = workspace(**settings)
    (root / "repo" / "train.py").write_text(TRAIN, encoding="utf-8")
    return root


def run(mode: str, size: int = 8, **fields: Any) -> dict[str, Any]:
    return {"command": f"python train.py --batch-size {size} {mode}", **fields}


def order(loop: LoopProcess) -> list[str]:
    return [f"{event['run_id']}.{event['attempt']['number']}" for event in loop.events("attempt_intended")]


def resumed(loop: LoopProcess, attempt: int, run_id: str = "R0001") -> str:
    return Path((loop.paths.attempt(run_id, attempt) / "resume.txt").read_text(encoding="utf-8")).name


def test_a_training_that_was_interrupted_begins_again_from_its_checkpoint(
    workspace: Make, clean_environ: Environ
) -> None:
    root = make(workspace)
    script(root, run("interrupts"))
    with LoopProcess(root, clean_environ, "--cycles", "1") as loop:
        assert loop.finish()[0] == 0
    assert order(loop) == ["R0001.1", "R0001.2", "R0001.3"]
    assert [resumed(loop, number) for number in (1, 2, 3)] == ["", "attempt-1", "attempt-2"]
    assert [row["state"] for row in loop.history()] == ["completed"] and not loop.events("diagnosed")


def test_one_that_is_always_interrupted_calls_a_person(workspace: Make, clean_environ: Environ) -> None:
    root = make(workspace)
    script(root, run("always"))
    with LoopProcess(root, clean_environ, "--cycles", "1") as loop:
        assert loop.finish(90)[0] == 0
    assert len(order(loop)) == MAX_LOST_ATTEMPTS
    assert [row["state"] for row in loop.history()] == ["needs_human"]
    assert [event["cause"] for event in loop.events("needs_human")] == ["interrupt"]


def test_a_mended_run_is_next_and_begins_anew(workspace: Make, clean_environ: Environ) -> None:
    """The slot never waits for its mend, and what was staged later waits for it."""
    root = make(workspace)
    script(root, run("mended"), {"train": "sleep 2"}, {"train": "good 0.3"})
    with LoopProcess(root, clean_environ, "--cycles", "3") as loop:
        loop.wait_for("validated", 2)
        (root / "repo" / "go").touch()
        assert loop.finish()[0] == 0
    assert order(loop) == ["R0001.1", "R0002.1", "R0001.2", "R0003.1"]
    assert resumed(loop, 2) == "", "what was mended does not go on with what failed"
    (first,) = [row for row in loop.history() if row["run_id"] == "R0001"]
    assert first["state"] == "completed" and "--batch-size 4" in first["command"]
    (closing,) = [event for event in loop.events("cycle") if event["run_id"] == "R0001"]
    assert closing["run_outcome_retry"]["status"] == "completed"
    checked = [event["run_id"] for event in loop.events("validated") if event["ok"]]
    assert checked.count("R0001") == 2, "nothing is launched that was not looked at"


@pytest.mark.slow
def test_a_mended_run_gets_the_first_of_two_slots_that_is_free(workspace: Make, clean_environ: Environ) -> None:
    root = make(workspace, max_parallel_runs=2)
    script(root, run("mended"), {"train": "sleep 3"}, {"train": "sleep 1"}, {"train": "good 0.3"})
    (root / "repo" / "go").touch()
    with LoopProcess(root, clean_environ, "--cycles", "4") as loop:
        assert loop.finish()[0] == 0
    found = order(loop)
    assert sorted(found) == ["R0001.1", "R0001.2", "R0002.1", "R0003.1", "R0004.1"]
    assert found.index("R0001.2") < found.index("R0004.1")


def test_a_run_that_a_stop_pattern_ended_is_not_taken_for_an_interrupted_one(
    workspace: Make, clean_environ: Environ
) -> None:
    """Its last words are KeyboardInterrupt too, for that is how it was asked to end."""
    root = make(workspace)
    code = "import time\nprint('loss = DIVERGED', flush=True)\ntime.sleep(60)\n"
    (root / "repo" / "diverge.py").write_text(code, encoding="utf-8")
    script(root, {"command": "python diverge.py", "stop_patterns": ["DIVERGED"]})
    with LoopProcess(root, clean_environ, "--cycles", "1") as loop:
        assert loop.finish()[0] == 0
    assert order(loop) == ["R0001.1"]
    (row,) = loop.history()
    assert row["state"] == "failed" and row["cause"] == "pattern:diverged"
    assert not loop.events("needs_human")


@pytest.mark.slow
def test_the_code_is_looked_at_when_the_last_attempt_has_ended(workspace: Make, clean_environ: Environ) -> None:
    root = make(workspace)
    (root / "repo" / "go").touch()
    script(root, run("mended"))
    with LoopProcess(root, clean_environ, "--cycles", "1") as loop:
        assert loop.finish()[0] == 0
    looks = [(event["moment"], event["attempt"]) for event in loop.events("code_version")]
    assert looks == [("launch", 1), ("end", 2)]


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["stop", "until"])
def test_a_run_under_repair_outlives_the_end_of_the_loop(workspace: Make, clean_environ: Environ, ending: str) -> None:
    """It keeps no loop from ending, and the next start goes on with it."""
    root = make(workspace, auto_repair_module_package_map={"needed": ["needed"]}, max_parallel_runs=2)
    (root / "repo" / "lacks.py").write_text(LACKS, encoding="utf-8")
    script(root, {"command": "python lacks.py"}, {"train": "sleep 4" if ending == "until" else "polite"})
    flags = ("--until", "val_log_loss<=100") if ending == "until" else ()
    with LoopProcess(root, clean_environ, *flags) as loop:
        loop.wait_for("attempt_started", 2)
        (root / "repo" / "go").touch()
        loop.wait_for("mend_intended")
        loop.wait_for("environment_held")
        if ending == "stop":
            loop.paths.stop_daemon.touch()
        assert loop.finish(30)[0] == 0
    assert not [event for event in loop.events("run_ended") if event["run_id"] == "R0001"]
    script(root, {"action": "wait"})
    with LoopProcess(root, clean_environ) as again:
        ended = eventually(lambda: [event for event in again.events("run_ended") if event["run_id"] == "R0001"], 60)
        assert ended[0]["state"] == "needs_human", "there the loop's own environment is the training's: refused"
    assert len(again.events("mend_intended")) == 1


def test_the_planner_decides_after_three_failures_of_the_worker(workspace: Make, clean_environ: Environ) -> None:
    root = workspace(plan_ahead=False)
    script(root, *({"train": f"fail {number}"} for number in range(1, 9)))
    with LoopProcess(root, clean_environ, "--cycles", "4") as loop:
        loop.wait_for("held_after_failures")
        assert loop.wait_for("cycle_opened", 4)["agent"] == "builtin"
    assert [event["agent"] for event in loop.events("cycle_opened")][:4] == ["command"] * 3 + ["builtin"]


@pytest.mark.slow
def test_a_pause_after_a_success_holds_the_next_launch(workspace: Make, clean_environ: Environ) -> None:
    root = workspace(pause_after_success_seconds=3)
    script(root, {"train": "good 0.5"}, {"train": "good 0.4"})
    with LoopProcess(root, clean_environ, "--cycles", "2") as loop:
        assert loop.finish()[0] == 0
    first, second = loop.events("attempt_ended")
    assert second["started_monotonic_s"] - first["ended_monotonic_s"] >= 2.9
