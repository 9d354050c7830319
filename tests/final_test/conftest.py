"""What the tests of the final test share: a run that was chosen, sealed rows, the job as a child process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from llm_loop.contract.sealed import manifest_hash, read_openings
from tests.conftest import REPOSITORY

WHY = "finish-up asked for at 2026-03-01T22:00:00Z"
POSIX_ONLY = pytest.mark.skipif(os.name != "posix", reason="a program that begins with #!")


@dataclass(kw_only=True)
class Night:
    """A workspace whose finish-up asks for the test score of R0007."""

    root: Path
    request: dict[str, Any] = field(default_factory=dict)

    @property
    def run_folder(self) -> Path:
        return self.root / ".llm_loop" / "runs" / "R0007" / "attempt-1"

    @property
    def sealed(self) -> Path:
        return self.root / ".llm_loop_sealed"

    @property
    def hash(self) -> str:
        return manifest_hash(self.sealed / "hands" / "manifest.csv")

    def openings(self) -> list[tuple[str, str | None]]:
        return [(one.name, one.run) for one in read_openings(self.sealed).openings]

    def program(self, code: str) -> Path:
        """Write a program that is started as the training Python would be."""
        path = self.root / "fake python"
        path.write_text(f"#!{sys.executable}\n{code}", encoding="utf-8")
        path.chmod(0o755)
        self.request["training_python"] = str(path)
        return path

    def command(self, code: str) -> None:
        """Write a script of the training repository and make it the test_command."""
        (self.root / "repo" / "score.py").write_text(code, encoding="utf-8")
        self.request["test_command"] = "python score.py --run {run_dir}"

    def ask(self, *, expected: int = 0, **changes: Any) -> dict[str, Any]:
        """Hold the job in a process of its own; return its answer."""
        job = self.root / "job"
        job.mkdir(exist_ok=True)
        (job / "answer.json").unlink(missing_ok=True)
        (job / "request.json").write_text(json.dumps(self.request | changes), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-X", "utf8", "-m", "llm_loop.final_test.job", str(job)],
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), "MY_API_KEY": "secret", "LLM_LOOP_SEALED_ROOT": "no"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == expected, done.stderr
        if expected:
            assert done.stderr.count("\n") == 1 and not (job / "answer.json").exists()
            return {"said": done.stderr}
        assert (done.stdout, done.stderr) == ("", "")
        answer = json.loads((job / "answer.json").read_text(encoding="utf-8"))
        assert set(answer) == {"result", "why", "opened_utc"} and (answer["result"] is None) != (answer["why"] is None)
        assert {one.name for one in job.iterdir()} <= {"answer.json", "request.json", "STOP"}, "scratch stays behind"
        return dict(answer)


@pytest.fixture
def night(weird_path: Path) -> Night:
    made = Night(root=weird_path)
    made.run_folder.mkdir(parents=True)
    (weird_path / "repo").mkdir()
    (made.sealed / "hands").mkdir(parents=True)
    (made.sealed / "hands" / "manifest.csv").write_text("image,split\na.png,test\n", encoding="utf-8")
    made.request = {
        "run_id": "R0007",
        "why": WHY,
        "run_folder": str(made.run_folder),
        "metric": "val_dice",
        "sealed_root": str(made.sealed),
        "sealed_hash": made.hash,
        "training_python": sys.executable,
        "environment": {"CUDA_VISIBLE_DEVICES": "3"},
        "cwd": str(weird_path / "repo"),
        "workspace": str(weird_path),
        "shell": "bash" if os.name == "posix" else "powershell",
        "test_command": None,
        "deadline_s": 60,
    }
    return made
