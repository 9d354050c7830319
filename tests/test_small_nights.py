"""Whole nights in two minutes, on the digits demo with the real trainer: everything is there by the deadline.

The trainings run in the training environment: ``.venv-train`` of this checkout, or the Python that the environment
variable TEST_TRAIN_PYTHON names.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from llm_loop.contract.sealed import read_openings
from llm_loop.system.clock import parse_utc
from tests.conftest import FAKES, REPOSITORY, command_line
from tests.loop_process import LoopProcess

TRAIN_PYTHON = Path(os.environ.get("TEST_TRAIN_PYTHON", REPOSITORY / ".venv-train" / "bin" / "python"))
NIGHT = (
    "--run-minutes",
    "2",
    "--finishup-minutes",
    "1",
    "--finishup-top-k",
    "5",
    "--finishup-note",
    "<b>a small night</b>",
)
LEFT = ("final_condensed_story.md", "final_paper_report.md", "final_leaderboard_top5.json", "final_leaderboard_top5.md")
pytestmark = [
    pytest.mark.small_nights,
    pytest.mark.skipif(not TRAIN_PYTHON.exists(), reason="there is no training environment"),
]
Environ = dict[str, str]


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """The shipped workspace with its demo, as a new user has it."""
    root = tmp_path / "a small night"
    for name in ("config", "demo"):
        shutil.copytree(REPOSITORY / name, root / name)
    for name in ("WORKER_MISSION.md", "MENTOR_MISSION.md"):
        shutil.copy(REPOSITORY / name, root / name)
    return root


def configure(root: Path, **changes: Any) -> None:
    path = root / "config" / "daemon_config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def run_a_night(root: Path, environ: Environ) -> LoopProcess:
    environ = {**environ, "LLM_LOOP_TRAIN_PYTHON_EXE": str(TRAIN_PYTHON)}
    with LoopProcess(root, environ, *NIGHT) as loop:
        code, out, err = loop.finish(200)
    assert code == 0 and "finished up" in out, out + err
    return loop


def check_the_morning(loop: LoopProcess) -> dict[str, Any]:
    """Check what a night left; return the final leaderboard."""
    artifacts = loop.paths.artifacts
    wish = json.loads(loop.paths.finish_up.read_text(encoding="utf-8"))
    (done,) = loop.events("finish_up_done")
    assert wish["status"] == "done" and parse_utc(done["ts_utc"]) <= parse_utc(wish["deadline_utc"])
    assert all((artifacts / name).is_file() for name in LEFT)
    page = (artifacts / "final_report.html").read_text(encoding="utf-8")
    assert page.count("<svg") >= 3 and "&lt;b&gt;a small night&lt;/b&gt;" in page and "<b>a small night" not in page
    board: dict[str, Any] = json.loads((artifacts / "final_leaderboard_top5.json").read_text(encoding="utf-8"))
    winner = board["best_run_id"]
    result = json.loads(loop.paths.final_test_result.read_text(encoding="utf-8"))
    assert (result["run_id"], result["metric"], result["opening"]) == (winner, "test_log_loss", 1)
    assert len(read_openings(loop.paths.root / ".llm_loop_sealed").openings) == 1
    story = (artifacts / "final_condensed_story.md").read_text(encoding="utf-8")
    assert winner in story and "Nobody had looked at these rows before" in story
    states = {row["state"] for row in loop.history()}
    assert states <= {"completed", "cancelled"}, loop.history()
    return board


def test_the_planners_night(demo: Path, clean_environ: Environ) -> None:
    loop = run_a_night(demo, clean_environ)
    check_the_morning(loop)
    finals = [event["run"] for event in loop.events("run_staged") if event["is_final_round"]]
    assert len(finals) == 1 and finals[0]["label"].startswith("final-")
    rows = {row["run_id"]: row for row in loop.history()}
    assert rows[finals[0]["run_id"]]["state"] == "completed"


def test_a_night_in_which_the_model_dies_half_way(demo: Path, clean_environ: Environ) -> None:
    """The worker answers twice and hangs from then on: the planner goes on, and the report is there all the same."""
    configure(demo, worker_command=command_line(FAKES / "fake_worker.py"), codex_timeout_seconds=20)
    own = {
        "command": "python -m llm_loop.trainer --config {run_dir}/own.yaml --output-dir {run_dir}",
        "run_files": [
            {
                "name": "own.yaml",
                "text": (REPOSITORY / "config" / "trainer" / "digits_fast.yaml").read_text(encoding="utf-8"),
            }
        ],
    }
    answers = [own | {"run_label": "by-the-model"}, {"hang": True}]
    (demo / "config" / "script.json").write_text(json.dumps(answers), encoding="utf-8")
    loop = run_a_night(demo, clean_environ)
    check_the_morning(loop)
    proposers = [row["proposer"] for row in loop.history()]
    assert proposers[0] == "command" and "builtin" in proposers
