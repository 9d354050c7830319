"""``llm-loop stop`` where no loop runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.views.workspace_builder import WorkspaceBuilder


def stop(workspace: Path, environ: dict[str, str]) -> str:
    argv = [sys.executable, "-m", "llm_loop", "--workspace", str(workspace), "stop"]
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, encoding="utf-8", timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def test_a_training_that_a_dead_loop_left_is_named(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    assert stop(tmp_path, clean_environ) == "No loop is running here."
    workspace = WorkspaceBuilder(tmp_path)
    workspace.launch(workspace.stage("first"))
    workspace.save()
    assert "R0001 may still be training" in stop(tmp_path, clean_environ)
    (workspace.paths.attempt("R0001", 1) / "exit.json").write_text("{}", encoding="utf-8")
    assert stop(tmp_path, clean_environ) == "No loop is running here."
