"""What a loop left behind is found by identity and by tag, and ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.selftest import leftovers
from tests.conftest import eventually

if sys.platform == "win32":
    from llm_loop.system import platform_windows as platform
else:
    from llm_loop.system import platform_posix as platform

TAG = "4f1c2b7e-selftest-leftovers"


def attempt(tmp_path: Path) -> tuple[WorkspacePaths, Path]:
    paths = WorkspacePaths(tmp_path)
    folder = paths.attempt("R0001", 1)
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(json.dumps({"tag": TAG}), encoding="utf-8")
    return paths, folder


def sleeper(**environ: str) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-c", "import time; time.sleep(300)"]
    return subprocess.Popen(argv, env=os.environ | environ, start_new_session=os.name != "nt")


def note(folder: Path, word: str, pid: int, identity: object) -> None:
    with (folder / "notes.txt").open("a", encoding="utf-8") as stream:
        stream.write(f"{word}\t{folder}\t{pid}\t{identity}\n")


def test_a_grandchild_that_lives_on_is_found_and_ended(tmp_path: Path) -> None:
    paths, folder = attempt(tmp_path)
    assert leftovers.living(paths) == {}
    with sleeper() as child:
        note(folder, "child", child.pid, platform.process_identity(child.pid))
        assert leftovers.living(paths) == leftovers.of_training(folder) == {child.pid: "grandchild of R0001"}
        leftovers.end_everything(paths)
        eventually(lambda: child.poll() is not None)
    assert leftovers.living(paths) == {}
    assert (folder / "void.json").exists(), "no keeper starts anything there any more"


@pytest.mark.skipif(os.name == "nt", reason="on Windows nobody can look into another process's environment")
def test_what_carries_the_tag_is_found_wherever_it_went(tmp_path: Path) -> None:
    paths, _ = attempt(tmp_path)
    with sleeper(LLM_LOOP_RUN=TAG) as child:
        eventually(lambda: child.pid in leftovers.living(paths))
        leftovers.end_everything(paths)
        eventually(lambda: child.poll() is not None)


def test_who_got_the_number_since_is_not_ours(tmp_path: Path) -> None:
    paths, folder = attempt(tmp_path)
    with sleeper() as stranger:
        note(folder, "start", stranger.pid, "another identity")
        assert leftovers.living(paths) == {}
        leftovers.end_everything(paths)
        assert stranger.poll() is None
        stranger.kill()
