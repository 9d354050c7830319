"""A loop that dies at a chosen moment dies there, without a word."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.selftest.counting import JournalWatch
from llm_loop.selftest.dying_loop import MOMENTS, arm
from tests.loop_process import LoopProcess, script

KILLED = 15 if os.name == "nt" else -signal.SIGKILL


@pytest.mark.parametrize(
    "moment, last, keepers",
    [
        ("event attempt_intended before", "validated", 1),
        ("event attempt_intended after", "attempt_intended", 1),
        ("keeper before", "call_intended", 0),
        ("state after", None, None),
    ],
)
def test_it_dies_where_it_was_told_to(
    moment: str, last: str | None, keepers: int | None, workspace: Callable[..., Path], clean_environ: dict[str, str]
) -> None:
    root = workspace()
    script(root, {"train": "good 0.5"})
    argv = [sys.executable, "-m", "llm_loop.selftest.dying_loop", moment, "--workspace", str(root), "start", "--quiet"]
    done = subprocess.run(argv, env=clean_environ, capture_output=True, text=True, encoding="utf-8", timeout=60)
    assert done.returncode == KILLED and "Traceback" not in done.stderr
    paths = WorkspacePaths(root)
    kinds = [event["event"] for event in JournalWatch(paths.events).events()]
    if last is None:
        assert paths.state.exists()
    else:
        assert kinds[-1] == last
        assert len(list(paths.loop.rglob("started.json"))) == keepers
    with LoopProcess(root, clean_environ, "--cycles", "1") as loop:
        assert loop.finish()[0] == 0, "the next start goes on where it was"


def test_an_unknown_moment_is_refused() -> None:
    with pytest.raises(ValueError, match="'never after' is no moment"):
        arm("never after")
    assert len(set(MOMENTS)) == len(MOMENTS)
