"""Which code a run runs, and where: in the repository itself, in a checkout, and after the repository has changed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import eventually, make_workspace
from tests.loop_process import LoopProcess, script
from tests.windows.marks import not_under_wine

Make = Callable[..., Path]
Environ = dict[str, str]

TRAIN = """\
import json, os, sys, time
from pathlib import Path

from tiny.score import VALUE

run_dir = Path(os.environ["LLM_LOOP_RUN_DIR"])
data = Path(sys.argv[sys.argv.index("--data") + 1] if "--data" in sys.argv else "data")
images = (data / "images.txt").read_text()
Path("runs/mine").mkdir(parents=True, exist_ok=True)
Path("runs/mine/checkpoint.txt").write_text("weights")
while "--wait" in sys.argv and run_dir.name == "attempt-1":
    time.sleep(0.02)
result = {
    "schema_version": 1, "metric": "val_log_loss", "direction": "min", "value": VALUE, "best_val_score": -VALUE,
    "best_epoch": 1, "epochs_run": 1, "n": len(images), "split": "val", "seed": 0, "budget": {"epochs": 1},
    "params": None, "stopped_early": False, "trainer_version": "tiny", "data_hash": "d",
    "score_source": "self_reported", "interval": None, "model": "tiny", "run_seconds": 0.1, "test_opened": False,
}
(run_dir / "result.json").write_text(json.dumps(result))
"""
EDIT = {"path": "tiny/score.py", "new_text": None, "old": "VALUE = 0.9", "new": "VALUE = 0.3"}


def a_repository(folder: Path) -> None:
    """Make a training repository of somebody else: ignored data and runs, a package, no git."""
    (folder / "tiny").mkdir(parents=True)
    (folder / "tiny" / "__init__.py").write_text("", encoding="utf-8")
    (folder / "tiny" / "score.py").write_text("VALUE = 0.9\n", encoding="utf-8")
    (folder / "train.py").write_text(TRAIN, encoding="utf-8")
    (folder / ".gitignore").write_text("data/\nruns/\n__pycache__/\n", encoding="utf-8")
    (folder / "data").mkdir()
    (folder / "data" / "images.txt").write_text("pixels", encoding="utf-8")
    (folder / "data" / "big.bin").write_bytes(bytes(21_000_000))
    (folder / "runs" / "of old").mkdir(parents=True)
    (folder / "runs" / "of old" / "model.txt").write_text("precious", encoding="utf-8")


def as_it_is(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return every file of a folder, byte for byte, with its time of change."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def run_loop(root: Path, environ: Environ, *flags: str) -> LoopProcess:
    with LoopProcess(root, environ, *flags) as loop:
        code, out, err = loop.finish(90)
    assert code == 0, (out, err)
    return loop


def test_an_unchanged_run_runs_in_the_repository_itself(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    a_repository(root / "repo")
    again = {"command": "python train.py --again", "run_label": "as-it-is"}
    script(root, {"command": "python train.py", "run_label": "as-it-is"}, again)
    loop = run_loop(root, clean_environ, "--cycles", "2")
    first, second = loop.history()
    assert first["code_version"] == second["code_version"] == first["repository_version"]
    assert (root / "repo" / "runs" / "mine" / "checkpoint.txt").exists(), "as users of such a repository know it"
    assert not [event for event in loop.events("code_version") if event.get("changed")]
    assert {event["moment"] for event in loop.events("code_version")} == {"launch", "end"}


@not_under_wine("it makes no junctions, and a run in a checkout needs them")
@pytest.mark.parametrize(
    "data",
    [
        pytest.param("", marks=pytest.mark.slow),
        pytest.param(" --data data", marks=pytest.mark.slow),
        ' --data "{repo}/data"',
    ],
    ids=["default", "relative", "absolute"],
)
def test_a_changed_run_runs_in_a_checkout_and_nothing_else_changes(
    workspace: Make, clean_environ: Environ, data: str
) -> None:
    root = workspace()
    a_repository(root / "repo")
    command = "python train.py" + data.replace("{repo}", (root / "repo").as_posix())
    script(root, {"command": command, "run_label": "better-score", "edits": [EDIT]})
    before = as_it_is(root / "repo")
    loop = run_loop(root, clean_environ, "--cycles", "1")
    (row,) = loop.history()
    assert row["result"]["value"] == 0.3, loop.events("proposal")
    assert as_it_is(root / "repo") == before
    attempt = root / ".llm_loop" / "runs" / row["run_id"] / "attempt-1"
    assert (attempt / "runs" / "mine" / "checkpoint.txt").read_text(encoding="utf-8") == "weights"
    assert row["code_version"] != row["repository_version"]
    record = loop.events("proposal")[0]["record"]
    assert [file["path"] for file in record["code"]["files"]] == ["tiny/score.py"]
    assert "+VALUE = 0.3" in record["code"]["diff"]


@pytest.mark.parametrize(
    ("edit", "word"),
    [
        ({"path": "../outside.py", "new_text": "x = 1\n", "old": None, "new": None}, "outside.py"),
        pytest.param(
            {"path": "tiny/score.py", "new_text": None, "old": "VALUE = 7", "new": "VALUE = 8"},
            "score.py",
            marks=pytest.mark.slow,
        ),
        (
            {"path": "train.py", "new_text": "open('data/test/sealed.npz')\nload_digits()\n", "old": None, "new": None},
            "load_digits",
        ),
    ],
    ids=["climbs", "not found", "sealed"],
)
def test_an_edit_that_cannot_be_taken_is_refused_with_its_reason(
    workspace: Make, clean_environ: Environ, edit: dict[str, Any], word: str
) -> None:
    root = workspace(fallback_planner=False)
    a_repository(root / "repo")
    script(root, {"command": "python train.py", "run_label": "bad-edit", "edits": [edit]})
    before = as_it_is(root / "repo")
    loop = run_loop(root, clean_environ, "--cycles", "1")
    assert loop.history() == []
    record = loop.events("proposal")[0]["record"]
    assert record["accepted"] is False
    assert word in json.dumps(record["quality_gate"]["details"])
    assert as_it_is(root / "repo") == before
    assert not (root / "outside.py").exists()


@not_under_wine("it makes no junctions, and a run in a checkout needs them")
def test_a_run_that_lost_its_keeper_goes_on_with_its_own_code(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    a_repository(root / "repo")
    script(root, {"command": "python train.py --wait", "run_label": "long-run"}, {"action": "wait"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("code_version")
        loop.wait_for("attempt_started")
        (root / "repo" / "tiny" / "score.py").write_text("VALUE = 0.1\n", encoding="utf-8")
        started = root / ".llm_loop" / "runs" / "R0001" / "attempt-1" / "started.json"
        psutil.Process(json.loads(started.read_text(encoding="utf-8"))["keeper_pid"]).kill()
        eventually(loop.history, 60)
    (row,) = loop.history()
    assert row["result"]["value"] == 0.9, "the second attempt ran the code of the first"
    assert loop.events("code_placed")
    assert (root / "repo" / "tiny" / "score.py").read_text(encoding="utf-8") == "VALUE = 0.1\n"


@not_under_wine("it makes no junctions, and a run in a checkout needs them")
def test_a_further_attempt_in_a_checkout_runs_the_code_of_the_first(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    a_repository(root / "repo")
    script(root, {"command": "python train.py --wait", "run_label": "long-run", "edits": [EDIT]}, {"action": "wait"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("attempt_started")
        place = loop.events("run_staged")[0]["run"]["code"]["place"]
        (Path(place["checkout"]) / "tiny" / "score.py").write_text("VALUE = 0.0\n", encoding="utf-8")
        started = root / ".llm_loop" / "runs" / "R0001" / "attempt-1" / "started.json"
        psutil.Process(json.loads(started.read_text(encoding="utf-8"))["keeper_pid"]).kill()
        eventually(loop.history, 60)
    assert loop.history()[0]["result"]["value"] == 0.3


def test_a_repository_that_changes_under_a_run_is_said(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    a_repository(root / "repo")
    script(root, {"command": "python train.py --wait", "run_label": "long-run"}, {"action": "wait"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("code_version")
        (root / "repo" / "tiny" / "score.py").write_text("VALUE = 0.1\n", encoding="utf-8")
        (root / ".llm_loop" / "STOP_CURRENT_RUN").touch()
        loop.wait_for("code_version", 2)
    assert loop.events("code_version")[1]["changed"] is True
    told = subprocess.run(
        [sys.executable, "-X", "utf8", "-m", "llm_loop", "--workspace", str(root), "status", "--json"],
        env=clean_environ,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    assert any("changed while it ran" in alarm["text"] for alarm in json.loads(told.stdout)["alarms"])


@pytest.mark.slow
@not_under_wine("it makes no junctions, and a run in a checkout needs them")
def test_every_run_in_a_checkout_when_asked_for(workspace: Make, clean_environ: Environ) -> None:
    root = workspace(code_isolation="checkout")
    a_repository(root / "repo")
    before = as_it_is(root / "repo")
    script(root, {"command": "python train.py", "run_label": "apart"})
    loop = run_loop(root, clean_environ, "--cycles", "1")
    (row,) = loop.history()
    assert row["result"]["value"] == 0.9
    assert as_it_is(root / "repo") == before


@pytest.mark.slow
def test_edits_are_refused_when_runs_shall_stay_in_place(workspace: Make, clean_environ: Environ) -> None:
    root = workspace(code_isolation="in_place", fallback_planner=False)
    a_repository(root / "repo")
    script(root, {"command": "python train.py", "run_label": "edited", "edits": [EDIT]})
    loop = run_loop(root, clean_environ, "--cycles", "1")
    assert loop.history() == []
    issues = loop.events("proposal")[0]["record"]["quality_gate"]["issues"]
    assert "edits_refused_in_place" in issues


@pytest.mark.skipif(os.name == "nt", reason="SIGTERM, and a checkout needs junctions, which Wine cannot make")
def test_a_run_that_a_shutdown_interrupted_goes_on_with_its_own_code(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    a_repository(root / "repo")
    script(root, {"command": "python train.py --wait", "run_label": "long-run"}, {"action": "wait"})
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("code_version")
        loop.wait_for("attempt_started")
        loop.send(signal.SIGTERM)
        assert loop.finish()[0] == 0
        (root / "repo" / "tiny" / "score.py").write_text("VALUE = 0.1\n", encoding="utf-8")
        before = as_it_is(root / "repo")
        loop.start()
        eventually(loop.history, 60)
    (row,) = loop.history()
    assert (row["result"]["value"], row["attempts"]) == (0.9, 2)
    assert as_it_is(root / "repo") == before


def killed_before_it_has_looked(root: Path, environ: Environ) -> bool:
    """Kill a loop that has launched a run; tell whether it had not looked at the run's code yet."""
    a_repository(root / "repo")
    script(root, {"command": "python train.py --wait", "run_label": "long-run"}, {"action": "wait"})
    with LoopProcess(root, environ) as loop:
        loop.wait_for("attempt_intended")
        loop.kill()
        if not loop.events("code_version"):
            return True
        loop.start()
        loop.wait_for("daemon_started", 2)  # a start takes away the flags that it finds
        loop.paths.stop_current_run.touch()
        eventually(loop.history, 60)
    return False


