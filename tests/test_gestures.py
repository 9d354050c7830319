"""What a person does to a loop: stop, pause, kill, close its window, edit its files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.conftest import eventually
from tests.loop_process import LoopProcess, pid_is_alive, run_to_the_end, script, set_config

Make = Callable[..., Path]
Environ = dict[str, str]


# ---------------------------------------------------------------- gestures


def test_stop_returns_when_the_loop_is_gone(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "polite"})
    with LoopProcess(root, clean_environ) as loop:
        started = loop.wait_for("attempt_started")
        stop = [sys.executable, "-m", "llm_loop", "--workspace", str(root), "stop"]
        done = subprocess.run(stop, env=clean_environ, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert not pid_is_alive(started["pid"])
        assert loop.finish(5)[0] == 0
    assert loop.history()[0]["cause"] == "daemon_stop"
    assert not loop.paths.stop_daemon.exists()
    beat = json.loads(loop.paths.heartbeat.read_text(encoding="utf-8"))
    assert (beat["daemon_status"], beat["reason"]) == ("stopped", "stopped on request")


@pytest.mark.slow
def test_stop_can_leave_the_run_and_the_next_start_adopts_it(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "polite"})
    with LoopProcess(root, clean_environ) as loop:
        started = loop.wait_for("attempt_started")
        loop.until_trains("R0001")
        loop.paths.stop_daemon.write_text("leave-run", encoding="utf-8")
        assert loop.finish()[0] == 0
        assert pid_is_alive(started["pid"])
        loop.start()
        loop.wait_for("run_adopted")
        loop.paths.stop_current_run.write_bytes("R0001\r\n".encode("utf-16"))  # as PowerShell 5.1 writes it
        ended = loop.wait_for("run_ended")
        assert ended["result"]["stopped_early"]
        assert len(loop.events("attempt_intended")) - len(loop.events("run_staged")) <= 0


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM; log-off is tested at the console handler")
def test_sigterm_interrupts_runs_and_the_next_start_resumes_them(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "resumable"})
    with LoopProcess(root, clean_environ) as loop:
        for attempt in (1, 2):
            assert loop.wait_for("attempt_started", attempt)["run_id"] == "R0001"
            eventually((loop.paths.attempt("R0001", attempt) / "last.pt").exists)
            loop.send(signal.SIGTERM)
            assert loop.finish()[0] == 0
            assert loop.events("run_moved")[-1]["state"] == "interrupted"
            assert not loop.history()
            loop.start()
        row = loop.wait_for("run_ended")["row"]
        assert (row["state"], row["attempts"], row["result"]["epochs_run"]) == ("completed", 3, 3)
        loop.interrupt()
        assert loop.finish()[0] == 0


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGHUP; closing is tested at the console handler")
def test_a_closed_window_leaves_the_run(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "polite"})
    with LoopProcess(root, clean_environ) as loop:
        started = loop.wait_for("attempt_started")
        loop.send(signal.SIGHUP)
        assert loop.finish()[0] == 0
        assert pid_is_alive(started["pid"])
        loop.start()
        loop.wait_for("run_adopted")


def test_a_killed_daemon_loses_nothing_and_starts_nothing_twice(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "polite"}, {"train": "good 0.4"})
    with LoopProcess(root, clean_environ, "--cycles", "2") as loop:
        loop.wait_for("attempt_started")
        loop.until_trains("R0001")
        loop.kill()
        (loop.paths.attempt("R0001", 1) / "STOP").touch()
        eventually((loop.paths.attempt("R0001", 1) / "exit.json").exists)
        loop.start()
        loop.wait_for("run_ended", 2)
        loop.interrupt()
        loop.finish()
    assert [row["run_id"] for row in loop.history()[:2]] == ["R0001", "R0002"]
    attempts = [(event["run_id"], event["attempt"]["number"]) for event in loop.events("attempt_intended")]
    assert attempts[:2] == [("R0001", 1), ("R0002", 1)] and len(attempts) == len(set(attempts))


def test_a_killed_keeper_costs_an_attempt_and_not_the_run(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "polite"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("attempt_started")
        started = json.loads((loop.paths.attempt("R0001", 1) / "started.json").read_text(encoding="utf-8"))
        psutil.Process(started["keeper_pid"]).kill()
        second = loop.wait_for("attempt_started", 2)
        assert second["run_id"] == "R0001"
        assert loop.events("attempt_ended")[0]["cause"] == "lost"
        assert not pid_is_alive(started["pid"])


def test_pause_holds_launches_and_resume_lets_them_go(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "good 0.5"})
    (root / ".llm_loop").mkdir()
    (root / ".llm_loop" / "PAUSE").touch()
    with LoopProcess(root, clean_environ, "--cycles", "1") as loop:
        loop.wait_for("run_staged")
        loop.wait_for("paused")
        assert not loop.events("attempt_intended")
        loop.paths.pause.unlink()
        assert loop.finish()[0] == 0
    assert loop.history()[0]["state"] == "completed"
    (began,), (over,) = loop.events("paused"), loop.events("resumed")
    assert 0 <= over["monotonic_s"] - began["monotonic_s"] < 60


@pytest.mark.slow
def test_a_second_daemon_says_who_holds_the_workspace(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"action": "wait"})
    with LoopProcess(root, clean_environ) as loop:
        eventually(loop.paths.heartbeat.exists)
        pid = json.loads(loop.paths.heartbeat.read_text(encoding="utf-8"))["pid"]
        with LoopProcess(root, clean_environ) as second:
            code, out, err = second.finish()
        assert code == 3 and f"pid {pid}" in err and not out
        loop.interrupt()
        assert loop.finish()[0] == 0


@pytest.mark.slow
def test_worker_decisions_wait_and_shutdown(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"action": "shutdown_daemon"})
    loop, out = run_to_the_end(root, clean_environ)
    assert loop.events("cycle")[0]["result"] == "daemon_stop_requested"
    assert "stopped on request" in out


@pytest.mark.slow
def test_a_worker_can_stop_the_run_that_trains(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "polite"}, {"action": "stop_current_run"}, {"train": "good 0.5"})
    loop, _ = run_to_the_end(root, clean_environ, "--cycles", "3")
    assert loop.history()[0]["cause"] == "stop_current_run"
    results = sorted(event["result"] for event in loop.events("cycle"))
    assert results == ["run_command", "run_command", "stop_current_run"]


# ---------------------------------------------------------------- people's files


@pytest.mark.slow
def test_a_changed_configuration_is_taken_up_and_a_broken_one_is_not(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"action": "wait"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("cycle")
        set_config(root, max_parallel_runs=2)
        assert loop.wait_for("config_changed")["keys"] == ["max_parallel_runs"]
        (root / "config" / "daemon_config.json").write_text('{"max_parallel_runs": 2,}', encoding="utf-8")
        assert "daemon_config.json" in loop.wait_for("config_refused")["why"]
        assert loop.process.poll() is None
        loop.interrupt()
        loop.finish()


@pytest.mark.slow
def test_a_hand_edited_todo_is_journaled_whole_and_kept(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    new = "Compare two larger learning rates with warmup on the digits"
    keep = {"todo_new": [new], "notes_update": "n", "data_exploration_update": "", "resolve_shared_todo_ids": []}
    script(root, {"action": "wait"}, {"train": "good 0.5", "housekeeping": keep})
    with LoopProcess(root, clean_environ, "--cycles", "2") as loop:
        loop.wait_for("cycle")
        mine = "# Shared TODO\n\n- [ ] Ask the radiologist about the odd label in folder seven\n"
        loop.paths.shared_todo.write_text(mine, encoding="utf-8", newline="\n")
        edit = loop.wait_for("human_edit")
        assert (edit["text"], edit["path"]) == (mine, ".llm_loop/artifacts/shared_todo.md")
        assert loop.finish()[0] == 0  # the edit woke the worker: no wait of five seconds and more
    text = loop.paths.shared_todo.read_text(encoding="utf-8")
    assert "Ask the radiologist" in text and "[C0002-W01]" in text and new in text
