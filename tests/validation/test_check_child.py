"""The child itself: its request at the door, its answer, what it leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY
from tests.validation.conftest import request_of, write


def run_child(folder: Path, request: Any) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
    argv = [sys.executable, "-X", "utf8", "-m", "llm_loop.validation.check", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_the_child_answers_with_the_checks_in_their_order(
    weird_path: Path, repository: Path, train_python: Path
) -> None:
    write(repository, {"train.py": "import torch\n"})
    done = run_child(weird_path / "job", request_of("python train.py", repository, train_python))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    answer = json.loads((weird_path / "job" / "answer.json").read_text(encoding="utf-8"))
    assert set(answer) == {"checks", "dry_run"}
    assert [one["name"] for one in answer["checks"]] == "command files code modules config data room dry_run".split()
    for one in answer["checks"]:
        assert set(one) == {"name", "state", "seconds", "cause", "why", "line", "details"}
        assert one["state"] in ("passed", "skipped")
    assert sorted(one.name for one in (weird_path / "job").iterdir()) == ["answer.json", "request.json"]


@pytest.mark.parametrize(
    "change",
    [
        {"command": None},
        {"python_path": None},
        {"deadline_s": "soon"},
        {"run_files": [{"name": "../x", "text": ""}]},
        {"run_files": [{"name": "x"}]},
        {"cwd": 1},
    ],
    ids=str,
)
def test_a_request_that_is_none(change: dict[str, Any], tmp_path: Path, repository: Path, train_python: Path) -> None:
    done = run_child(tmp_path / "job", request_of("python train.py", repository, train_python) | change)
    assert done.returncode == 1
    assert done.stderr.startswith("validation: the request: ") and done.stderr.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_a_stop_ends_a_dry_run(tmp_path: Path, repository: Path, train_python: Path) -> None:
    write(repository, {"train.py": "import torch\n", "waits.py": "import time\ntime.sleep(600)\n"})
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "STOP").touch()
    request = request_of("python train.py", repository, train_python) | {"validate_command": "python waits.py"}
    assert run_child(tmp_path / "job", request).returncode == 0
    answer = json.loads((tmp_path / "job" / "answer.json").read_text(encoding="utf-8"))
    assert (answer["checks"][-1]["state"], answer["checks"][-1]["why"]) == ("unknown", "the dry run was ended: stopped")
