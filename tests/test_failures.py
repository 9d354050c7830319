"""What a loop does with answers and trainings that fail: refused, asked again, named, gone on after."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.conftest import eventually
from tests.loop_process import LoopProcess, run_to_the_end, script

Make = Callable[..., Path]
Environ = dict[str, str]


def test_a_refused_decision_is_kept_as_made_and_asked_for_once_more(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    bad = {"command": "rm -rf /", "run_label": "clean-up"}
    script(root, bad, {"train": "good 0.5"})
    loop, _ = run_to_the_end(root, clean_environ, "--cycles", "1")
    (closing,) = loop.events("cycle")
    refused, taken = closing["proposals"]
    assert refused["decision"]["command"] == "rm -rf /" and refused["quality_gate"]["blocked"]
    assert "destructive_command" in refused["quality_gate"]["issues"]
    assert taken["accepted"] and closing["result"] == "run_command"
    observation = json.loads(
        (loop.paths.calls / loop.events("call_intended")[1]["call_id"] / "observation.json").read_text("utf-8")
    )
    assert any("destructive_command" in line for line in observation["refusals"])
    assert "destructive_command" in loop.paths.storyline.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"say": "I would rather not."}, marks=pytest.mark.slow),
        {"say": '{"action": "dance"}'},
        pytest.param({"exit": 7}, marks=pytest.mark.slow),
    ],
)
def test_an_unusable_worker_is_asked_twice_and_then_the_planner_decides(
    workspace: Make, clean_environ: Environ, answer: dict[str, object]
) -> None:
    root = workspace()
    script(root, answer)
    loop, _ = run_to_the_end(root, clean_environ, "--cycles", "1")
    (closing,) = loop.events("cycle")
    assert [record["proposer"] for record in closing["proposals"]] == ["command", "command", "builtin"]
    assert all(record["unusable"] for record in closing["proposals"][:2])
    assert closing["result"] == "wait"  # no search space here, so the planner has nothing to run


@pytest.mark.slow
def test_a_hung_worker_ends_at_its_deadline(workspace: Make, clean_environ: Environ) -> None:
    root = workspace(codex_timeout_seconds=5, fallback_planner=False)
    script(root, {"hang": True}, {"train": "good 0.5"})
    loop, _ = run_to_the_end(root, clean_environ, "--cycles", "1")
    first = loop.events("proposal")[0]
    assert first["call"]["cause"] == "deadline"
    assert loop.history()[0]["state"] == "completed"


@pytest.mark.parametrize(
    ("mode", "cause"),
    [
        ("fail 3", "exit_code_3"),
        pytest.param("no_result", "no_result", marks=pytest.mark.slow),
        pytest.param("nan", "non_finite_metric", marks=pytest.mark.slow),
        pytest.param("bad_result", "invalid_result", marks=pytest.mark.slow),
        pytest.param("nan_result", "invalid_result", marks=pytest.mark.slow),
    ],
)
def test_a_failed_training_is_named_and_the_loop_goes_on(
    workspace: Make, clean_environ: Environ, mode: str, cause: str
) -> None:
    root = workspace()
    script(root, {"train": mode}, {"train": "good 0.5"})
    loop, _ = run_to_the_end(root, clean_environ, "--cycles", "2")
    failed, good = loop.history()
    state = "failed" if cause == "non_finite_metric" else "needs_human"
    assert (failed["state"], failed["cause"], failed["result"]) == (state, cause, None)
    assert good["state"] == "completed"


@pytest.mark.slow
def test_a_program_that_is_not_there_is_a_failed_start(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"command": "no-such-program --train", "run_label": "ghost"})
    loop, _ = run_to_the_end(root, clean_environ, "--cycles", "1")
    (row,) = loop.history()
    assert (row["state"], row["cause"], row["attempts"]) == ("needs_human", "program_missing", 0)
    assert "no-such-program" in loop.events("run_ended")[0]["detail"]


@pytest.mark.parametrize(
    "mode",
    [
        pytest.param("binary 0.4", marks=pytest.mark.slow),
        pytest.param("printed", marks=pytest.mark.slow),
        "foreign 0.25",
    ],
)
def test_foreign_and_odd_trainers_have_results(workspace: Make, clean_environ: Environ, mode: str) -> None:
    root = workspace(metrics_path="out/metrics.json")
    script(root, {"train": mode})
    loop, _ = run_to_the_end(root, clean_environ, "--cycles", "1")
    assert loop.history()[0]["result"]["value"] == {"binary": 0.4, "printed": 0.3, "foreign": 0.25}[mode.split()[0]]


@pytest.mark.slow
def test_an_old_foreign_result_is_not_taken_for_a_new_one(workspace: Make, clean_environ: Environ) -> None:
    root = workspace(metrics_path="out/metrics.json")
    (root / "repo" / "out").mkdir()
    old = {"history": [{"epoch": 1, "val_log_loss": 0.01}]}
    (root / "repo" / "out" / "metrics.json").write_text(json.dumps(old), encoding="utf-8")
    script(root, {"train": "no_result"})
    loop, _ = run_to_the_end(root, clean_environ, "--cycles", "1")
    assert loop.history()[0]["cause"] == "no_result"


@pytest.mark.slow
def test_a_stop_pattern_ends_the_whole_run(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "pattern", "stop_patterns": ["diverged"]})
    loop, _ = run_to_the_end(root, clean_environ, "--cycles", "1")
    assert (loop.history()[0]["state"], loop.history()[0]["cause"]) == ("failed", "pattern:diverged")


@pytest.mark.slow
def test_silence_ends_a_run_as_a_stall(workspace: Make, clean_environ: Environ) -> None:
    root = workspace(stall_seconds=1)
    script(root, {"train": "silent"})
    loop, _ = run_to_the_end(root, clean_environ, "--cycles", "1")
    assert (loop.history()[0]["state"], loop.history()[0]["cause"]) == ("needs_human", "stall")


def test_a_stubborn_run_is_ended_with_everything_it_started(workspace: Make, clean_environ: Environ) -> None:
    root = workspace(stop_grace_seconds=1)
    script(root, {"train": "family"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("attempt_started")
        metrics = loop.paths.attempt("R0001", 1) / "metrics.jsonl"
        eventually(metrics.exists)
        tag = loop.events("attempt_intended")[0]["attempt"]["tag"]
        assert tagged(tag)
        loop.interrupt()
        assert loop.finish()[0] == 0
        assert not tagged(tag)


def tagged(tag: str) -> list[int]:
    """Return the processes that carry a run's tag."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("LLM_LOOP_RUN") == tag and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found