def test_a_daemon_killed_between_the_launch_and_its_look_at_the_code_looks_again(
    tmp_path: Path, clean_environ: Environ
) -> None:
    roots = (
        make_workspace(tmp_path / f"w{number}") for number in range(5)
    )  # the first look is a child's: it takes time
    root = next(root for root in roots if killed_before_it_has_looked(root, clean_environ))
    with LoopProcess(root, clean_environ) as loop:
        known = loop.wait_for("code_version")
        assert (known["moment"], known["why"]) == ("launch", None)
        (root / ".llm_loop" / "STOP_CURRENT_RUN").touch()
        eventually(loop.history, 60)
    (row,) = loop.history()
    assert row["code_version"] == known["version"]


@not_under_wine("it makes no junctions, and a run in a checkout needs them")
def test_a_checkout_that_is_gone_before_the_launch_is_made_again(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    a_repository(root / "repo")
    script(root, {"command": "python train.py", "run_label": "better-score", "edits": [EDIT]}, {"action": "wait"})
    with LoopProcess(root, clean_environ) as loop:
        loop.paths.pause.parent.mkdir(exist_ok=True)
        loop.paths.pause.touch()
        loop.wait_for("run_staged")
        shutil.rmtree(loop.paths.checkouts)
        loop.paths.pause.unlink()
        eventually(loop.history, 60)
    (row,) = loop.history()
    assert row["result"] and row["result"]["value"] == 0.3, loop.events("run_ended")


@not_under_wine("it makes no junctions, and a run in a checkout needs them")
@pytest.mark.parametrize("wait_s", [0.0, *(pytest.param(one, marks=pytest.mark.slow) for one in (0.15, 0.3))])
def test_a_daemon_killed_while_code_is_made_and_placed_loses_nothing(
    workspace: Make, clean_environ: Environ, wait_s: float
) -> None:
    root = workspace()
    a_repository(root / "repo")
    script(root, {"command": "python train.py", "run_label": "better-score", "edits": [EDIT]}, {"action": "wait"})
    with LoopProcess(root, clean_environ) as loop:
        for job in ("edit-*", "place-*"):
            eventually(lambda job=job: list(loop.paths.jobs.glob(job)))
            time.sleep(wait_s)
            loop.kill()
            loop.start()
        eventually(loop.history, 60)
    (row,) = loop.history()
    assert row["result"]["value"] == 0.3
    (staged,) = loop.events("run_staged")
    assert [event["cycle"] for event in loop.events("proposal")].count(staged["cycle"]) == 1, "asked once"
    assert not loop.events("place_refused")
