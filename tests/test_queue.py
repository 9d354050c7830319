"""A person's hand on the queue, with real loops and real verbs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_loop.contract.paths import WorkspacePaths
from tests.conftest import FAKES, eventually
from tests.loop_process import LoopProcess, script, set_config
from tests.windows.marks import not_under_wine

Make = Callable[..., Path]
Environ = dict[str, str]
TRAINER = (FAKES / "fake_trainer.py").as_posix()


def started(root: Path, environ: Environ, *words: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-X", "utf8", "-m", "llm_loop", "--workspace", str(root), *words]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(argv, env=environ, text=True, encoding="utf-8", **pipes)  # type: ignore[call-overload,no-any-return]


def verb(root: Path, environ: Environ, *words: str, given: str | None = None) -> tuple[int, str, str]:
    """Run a verb; return exit code, standard output, standard error."""
    process = started(root, environ, *words)
    out, err = process.communicate(given, timeout=60)
    return process.returncode, out, err


def train(mode: str, label: str, **fields: Any) -> dict[str, Any]:
    return {"command": f'python "{TRAINER}" {mode}', "run_label": label, **fields}


def file_of(root: Path, *decisions: dict[str, Any], name: str = "mine.json") -> str:
    path = root / name
    path.write_text(json.dumps(decisions if len(decisions) != 1 else decisions[0]), encoding="utf-8-sig")
    return str(path)


def journal(root: Path, kind: str) -> list[dict[str, Any]]:
    lines = WorkspacePaths(root).events.read_text(encoding="utf-8").splitlines()
    return [event for line in lines if (event := json.loads(line))["event"] == kind]


def queue(root: Path, environ: Environ) -> dict[str, Any]:
    code, out, err = verb(root, environ, "queue", "--json")
    assert (code, err) == (0, "")
    value: dict[str, Any] = json.loads(out)
    return value


# ---------------------------------------------------------------- with a loop


def test_a_persons_run_starts_before_what_is_planned_after_it(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "polite"}, {"train": "good 0.4"})
    with LoopProcess(root, clean_environ, "--cycles", "5") as loop:
        loop.wait_for("run_staged", 2)
        code, out, err = verb(root, clean_environ, "queue", "add", file_of(root, train("good 0.3", "mine & mine")))
        assert (code, err) == (0, "") and "Queued: R0003 (mine & mine)." in out
        found = eventually(lambda: len((seen := queue(root, clean_environ))["waiting"]) == 2 and seen)
        assert [(run["run_id"], run["state"]) for run in found["runs"]] == [("R0001", "running")]
        assert [(run["run_id"], run["proposer"]) for run in found["waiting"]] == [
            ("R0002", "command"),
            ("R0003", "person"),
        ]
        calls = len(loop.events("call_intended"))
        loop.paths.stop_current_run.write_text("R0001", encoding="utf-8")
        loop.wait_for("run_ended", 3)
        assert calls == 2, "nobody is asked for more while the slot has its next run"
        loop.finish()
    order = [event["run_id"] for event in loop.events("attempt_intended")]
    assert order[:3] == ["R0001", "R0002", "R0003"]
    mine = next(row for row in loop.history() if row["run_id"] == "R0003")
    assert (mine["proposer"], mine["state"], mine["label"]) == ("person", "completed", "mine-mine")
    (closing,) = [event for event in loop.events("cycle") if event["run_id"] == "R0003"]
    assert closing["proposer"] == "person" and closing["codex"]["mentor"] is None
    assert "proposer=person" in loop.paths.storyline.read_text(encoding="utf-8")


def test_a_refusal_is_told_with_its_reasons(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "polite"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("attempt_started")
        bad = train("good 0.3", "clean-up") | {"command": "rm -rf /"}
        code, out, err = verb(root, clean_environ, "queue", "add", file_of(root, train("good 0.3", "mine"), bad))
        assert (code, out) == (1, "")
        assert err.startswith("llm-loop: nothing was queued: ") and "decision 2 (clean-up): " in err
        assert "decision 1" not in err
        code, _, err = verb(root, clean_environ, "cancel", "R0099")
        assert (code, err.count("\n")) == (1, 1) and "no run 'R0099' is open here" in err
        assert not [event for event in loop.events("run_staged") if event["run"]["proposer"] == "person"]


def test_two_verbs_at_once_are_both_answered(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "polite"})
    mine = file_of(root, train("good 0.3", "mine"))
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("attempt_started")
        verbs = [started(root, clean_environ, "queue", "add", mine) for _ in range(3)]
        said = [process.communicate(timeout=60) for process in verbs]
        assert [process.returncode for process in verbs] == [0, 0, 0], said
        assert len({out for out, _ in said}) == 3
    staged = [event["run"]["run_id"] for event in loop.events("run_staged")]
    assert len(staged) == len(set(staged))
    assert not list(loop.paths.inbox.iterdir())


def test_a_running_run_is_cancelled_and_not_ranked(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "polite", "run_label": "doomed"}, {"train": "good 0.4"})
    with LoopProcess(root, clean_environ, "--cycles", "2") as loop:
        loop.wait_for("attempt_started")
        eventually(lambda: (loop.paths.attempt("R0001", 1) / "metrics.jsonl").exists())
        code, out, _ = verb(root, clean_environ, "cancel", "doomed")
        assert code == 0 and "Cancelled: R0001" in out
        assert loop.finish()[0] == 0
    first, second = loop.history()
    assert (first["state"], first["cause"], first["result"]) == ("cancelled", "cancelled by a person", None)
    assert (loop.paths.attempt("R0001", 1) / "result.json").exists(), "what it left stays"
    assert second["state"] == "completed"
    board = json.loads(loop.paths.leaderboard_json.read_text(encoding="utf-8"))
    assert [entry["run_ids"] for entry in board["entries"]] == [["R0002"]]


@pytest.mark.slow
@not_under_wine("it makes no junctions, and a run in a checkout needs them")
def test_the_slot_goes_to_the_next_run_while_one_waits_for_approval(workspace: Make, clean_environ: Environ) -> None:
    root = workspace(requires_approval="edits")
    (root / "repo" / "settings.txt").write_text("width 8\n", encoding="utf-8")
    edit = {"path": "settings.txt", "new_text": None, "old": "8", "new": "16"}
    edited = {"train": "good 0.3", "edits": [edit]}
    script(root, edited | {"run_label": "wider"}, {"train": "good 0.5"}, {"train": "polite"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("run_ended")
        first = loop.events("run_staged")[0]["run"]
        assert (first["label"], first["approval"]) == ("wider", "waiting")
        assert loop.events("run_ended")[0]["run_id"] == "R0002"
        (entry,) = [run for run in queue(root, clean_environ)["waiting"] if run["run_id"] == "R0001"]
        assert entry["approval"] == "waiting"
        eventually(lambda: "llm-loop approve R0001" in verb(root, clean_environ, "status")[1])
        code, out, _ = verb(root, clean_environ, "approve", "R0001")
        assert (code, out) == (0, "Approved: R0001 takes its turn.\n")
        loop.wait_for("attempt_started", 2)
        running = loop.events("attempt_intended")[-1]["run_id"]
        if running != "R0001":  # the one that trains for ever was quicker
            verb(root, clean_environ, "cancel", running)
        eventually(lambda: any(event["run_id"] == "R0001" for event in loop.events("run_ended")))
    assert next(row for row in loop.history() if row["run_id"] == "R0001")["state"] == "completed"


def test_a_few_wait_and_then_nothing_more_is_planned(workspace: Make, clean_environ: Environ) -> None:
    root = workspace(requires_approval="always")
    script(root, *({"train": f"good 0.5{number}", "run_label": "held"} for number in range(9)))
    with LoopProcess(root, clean_environ) as loop:
        called = loop.wait_for("needs_human")
        assert called["phase"] == "approval" and "R0004" in called["why"] and "approve RUN" in called["what_to_do"]
        assert len(loop.events("run_staged")) == 4 and not loop.events("attempt_intended")
        code, out, _ = verb(root, clean_environ, "reject", "R0002", "--note", "batch of 4096 does not fit")
        assert (code, out) == (0, "Rejected: R0002 never starts.\n")
        loop.wait_for("human_no_longer_needed")
        asked = loop.wait_for("run_staged", 5)
        call = [event for event in loop.events("call_intended") if event["cycle_trace_id"] == asked["cycle_trace_id"]]
        seen = json.loads((loop.paths.calls / call[0]["call_id"] / "observation.json").read_text(encoding="utf-8"))
        assert [(run["run_id"], run["cause"]) for run in seen["history"]] == [
            ("R0002", "rejected by a person: batch of 4096 does not fit")
        ]
        loop.wait_for("needs_human", 2)
        assert not loop.events("attempt_intended")
        mine = file_of(root, train("good 0.2", "mine"))
        assert verb(root, clean_environ, "queue", "add", mine)[0] == 0
        ended = loop.wait_for("run_ended", 2)
        assert (ended["run_id"], ended["state"]) == ("R0006", "completed"), "a person's own run needs no word"
        set_config(root, requires_approval="never")
        loop.wait_for("run_ended", 4)
    assert {"R0001", "R0003"} <= {row["run_id"] for row in loop.history()}


@pytest.mark.slow
@not_under_wine("it makes no junctions, and a run in a checkout needs them")
def test_the_planner_feeds_the_slots_while_changes_of_code_wait(workspace: Make, clean_environ: Environ) -> None:
    root = workspace(requires_approval="edits")
    (root / "repo" / "settings.txt").write_text("width 8\n", encoding="utf-8")
    edits = [{"path": "settings.txt", "new_text": None, "old": "8", "new": "16"}]
    script(root, *({"train": f"good 0.5{number}", "edits": edits} for number in range(5)))
    with LoopProcess(root, clean_environ) as loop:
        called = loop.wait_for("needs_human")
        assert "only the built-in planner plans" in called["why"]
        assert loop.wait_for("call_intended", 5)["agent"] == "builtin"
        eventually(lambda: loop.events("cycle"))
        assert len(loop.events("run_staged")) == 4


@pytest.mark.slow
def test_a_killed_daemon_goes_on_with_what_was_asked(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "polite"}, {"train": "good 0.4"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("attempt_started")
        process = started(root, clean_environ, "queue", "add", file_of(root, train("good 0.3", "mine")))
        loop.wait_for("request_answered")
        loop.kill()
        process.communicate(timeout=60)
        assert verb(root, clean_environ, "cancel", "R0001")[0] == 0
        eventually(lambda: (loop.paths.attempt("R0001", 1) / "exit.json").exists())
        loop.start()
        eventually(lambda: any(row["label"] == "mine" for row in loop.history()))
    rows = loop.history()
    assert next(row["state"] for row in rows if row["run_id"] == "R0001") == "cancelled"
    assert [row["state"] for row in rows if row["label"] == "mine"] == ["completed"]
    staged = [event["run"]["run_id"] for event in loop.events("run_staged")]
    assert len(staged) == len(set(staged))


DYING = """
import runpy, sys
from llm_loop.selftest import dying_loop
from llm_loop.system import files
name, side = sys.argv[1:3]
del sys.argv[1:3]
if name == "remove":
    files.remove = dying_loop.deadly(files.remove, lambda path: path.parent.name == "inbox", side)
