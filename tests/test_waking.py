"""A worker that has decided ahead sleeps until something about the run, or a person, wakes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import eventually
from tests.loop_process import LoopProcess, hold_an_answer, script

Make = Callable[..., Path]
Environ = dict[str, str]


def test_a_healthy_run_costs_no_call(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "polite"}, {"train": "good 0.5"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("run_staged", 2)
        loop.until_trains("R0001")
        first = (loop.paths.attempt("R0001", 1) / "metrics.jsonl").stat().st_size
        eventually(lambda: (loop.paths.attempt("R0001", 1) / "metrics.jsonl").stat().st_size > first + 5000)
        assert len(loop.events("call_intended")) == 2


def test_numbers_that_are_none_wake_the_worker_who_ends_the_run(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "diverged"}, {"train": "good 0.5"}, {"action": "stop_current_run"}, {"train": "good 0.4"})
    with LoopProcess(root, clean_environ, "--cycles", "4") as loop:
        code, _, err = loop.finish(60)
    assert code == 0, err
    woken = [event for event in loop.events("cycle_opened") if event["woken_by"]]
    assert [wake["reason"] for event in woken for wake in event["woken_by"]] == ["not_finite"], "once a run"
    assert woken[0]["cycle"] == 3
    assert [event["run_id"] for event in loop.events("stop_requested")] == ["R0001"]
    assert [row["run_id"] for row in loop.history()] == ["R0001", "R0002", "R0003"]


def test_a_woken_worker_may_replace_what_is_staged(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(
        root,
        {"train": "diverged"},
        {"train": "good 0.5", "run_label": "planned-before"},
        {"train": "good 0.3", "run_label": "better-idea"},
        {"action": "wait"},
    )
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("run_staged", 3)
        (root / ".llm_loop" / "STOP_CURRENT_RUN").touch()
        eventually(lambda: len(loop.history()) == 2)
    assert [row["label"] for row in loop.history()] == ["scripted-1", "better-idea"]
    dropped = [event for event in loop.events("cycle") if event["result"] == "dropped"]
    assert dropped[0]["run_label"] == "planned-before"
    assert "replaced" in dropped[0]["reason"]


@pytest.mark.slow
def test_a_woken_worker_that_waits_changes_nothing(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "diverged"}, {"train": "good 0.5", "run_label": "planned-before"}, {"action": "wait"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("cycle")
        (root / ".llm_loop" / "STOP_CURRENT_RUN").touch()
        eventually(lambda: len(loop.history()) == 2)
    assert loop.history()[1]["label"] == "planned-before"


def test_a_todo_written_by_a_person_wakes_the_worker(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "polite"}, {"train": "good 0.5"}, {"action": "wait"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("run_staged", 2)
        todo = loop.paths.shared_todo
        todo.write_text(todo.read_text(encoding="utf-8") + "- [ ] Please look at the fracture masks first\n", "utf-8")
        woken = loop.wait_for("cycle_opened", 3)
    assert woken["woken_by"] == [{"run_id": None, "reason": "todo_edited"}]


@pytest.mark.slow
def test_the_built_in_planner_is_not_woken(workspace: Make, clean_environ: Environ) -> None:
    root = workspace(worker_command=None)
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("cycle")
        todo = loop.paths.shared_todo
        todo.write_text(todo.read_text(encoding="utf-8") + "- [ ] Please look at the fracture masks first\n", "utf-8")
        loop.wait_for("human_edit")
    assert not [event for event in loop.events("cycle_opened") if event["woken_by"]]


def test_a_run_that_began_after_the_question_is_not_stopped(workspace: Make, clean_environ: Environ) -> None:
    """The worker is woken by the first run, which ends while the worker thinks: the second is none that it meant."""
    root = workspace()
    slow = {"action": "stop_current_run"}
    script(root, {"train": "diverged"}, {"train": "polite", "run_label": "healthy"}, slow, {"action": "wait"})
    hold_an_answer(root)
    with LoopProcess(root, clean_environ) as loop:
        woken = loop.wait_for("cycle_opened", 3)
        assert woken["woken_by"] == [{"run_id": "R0001", "reason": "not_finite"}]
        eventually(lambda: (root / "config" / "asked").exists())
        (root / ".llm_loop" / "STOP_CURRENT_RUN").touch()
        loop.wait_for("attempt_started", 2)
        (root / "config" / "go").touch()
        closed = loop.wait_for("cycle", 2)
        assert closed["result"] == "no_active_run"
    stopped = [(event["run_id"], event["reason"]) for event in loop.events("stop_requested")]
    assert stopped == [("R0001", "stop_flag:STOP_CURRENT_RUN"), ("R0002", "daemon_stop")]


def test_a_todo_written_while_the_worker_thinks_wakes_it_afterwards(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "polite"}, {"train": "good 0.5"}, {"action": "wait"})
    hold_an_answer(root, number=2)
    with LoopProcess(root, clean_environ) as loop:
        eventually(lambda: (root / "config" / "asked").exists())
        todo = loop.paths.shared_todo
        todo.write_text(todo.read_text(encoding="utf-8") + "- [ ] Please look at the fracture masks first\n", "utf-8")
        loop.wait_for("human_edit")
        (root / "config" / "go").touch()
        woken = loop.wait_for("cycle_opened", 3)
    assert woken["woken_by"] == [{"run_id": None, "reason": "todo_edited"}]
