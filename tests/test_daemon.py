"""The loop as a whole: real daemon, real keepers, fake trainers and agents that are real programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import FAKES, REPOSITORY, command_line, eventually, make_workspace
from tests.loop_process import LoopProcess, run_to_the_end, script

Make = Callable[..., Path]
Environ = dict[str, str]


# ---------------------------------------------------------------- the main job


def test_runs_one_experiment_after_another(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "good 0.5"}, {"train": "good 0.4"}, {"train": "good 0.6"})
    loop, out = run_to_the_end(root, clean_environ, "--cycles", "3")
    assert "3 cycles done" in out
    assert [(row["state"], row["result"]["value"]) for row in loop.history()] == [
        ("completed", 0.5),
        ("completed", 0.4),
        ("completed", 0.6),
    ]
    cycles = loop.events("cycle")
    assert [event["cycle"] for event in cycles] == [1, 2, 3]
    assert cycles[0]["delta_best"] is None
    assert [round(event["delta_best"], 6) for event in cycles[1:]] == [-0.1, 0.2]
    assert [event["seq"] for event in loop.events()] == list(range(1, len(loop.events()) + 1))
    board = json.loads(loop.paths.leaderboard_json.read_text(encoding="utf-8"))
    assert board["entries"][0]["value"] == 0.4
    storyline = loop.paths.storyline.read_text(encoding="utf-8")
    assert all(event["cycle_trace_id"] in storyline for event in cycles)
    assert len(loop.paths.cycle_summaries.read_text(encoding="utf-8").splitlines()) == 3


def test_works_in_a_folder_with_a_hostile_name(weird_path: Path, clean_environ: Environ) -> None:
    root = make_workspace(weird_path / "w")
    piped = f'python "{FAKES.as_posix()}/fake_trainer.py" good 0.3 | tee "{{run_dir}}/copy.txt"'
    script(
        root,
        {"train": "good 0.5"},
        {"train": "good 0.3"} if os.name == "nt" else {"command": piped},  # a pipe needs a shell
        {
            "command": "python {run_dir}/own.py",
            "run_files": [
                {
                    "name": "own.py",
                    "text": "import os, runpy, sys\nsys.argv = ['t', 'good', '0.2']\n"
                    f"runpy.run_path({str(FAKES / 'fake_trainer.py')!r}, run_name='__main__')\n",
                }
            ],
        },
    )
    loop, _ = run_to_the_end(root, clean_environ, "--cycles", "3")
    assert [row["state"] for row in loop.history()] == ["completed"] * 3
    assert os.name == "nt" or (loop.paths.attempt("R0002", 1) / "copy.txt").exists()


def test_the_next_decision_is_staged_while_a_run_trains(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "polite"}, {"train": "good 0.4"})
    with LoopProcess(root, clean_environ, "--cycles", "2") as loop:
        staged = loop.wait_for("run_staged", 2)
        assert not loop.events("run_ended")
        assert staged["run"]["run_id"] == "R0002"
        loop.until_trains("R0001")
        loop.paths.stop_current_run.write_text("R0001", encoding="utf-8")
        loop.finish()
    first, second = loop.history()
    assert first["result"]["stopped_early"] and first["cause"] == "stop_flag:STOP_CURRENT_RUN"
    assert second["state"] == "completed"  # the flag was consumed, the next run is not killed by it
    assert not loop.paths.stop_current_run.exists()


@pytest.mark.slow
def test_without_planning_ahead_the_worker_is_asked_only_when_a_slot_is_free(
    workspace: Make, clean_environ: Environ
) -> None:
    root = workspace(plan_ahead=False)
    script(root, {"train": "good 0.5"}, {"train": "good 0.4"})
    loop, _ = run_to_the_end(root, clean_environ, "--cycles", "2")
    order = [event["event"] for event in loop.events() if event["event"] in ("cycle_opened", "run_ended")]
    assert order == ["cycle_opened", "run_ended", "cycle_opened", "run_ended"]


def state_of(loop: LoopProcess) -> dict[str, Any]:
    return dict(json.loads(loop.paths.state.read_text(encoding="utf-8")))


def test_two_slots_train_at_once(workspace: Make, clean_environ: Environ) -> None:
    root = workspace(max_parallel_runs=2)
    script(root, {"train": "polite"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("attempt_started", 2)
        state = eventually(lambda: (found := state_of(loop)) and len(found["active_runs"]) == 2 and found)
        assert state["active_run"]["pid"] == state["active_runs"][0]["pid"]
        loop.until_trains("R0001")
        loop.until_trains("R0002")
        loop.interrupt()
        code, out, _ = loop.finish()
        assert code == 0 and "Run slots: idle 0.0% (slot 1 0.0%, slot 2 0.0%), from" in out
    assert [event["attempt"]["slot"] for event in loop.events("attempt_intended")] == [1, 2]
    beat = json.loads(loop.paths.heartbeat.read_text(encoding="utf-8"))
    assert [one["slot"] for one in beat["slot_use"]] == [1, 2] and beat["idle_fraction"] == 0.0
    assert [row["result"]["stopped_early"] for row in loop.history()[:2]] == [True, True]


@pytest.mark.slow
def test_the_built_in_planner_waits_when_there_is_no_search_space(workspace: Make, clean_environ: Environ) -> None:
    root = workspace(worker_command=None, force_bootstrap_if_idle=False)
    loop, _ = run_to_the_end(root, clean_environ, "--cycles", "1")
    (closing,) = loop.events("cycle")
    assert (closing["result"], closing["proposer"]) == ("wait", "builtin")


# ---------------------------------------------------------------- the mentor


def test_the_mentor_is_asked_by_cadence_and_its_word_is_kept(workspace: Make, clean_environ: Environ) -> None:
    mentor = command_line(FAKES / "fake_worker.py")
    root = workspace(mentor_enabled=True, mentor_every_n_cycles=2, mentor_command=mentor)
    script(root, {"train": "good 0.5"}, {"train": "good 0.4", "run_label": "mine"})
    instead = {"train": "good 0.2", "run_label": "instead"}
    review = {
        "recommendation": "challenge",
        "critique": "off_track: too timid",
        "todo_updates": ["Try a much larger learning rate with warmup soon"],
        "suggested_decision": instead,
    }
    script(root, review, role="mentor")
    loop, _ = run_to_the_end(root, clean_environ, "--cycles", "2")
    first, second = loop.events("cycle")
    assert first["codex"]["mentor"] is None
    assert second["codex"]["mentor"]["applied"] and second["decision_source"] == "mentor"
    assert [record["decision"]["run_label"] for record in second["proposals"]] == ["mine", "instead"]
    assert loop.history()[1]["label"] == "instead"
    assert "too timid" in loop.paths.mentor_notes.read_text(encoding="utf-8")
    assert "[C0002-M01]" in loop.paths.shared_todo.read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_mentor_out_of_reach_leaves_the_decision_unreviewed(workspace: Make, clean_environ: Environ) -> None:
    mentor = command_line(FAKES / "fake_worker.py")
    root = workspace(mentor_enabled=True, mentor_every_n_cycles=1, mentor_command=mentor)
    script(root, {"train": "good 0.5"})
    script(root, {"exit": 1}, role="mentor")
    loop, _ = run_to_the_end(root, clean_environ, "--cycles", "1")
    (closing,) = loop.events("cycle")
    assert not closing["codex"]["mentor"]["run"] and "exit code 1" in closing["codex"]["mentor"]["error"]
    assert closing["result"] == "run_command"


@pytest.mark.slow
def test_a_refused_suggestion_leaves_the_workers_decision(workspace: Make, clean_environ: Environ) -> None:
    mentor = command_line(FAKES / "fake_worker.py")
    root = workspace(mentor_enabled=True, mentor_every_n_cycles=1, mentor_command=mentor)
    script(root, {"train": "good 0.5", "run_label": "mine"})
    bad = {"recommendation": "challenge", "critique": "off_track: no", "suggested_decision": {"command": "rm -rf /"}}
    script(root, bad, role="mentor")
    loop, _ = run_to_the_end(root, clean_environ, "--cycles", "1")
    assert loop.history()[0]["label"] == "mine"
    assert not loop.events("cycle")[0]["codex"]["mentor"]["applied"]


# ---------------------------------------------------------------- limits


@pytest.mark.slow
def test_until_ends_at_the_target_and_says_so(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "good 0.5"}, {"train": "good 0.05"}, {"train": "good 0.4"})
    _, out = run_to_the_end(root, clean_environ, "--until", "val_log_loss<=0.09")
    assert "scripted-2 (R0002) reached val_log_loss<=0.09 (--until)" in out


@pytest.mark.slow
def test_nothing_is_launched_once_the_target_is_reached(workspace: Make, clean_environ: Environ) -> None:
    root = workspace(target_value=0.09)
    script(root, {"train": "sleep 0.05"}, {"train": "polite"})  # the second is staged while the first trains
    loop, out = run_to_the_end(root, clean_environ)
    assert "reached val_log_loss<=0.09 (target_value)" in out
    assert [event["run_id"] for event in loop.events("attempt_intended")] == ["R0001"]
    again, out = run_to_the_end(root, clean_environ)
    assert "reached val_log_loss<=0.09" in out
    assert len(again.events("attempt_intended")) == 1


@pytest.mark.slow
def test_after_three_failures_in_a_row_the_agent_is_not_asked_for_a_while(
    workspace: Make, clean_environ: Environ
) -> None:
    root = workspace(pause_after_failure_seconds=3, plan_ahead=False, fallback_planner=False)
    script(root, {"train": "fail 3"}, {"train": "fail 4"}, {"train": "fail 5"}, {"train": "good 0.5"})
    with LoopProcess(root, clean_environ, "--cycles", "4") as loop:
        assert loop.wait_for("held_after_failures")["pause_s"] == 3
        assert loop.finish()[0] == 0
    (held,) = loop.events("held_after_failures")
    ended, meant = loop.events("attempt_ended"), loop.events("attempt_intended")
    assert ended[2]["seq"] < held["seq"] < meant[3]["seq"], "not before the third"
    assert ended[3]["started_monotonic_s"] - ended[2]["ended_monotonic_s"] >= 3
    assert loop.history()[3]["state"] == "completed"


@pytest.mark.slow
def test_convergence_ends_the_loop(workspace: Make, clean_environ: Environ) -> None:
    root = workspace(convergence_cycles=2, convergence_threshold=0.01)
    script(root, {"train": "good 0.5"}, {"train": "good 0.495"}, {"train": "good 0.6"}, {"train": "good 0.499"})
    _, out = run_to_the_end(root, clean_environ)
    assert "converged: 2 runs without a gain above 0.01" in out


@pytest.mark.slow
def test_run_minutes_ends_the_loop_politely(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "polite"})
    loop, out = run_to_the_end(root, clean_environ, "--run-minutes", "0.3")
    assert "minutes are over (--run-minutes)" in out
    assert loop.history()[0]["result"]["stopped_early"]


# ---------------------------------------------------------------- bad starts


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"max_paralel_runs": 2}, "max_parallel_runs"),
        ({"daemon_poll_seconds": "5"}, "daemon_poll_seconds"),
        ({"training_repo_root": "nowhere"}, "training_repo_root"),
        ({"train_python_exe": "bin/nothing"}, "train_python_exe"),
        ({"search_space": "config/none.yaml"}, "none.yaml"),
    ],
)
def test_a_wrong_configuration_starts_nothing(
    workspace: Make, clean_environ: Environ, change: dict[str, object], words: str
) -> None:
    root = workspace(**change)
    with LoopProcess(root, clean_environ) as loop:
        code, out, err = loop.finish()
    assert (code, out) == (2, "")
    assert words in err and "Traceback" not in err
    assert not loop.events()


def test_secrets_stay_out_of_every_file(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "environment 0.5"})
    secret = "s3cr3t-do-not-write"
    environ = clean_environ | {"HF_TOKEN": secret, "OPENAI_API_KEY": secret, "MY_PASSWORD": secret}
    loop, _ = run_to_the_end(root, environ, "--cycles", "1")
    holders = [path for path in root.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    assert not holders
    seen = json.loads((loop.paths.attempt("R0001", 1) / "environment_seen.json").read_text(encoding="utf-8"))
    assert seen["LLM_LOOP_RUN_DIR"] == str(loop.paths.attempt("R0001", 1))


def test_the_shipped_repository_is_a_workspace(clean_environ: Environ) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "llm_loop", "--workspace", str(REPOSITORY), "config"],
        env=clean_environ,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