else:
    meant = lambda path, line, *_: path.name == "events.jsonl" and f'"event": "{name}"' in line
    files.append_line = dying_loop.deadly(files.append_line, meant, side)
runpy.run_module("llm_loop", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("run_staged", "before"),
        ("remove", "before"),
        pytest.param("request_answered", "before", marks=pytest.mark.slow),
        pytest.param("request_answered", "after", marks=pytest.mark.slow),
        pytest.param("run_staged", "after", marks=pytest.mark.slow),
        pytest.param("remove", "after", marks=pytest.mark.slow),
    ],
)
def test_a_verb_that_is_killed_amid_its_work_queues_one_run(
    workspace: Make, clean_environ: Environ, name: str, side: str
) -> None:
    root = workspace()
    script(root, {"train": "good 0.4"})
    mine = file_of(root, train("good 0.3", "mine"))
    argv = [sys.executable, "-c", DYING, name, side, "--workspace", str(root), "queue", "add", mine]
    done = subprocess.run(argv, env=clean_environ, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "Queued" not in done.stdout
    with LoopProcess(root, clean_environ, "--cycles", "2") as loop:
        assert loop.finish()[0] == 0
    assert [row["label"] for row in loop.history()].count("mine") == 1
    assert len([event for event in loop.events("run_staged") if event["run"]["label_decided"] == "mine"]) == 1
    assert len(loop.events("request_answered")) == 1 and not list(loop.paths.inbox.iterdir())


@pytest.mark.slow
def test_a_woken_worker_replaces_no_run_of_a_person(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "polite"}, {"train": "good 0.5"}, {"train": "good 0.4"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("run_staged", 2)
        assert verb(root, clean_environ, "queue", "add", file_of(root, train("good 0.3", "mine")))[0] == 0
        todo = loop.paths.shared_todo
        todo.write_text(todo.read_text(encoding="utf-8") + "- [ ] Please look at the fracture masks first\n", "utf-8")
        ended = loop.wait_for("run_ended")
        assert (ended["run_id"], ended["cause"]) == ("R0002", "dropped: replaced by a later decision")
        loop.wait_for("run_staged", 4)
        eventually(lambda: [run["run_id"] for run in queue(root, clean_environ)["waiting"]] == ["R0003", "R0004"])


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a daemon is stopped amid its work by a signal")
def test_a_loop_that_does_not_answer_is_not_waited_for(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "polite"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("attempt_started")
        loop.send(signal.SIGSTOP)
        mine = file_of(root, train("good 0.3", "mine"))
        code, out, err = verb(root, clean_environ, "queue", "add", mine, "--timeout", "1")
        assert (code, out) == (5, "") and "the request lies in" in err
        (entry,) = queue(root, clean_environ)["inbox"]
        assert (entry["kind"], entry["about"]) == ("queue_add", "add 1 run")
        loop.send(signal.SIGCONT)
        assert loop.wait_for("request_answered")["accepted"]


# ---------------------------------------------------------------- without one


def test_without_a_loop_the_verb_does_it_itself(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "good 0.4"})
    two = [train("good 0.3", "mine"), train("good 0.2", "mine")]
    code, out, err = verb(root, clean_environ, "queue", "add", file_of(root, *two))
    assert (code, err) == (0, "") and "R0001 (mine), R0002 (mine)" in out and "no loop is running here" in out
    assert verb(root, clean_environ, "cancel", "R0002")[0] == 0
    found = queue(root, clean_environ)
    assert [(run["run_id"], run["state"]) for run in found["waiting"]] == [("R0001", "staged")]
    assert verb(root, clean_environ, "approve", "R0001")[0] == 1
    code, out, _ = verb(root, clean_environ, "queue")
    assert code == 0 and "R0001  staged      mine (other, by person)" in out
    with LoopProcess(root, clean_environ, "--cycles", "1") as loop:
        assert loop.finish()[0] == 0
    assert [(row["label"], row["proposer"]) for row in loop.history()] == [
        ("mine", "person"),
        ("scripted-1", "command"),
    ]
    assert [event["seq"] for event in loop.events()] == list(range(1, len(loop.events()) + 1))


def test_a_persons_run_outlives_a_stop(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "polite"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("attempt_started")
        assert verb(root, clean_environ, "queue", "add", file_of(root, train("good 0.3", "mine")))[0] == 0
        loop.interrupt()
        assert loop.finish()[0] == 0
    assert [run["label"] for run in queue(root, clean_environ)["waiting"]] == ["mine"]


@pytest.mark.slow
def test_many_verbs_without_a_loop_are_all_done_once(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    mine = file_of(root, train("good 0.3", "mine"))
    verbs = [started(root, clean_environ, "queue", "add", mine) for _ in range(4)]
    said = [process.communicate(timeout=60) for process in verbs]
    assert [process.returncode for process in verbs] == [0] * 4, said
    assert sorted(event["run"]["run_id"] for event in journal(root, "run_staged")) == [
        "R0001",
        "R0002",
        "R0003",
        "R0004",
    ]
    assert [event["seq"] for event in journal(root, "request_answered")] == sorted(
        event["seq"] for event in journal(root, "request_answered")
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "not JSON (line 1"),
        ("[]", "0 decisions"),
        ('{"run_label": "x"}', "'command' is a required property"),
        ('[{"command": "a", "run_label": "x"}, {"command": 3, "run_label": "x"}]', "decision 2: command: 3"),
        ('{"comand": "a", "run_label": "x"}', "nearest known: 'command'"),
    ],
)
def test_a_file_that_is_no_decision_never_gets_there(
    workspace: Make, clean_environ: Environ, text: str, why: str
) -> None:
    root = workspace()
    code, out, err = verb(root, clean_environ, "queue", "add", "-", given=text)
    assert (code, out) == (1, "") and why in err and err.count("\n") == 1
    assert not WorkspacePaths(root).loop.exists()


def test_a_file_that_is_not_there_is_one_clear_line(workspace: Make, clean_environ: Environ, tmp_path: Path) -> None:
    missing = tmp_path / "none.json"
    code, out, err = verb(workspace(), clean_environ, "queue", "add", str(missing))
    assert (code, out) == (2, "") and err.startswith(f"llm-loop: {missing}: no such file") and err.count("\n") == 1


def test_a_folder_that_is_no_workspace_stays_as_it_is(tmp_path: Path, clean_environ: Environ) -> None:
    code, _, err = verb(tmp_path, clean_environ, "cancel", "R0001")
    assert code == 1 and "is no workspace" in err and not list(tmp_path.iterdir())
    assert verb(tmp_path, clean_environ, "reject", "R0001", "--note", "x" * 501)[0] == 2
    assert verb(tmp_path, clean_environ, "cancel", "R0001", "--timeout", "nan")[0] == 2


# ---------------------------------------------------------------- what a night shows


@pytest.mark.slow
def test_the_queue_is_shown_while_a_person_is_needed(workspace: Make, clean_environ: Environ) -> None:
    root = workspace(requires_approval="always")
    script(root, *({"train": f"good 0.5{number}", "run_label": "held"} for number in range(9)))
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("needs_human")
        found = eventually(lambda: len((seen := queue(root, clean_environ))["waiting"]) == 4 and seen)
        assert found["notes"] == []
        loop.kill()
        assert verb(root, clean_environ, "reject", "R0002")[0] == 0
        status = json.loads(verb(root, clean_environ, "status", "--json")[1])
        assert (status["needs_human"], status["run_counts"], status["notes"]) == (False, {"staged": 3}, [])
        loop.start()
        loop.wait_for("needs_human", 2)
        loop.interrupt()
        assert loop.finish()[0] == 0
    status = json.loads(verb(root, clean_environ, "status", "--json")[1])
    assert not status["needs_human"] and not status["waiting"], "what a stop has dropped needs nobody's word"


def test_a_run_that_had_ended_is_cancelled_all_the_same(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "sleep 0.5"}, {"train": "good 0.4"})
    with LoopProcess(root, clean_environ, "--cycles", "2") as loop:
        loop.wait_for("attempt_started")
        loop.kill()
        eventually(lambda: (loop.paths.attempt("R0001", 1) / "exit.json").exists())
        code, out, _ = verb(root, clean_environ, "cancel", "R0001")
        assert code == 0 and out.startswith("Cancelled: R0001")
        loop.start()
        assert loop.finish()[0] == 0
    row = next(row for row in loop.history() if row["run_id"] == "R0001")
    assert (row["state"], row["result"]) == ("cancelled", None)


@pytest.mark.slow
def test_a_person_may_queue_the_same_several_times(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "good 0.4"})
    mine = train("good 0.3", "repeat")
    assert verb(root, clean_environ, "queue", "add", file_of(root, mine, mine, mine))[0] == 0
    with LoopProcess(root, clean_environ, "--cycles", "1") as loop:
        assert loop.finish()[0] == 0
    assert [row["state"] for row in loop.history() if row["proposer"] == "person"] == ["completed"] * 3


