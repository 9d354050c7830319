"""``llm-loop reproduce``: a run once more as it was, by a real loop, and what came of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.loop_process import LoopProcess, script
from tests.windows.marks import not_under_wine

Make = Callable[..., Path]
Environ = dict[str, str]


def reproduce(root: Path, environ: Environ, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-X", "utf8", "-m", "llm_loop", "--workspace", str(root), "reproduce", *words]
    return subprocess.run(argv, env=environ, capture_output=True, text=True, encoding="utf-8", timeout=60)


def run_the_loop(root: Path, environ: Environ, *flags: str) -> list[dict[str, Any]]:
    with LoopProcess(root, environ, *flags) as loop:
        code, out, err = loop.finish()
    assert code == 0, out + err
    return loop.history()


@not_under_wine("a checkout has junctions")
def test_a_run_comes_out_again_in_the_code_that_it_ran(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    code = root / "repo" / "model.py"
    code.write_text("WIDTH = 1\n", encoding="utf-8")
    script(root, {"train": "good 0.5"}, {"train": "good 0.4"})
    (first,) = run_the_loop(root, clean_environ, "--cycles", "1")
    code.write_text("WIDTH = 2\n", encoding="utf-8")
    asked = reproduce(root, clean_environ, "R0001")
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.startswith("Queued: R0002 runs R0001 once more; no loop is running here")
    assert "has not ended yet" in reproduce(root, clean_environ, "R0001", "--check").stdout
    with LoopProcess(root, clean_environ) as loop:
        loop.wait_for("run_ended", 2)
        placed = loop.wait_for("code_placed")
    again = next(row for row in loop.history() if row["run_id"] == "R0002")
    assert (again["state"], again["result"]["value"], again["proposer"]) == ("completed", 0.5, "person")
    assert again["code_version"] == first["code_version"], "the repository is another by now, the run is not"
    place = Path(placed["place"]["cwd"])
    assert (place / "model.py").read_text(encoding="utf-8") == "WIDTH = 1\n"
    assert code.read_text(encoding="utf-8") == "WIDTH = 2\n"
    line = reproduce(root, clean_environ, "R0001", "--check").stdout
    assert line.startswith("R0002 ran R0001 once more and came out equal: val_log_loss 0.5, 0.5 before")
    (found,) = json.loads(reproduce(root, clean_environ, "R0001", "--check", "--json").stdout)["reproductions"]
    assert (found["run_id"], found["came_out"], found["differs"]) == ("R0002", "equal", [])


def test_what_cannot_be_run_once_more_is_said(workspace: Make, clean_environ: Environ) -> None:
    root = workspace()
    script(root, {"train": "good 0.5"})
    run_the_loop(root, clean_environ, "--cycles", "1")
    unknown = reproduce(root, clean_environ, "R0009")
    assert (unknown.returncode, unknown.stdout) == (1, "") and "no run 'R0009'" in unknown.stderr
    assert "was not run once more" in reproduce(root, clean_environ, "R0001", "--check").stdout
