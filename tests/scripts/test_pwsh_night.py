"""The PowerShell scripts, run for real from start to clean: wherever a ``pwsh`` is on PATH.

Each script calls the front door of this checkout, so both environments are made first where they are missing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_loop.contract.paths import WorkspacePaths
from tests.conftest import REPOSITORY, eventually, make_workspace
from tests.loop_process import script as answers

PWSH = shutil.which("pwsh")
pytestmark = [pytest.mark.pwsh, pytest.mark.skipif(PWSH is None, reason="no pwsh is on PATH")]
NOTE = 'it\'s "quoted", ünd $with `signs & a trailing \\'


class Shell:
    """Run the scripts on one workspace."""

    def __init__(self, root: Path) -> None:
        self.paths = WorkspacePaths(root)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("LLM_LOOP_", "PYTHON"))}
        self._environ = kept

    def run(self, script: str, *words: str, seconds: float = 600) -> subprocess.CompletedProcess[str]:
        assert PWSH is not None
        file = REPOSITORY / "scripts" / f"{script}.ps1"
        argv = [
            PWSH,
            "-NoProfile",
            "-NonInteractive",
            "-File",
            str(file),
            "-WorkspaceRoot",
            str(self.paths.root),
            *words,
        ]
        return subprocess.run(
            argv, env=self._environ, capture_output=True, text=True, encoding="utf-8", errors="replace", timeout=seconds
        )

    def well(self, script: str, *words: str) -> str:
        done = self.run(script, *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def status(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.well("status", "-Json"))
        return value


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    root = make_workspace(tmp_path / "it's a night")
    answers(root, {"train": "good 0.5"}, {"train": "polite"})
    shell = Shell(root)
    yield shell
    shell.run("stop_llm_daemon", seconds=120)


def test_a_night_from_start_to_clean(shell: Shell) -> None:
    shell.well("startup", "-Detach")
    eventually(lambda: shell.status()["run_counts"].get("completed"), 60)
    shell.well("request_finishup", "-ForceReportNow", "-TopK", "3", "-Note", NOTE)
    wish = json.loads(shell.paths.finish_up.read_text(encoding="utf-8"))
    assert (wish["note"], wish["report_top_k"], wish["force_report_now"]) == (NOTE, 3, True)
    eventually(lambda: shell.status()["finish_up"]["status"] == "done", 60)
    assert (shell.paths.artifacts / "final_leaderboard_top3.json").is_file()
    refused = shell.run("clean_fresh", "-KeepCodexLogin")
    assert refused.returncode == 3 and "lives" in refused.stdout + refused.stderr
    shell.well("stop_llm_daemon")
    shell.well("clean_fresh", "-KeepCodexLogin", "-KeepDataLink", "-WhatIf", "-Force")
    assert shell.paths.history.exists()
    shell.well("clean_fresh", "-KeepCodexLogin", "-KeepDataLink")
    assert not shell.paths.history.exists()
    assert shell.status()["daemon"]["condition"] == "never started"


def test_a_value_out_of_range_is_refused_before_anything_starts(shell: Shell) -> None:
    for words in (
        ("startup", "-RunHours", "-1"),
        ("request_finishup", "-TopK", "0"),
        ("watch_status", "-IntervalSeconds", "1"),
    ):
        done = shell.run(*words)
        assert done.returncode != 0 and not shell.paths.loop.exists(), words
