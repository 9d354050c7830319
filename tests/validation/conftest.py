"""What the tests of validation share: a training environment of stub packages, a repository, the check as a job."""

from __future__ import annotations

import json
import os
import subprocess
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_loop.validation.check import main

STUBS = (
    "torch torchvision timm segmentation_models_pytorch pytorch_lightning lightning hydra omegaconf detectron2"
    " ultralytics"
    " yaml numpy cv2 albumentations tqdm wandb absl mmengine rootutils transformers accelerate PIL simulator"
).split()
POSIX_ONLY = pytest.mark.skipif(os.name != "posix", reason="a command for bash")

Check = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def train_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real environment whose packages are empty, but there."""
    root = tmp_path_factory.mktemp("training") / "env"
    venv.create(root, with_pip=False, symlinks=os.name == "posix")
    python = root / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(subprocess.run([python, "-I", "-c", ask], capture_output=True, check=True, text=True).stdout.strip())
    for name in STUBS:
        (site / name).mkdir(parents=True)
        (site / name / "__init__.py").write_text("", encoding="utf-8")
    for name in ("launch.py", "run.py"):
        (site / "torch" / "distributed").mkdir(exist_ok=True)
        (site / "torch" / "distributed" / name).write_text("", encoding="utf-8")
    return python


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    return folder


@pytest.fixture
def check(tmp_path: Path, repository: Path, train_python: Path) -> Check:
    """Return what checks a command in the repository; other keys of the request may be given."""

    def checked(command: str, **changes: Any) -> dict[str, Any]:
        job = tmp_path / "job"
        job.mkdir(exist_ok=True)
        request = request_of(command, repository, train_python) | changes
        (job / "request.json").write_text(json.dumps(request), encoding="utf-8")
        assert main([str(job)]) == 0
        assert sorted(one.name for one in job.iterdir()) == ["answer.json", "request.json"], "scratch stays behind"
        answer = json.loads((job / "answer.json").read_text(encoding="utf-8"))
        assert isinstance(answer, dict)
        return answer

    return checked


def request_of(command: str, repository: Path, python: Path) -> dict[str, Any]:
    return {
        "command": command,
        "shell": "bash" if os.name == "posix" else "powershell",
        "cwd": str(repository),
        "run_files": [],
        "train_python": str(python),
        "python_path": [],
        "edited": [],
        "checkout": None,
        "validate_command": None,
        "min_free_disk_mb": 1,
        "memory_bytes": None,
        "workspace": str(repository.parent),
        "deadline_s": 30,
    }


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def failure(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the check that failed: the last one made, and the only one."""
    *before, last = answer["checks"]
    assert last["state"] == "failed", [(one["name"], one["state"], one["why"]) for one in answer["checks"]]
    assert all(one["state"] != "failed" for one in before)
    return dict(last)


def states(answer: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["state"] for one in answer["checks"]}


def no_failure(answer: dict[str, Any]) -> None:
    made = [one["name"] for one in answer["checks"]]
    assert [one for one in answer["checks"] if one["state"] == "failed"] == []
    assert made == ["command", "files", "code", "modules", "config", "data", "room", "dry_run"]
