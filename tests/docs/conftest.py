"""One small night, made by a real loop, that the tests of the documents share."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, make_workspace
from tests.loop_process import LoopProcess, script

RUNS = 3


@pytest.fixture(scope="session")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with three runs that have ended, and a link to data; nobody changes it."""
    root = make_workspace(tmp_path_factory.mktemp("documents") / "night", data_source_root="pictures")
    (root / "pictures").mkdir()
    script(root, *({"train": f"good {value}"} for value in (0.5, 0.3, 0.4)))
    environ = {name: value for name, value in os.environ.items() if not name.startswith("LLM_LOOP_")}
    environ |= {"PYTHONPATH": str(REPOSITORY), "PYTHONUTF8": "1"}
    with LoopProcess(root, environ, "--cycles", str(RUNS)) as loop:
        code, out, err = loop.finish()
    assert code == 0 and len(loop.history()) == RUNS, out + err
    return root


@pytest.fixture
def a_night(night: Path, tmp_path: Path) -> Path:
    """A copy of the night that a test may change."""
    return Path(shutil.copytree(night, tmp_path / "night", symlinks=True))