@pytest.mark.slow
@not_under_wine("it makes no junctions, and a run in a checkout needs them")
def test_a_woken_worker_replaces_no_run_that_a_person_has_approved(workspace: Make, clean_environ: Environ) -> None:
    root = workspace(requires_approval="edits")
    (root / "repo" / "settings.txt").write_text("width 8\n", encoding="utf-8")
    edit = {"path": "settings.txt", "new_text": None, "old": "8", "new": "16"}
    edited = {"train": "good 0.3", "edits": [edit], "run_label": "wider"}
    script(root, {"train": "polite"}, edited, {"action": "wait"}, {"train": "good 0.4"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("cycle")
        assert verb(root, clean_environ, "approve", "R0002")[0] == 0
        todo = loop.paths.shared_todo
        todo.write_text(todo.read_text(encoding="utf-8") + "- [ ] Please look at the fracture masks first\n", "utf-8")
        loop.wait_for("run_staged", 3)
        assert not loop.events("run_ended")


def test_a_journal_that_cannot_be_read_leaves_no_request_behind(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    paths = WorkspacePaths(root)
    paths.events.parent.mkdir(parents=True)
    paths.events.write_text('{"no": 1}\n', encoding="utf-8")
    code, out, err = verb(root, clean_environ, "queue", "add", file_of(root, train("good 0.3", "mine")))
    assert (code, out) == (1, "") and "a line is not an event" in err
    assert not list(paths.inbox.iterdir()), "what was refused is not done later"
