"""``llm-loop start``: what it refuses before anything is started."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.system import files
from tests.views.lock_holder import hold_lock


def llm_loop(workspace: Path, environ: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "llm_loop", "--workspace", str(workspace), *words]
    return subprocess.run(argv, env=environ, capture_output=True, text=True, encoding="utf-8", timeout=30)


@pytest.mark.parametrize("flags", [[], ["--detach"]])
def test_a_second_loop_says_who_holds_the_workspace(
    flags: list[str], workspace: Callable[..., Path], clean_environ: dict[str, str]
) -> None:
    root = workspace()
    paths = WorkspacePaths(root)
    with hold_lock(paths.instance_lock) as process:
        beat = {"daemon_status": "running", "pid": process.pid, "started_utc": "2026-01-02T03:04:05Z"}
        files.replace_json(paths.heartbeat, beat)
        done = llm_loop(root, clean_environ, "start", *flags)
    assert (done.returncode, done.stdout) == (3, "")
    assert f"held by the daemon with pid {process.pid}" in done.stderr.splitlines()[-1]
    assert not paths.daemon_log.exists()


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--cycles", "0"], "'0' is no whole number from 1 on"),
        (["--cycles", "few"], "'few' is no whole number from 1 on"),
        (["--run-minutes", "abc"], "'abc' is no number of minutes above 0"),
        (["--run-minutes", "nan"], "'nan' is no number of minutes above 0"),
        (["--until", "soon"], "'soon' is no condition"),
    ],
)
def test_a_limit_that_is_none_is_refused(
    flags: list[str], words: str, tmp_path: Path, clean_environ: dict[str, str]
) -> None:
    done = llm_loop(tmp_path, clean_environ, "start", *flags)
    assert done.returncode == 2 and words in done.stderr.splitlines()[-1]
    assert not (tmp_path / ".llm_loop").exists()


@pytest.mark.parametrize("flags", [["--quiet"], ["--detach"]])
def test_a_file_in_the_way_is_one_line(
    flags: list[str], workspace: Callable[..., Path], clean_environ: dict[str, str]
) -> None:
    root = workspace()
    (root / ".llm_loop").mkdir()
    (root / ".llm_loop" / "logs").write_text("", encoding="utf-8")
    done = llm_loop(root, clean_environ, "start", *flags)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "logs" in done.stderr.splitlines()[-1]
