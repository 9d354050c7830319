"""The built-in planner as the loop calls it: a child process, two files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from llm_loop.agents.builtin_mentor import review
from llm_loop.agents.builtin_worker import decide
from llm_loop.contract.decision import Decision
from llm_loop.contract.observation import Observation, Role
from llm_loop.contract.review import Review
from llm_loop.errors import LoopError
from llm_loop.system.files import read_json, replace_json
from tests.agents.small_campaign import campaign, observe

ROOT = Path(__file__).parents[2]


def _call(folder: Path, observation: Observation | None, hash_seed: str = "0") -> subprocess.CompletedProcess[str]:
    folder.mkdir(parents=True, exist_ok=True)
    if observation is not None:
        replace_json(folder / "observation.json", observation.to_json())
    command = [sys.executable, "-X", "utf8", "-W", "error", "-m", "llm_loop.agents.builtin", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": hash_seed}
    return subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", cwd=folder, env=environment, timeout=60, check=False
    )


def test_a_worker_and_a_mentor_answer_through_files(tmp_path: Path) -> None:
    folder = tmp_path / "Ordner mit Umlaut ü & 'quotes'"
    observation = observe(campaign(9))
    done = _call(folder, observation)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    decision = Decision.from_json(read_json(folder / "answer.json"))
    assert decision == decide(observation)
    assert "Bücher und Bilder" in (decision.run_files or ())[0].text

    asked = replace(observation, role=Role.MENTOR, proposal=decision.to_json())
    done = _call(folder, asked, hash_seed="1234")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert Review.from_json(read_json(folder / "answer.json")) == review(asked)
    assert sorted(path.name for path in folder.iterdir()) == ["answer.json", "observation.json"]


@pytest.mark.slow
def test_the_answer_does_not_depend_on_the_process(tmp_path: Path) -> None:
    observation = observe(campaign(9))
    for seed in ("1", "2"):
        _call(tmp_path / seed, observation, hash_seed=seed)
    first, second = (json.loads((tmp_path / seed / "answer.json").read_text("utf-8")) for seed in ("1", "2"))
    assert first == second


def test_every_failure_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    broken_space = observe(search_space={"schema_version": 1})
    done = _call(tmp_path / "space", broken_space)
    _is_one_line(done, "the search space file: ")
    assert not (tmp_path / "space" / "answer.json").exists()

    _is_one_line(_call(tmp_path / "missing", None), "observation.json is missing")

    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "observation.json").write_text('{"role": "wor', encoding="utf-8")
    _is_one_line(_call(tmp_path / "torn", None), "not JSON")

    (tmp_path / "shape").mkdir()
    (tmp_path / "shape" / "observation.json").write_text("{}", encoding="utf-8")
    _is_one_line(_call(tmp_path / "shape", None), "not an observation")


def _is_one_line(done: subprocess.CompletedProcess[str], said: str) -> None:
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("built-in planner: ")
    assert said in done.stderr


@pytest.mark.parametrize("module", ["optuna", "numpy", "torch"])
def test_a_start_point_needs_no_optimiser(tmp_path: Path, module: str) -> None:
    script = (
        "import sys; from llm_loop.agents import builtin, builtin_worker; from llm_loop.contract.observation import *;"
        "import json, pathlib; value = json.loads(pathlib.Path('observation.json').read_text('utf-8'));"
        f"builtin_worker.decide(Observation.from_json(value)); print('{module}' in sys.modules)"
    )
    replace_json(tmp_path / "observation.json", observe(campaign(2)).to_json())
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, env=environment, check=True
    )
    assert done.stdout.strip() == "False"


def test_a_missing_optimiser_is_named_with_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    history = campaign(9)
    monkeypatch.delitem(sys.modules, "llm_loop.agents.optimiser")
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(LoopError, match=r"needs optuna: pip install"):
        decide(observe(history))
