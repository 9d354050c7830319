"""``llm-loop diff``, as a person or a program calls it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from llm_loop.contract.run import Run, RunCode
from llm_loop.versions.rules import CodeRules
from llm_loop.versions.store import VersionStore
from tests.verbs.test_leaderboard import ESCAPES
from tests.views.workspace_builder import METRIC, WorkspaceBuilder


def diff(workspace: Path, environ: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "llm_loop", "--workspace", str(workspace), "diff", *words]
    return subprocess.run(argv, env=environ, capture_output=True, text=True, encoding="utf-8", timeout=30)


def a_run(workspace: WorkspaceBuilder, label: str, value: float | None, version: str | None = None) -> Run:
    run = workspace.stage(label, command=f"python train.py --{label}", code=RunCode(version=version))
    workspace.launch(run)
    workspace.end(run, value, *(() if value is not None else ("failed", "exit_code_1")))
    return run


def two_versions(workspace: WorkspaceBuilder, root: Path) -> tuple[str, str]:
    """Keep two versions of a repository of one file."""
    store = VersionStore(workspace.paths.versions)
    rules = CodeRules.from_json({})
    root.mkdir()
    versions = []
    for text in ("rate = 1\nsteps = 5\n", "rate = 2\nsteps = 5\n"):
        (root / "train.py").write_text(text, encoding="utf-8", newline="\n")
        version = store.take(root, rules, anew=True)
        store.keep(version)
        versions.append(version.id)
    return versions[0], versions[1]


def write_curve(workspace: WorkspaceBuilder, run_id: str, values: list[float]) -> None:
    lines = [json.dumps({"epoch": epoch, METRIC: value}) for epoch, value in enumerate(values, 1)]
    (workspace.paths.attempt(run_id, 1) / "metrics.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_two_runs_of_different_code(weird_path: Path, clean_environ: dict[str, str]) -> None:
    workspace = WorkspaceBuilder(weird_path / "night")
    first, second = two_versions(workspace, weird_path / "repository")
    a_run(workspace, "plain", 0.5, first)
    a_run(workspace, "wide", 0.25, second)
    write_curve(workspace, "R0001", [0.9, 0.5])
    write_curve(workspace, "R0002", [0.8, 0.4, 0.25])
    done = diff(weird_path / "night", clean_environ, "plain", "R0002")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[:3] == [
        f"- R0001  plain: completed, {METRIC} 0.5",
        f"+ R0002  wide: completed, {METRIC} 0.25",
        "  R0002 is ahead by 0.25, which may be noise: no spread and no interval is known: "
        f"{METRIC} 0.25 (1 seed) against 0.5 (1 seed).",
    ]
    assert "  - python train.py --plain" in lines and "  + python train.py --wide" in lines
    start = lines.index(f"  {METRIC} by epoch:")
    assert [line.split() for line in lines[start + 1 : start + 4]] == [
        ["1", "0.9", "0.8"],
        ["2", "0.5", "0.4"],
        ["3", "-", "0.25"],
    ]
    assert lines[-4:] == ["    @@ -1,2 +1,2 @@", "    -rate = 1", "    +rate = 2", "     steps = 5"]
    value = json.loads(diff(weird_path / "night", clean_environ, "R0001", "R0002", "--json").stdout)
    assert (value["schema_version"], value["second"]["run_id"], value["comparison"]["gain"]) == (1, "R0002", 0.25)
    assert value["curves"][2] == {"epoch": 3, "first": None, "second": 0.25}
    assert "\n+rate = 2\n" in value["code"]["diff"]


def test_a_run_that_failed_is_not_compared(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    workspace = WorkspaceBuilder(tmp_path)
    a_run(workspace, "good", 0.5)
    a_run(workspace, ESCAPES, None)
    done = diff(tmp_path, clean_environ, "good", "R0002")
    lines = done.stdout.splitlines()
    assert lines[2] == "  Not compared: one of them does not rank."
    assert "  Settings: neither run tells its own." in lines and lines[-1] == "  Code: not known of both."
    assert not set("\x1b\x07\u202e") & set(done.stdout)


def test_a_version_that_is_gone_is_named(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    workspace = WorkspaceBuilder(tmp_path)
    a_run(workspace, "one", 0.5, "a" * 12)
    a_run(workspace, "other", 0.4, "b" * 12)
    done = diff(tmp_path, clean_environ, "one", "other")
    assert done.returncode == 1 and "code version 'aaaaaaaaaaaa' is not in" in done.stderr


@pytest.mark.parametrize("words", [("R0001", "nobody"), ("nobody", "R0001")])
def test_no_such_run(tmp_path: Path, clean_environ: dict[str, str], words: tuple[str, str]) -> None:
    a_run(WorkspaceBuilder(tmp_path), "one", 0.5)
    done = diff(tmp_path, clean_environ, *words)
    assert (done.returncode, done.stdout) == (1, "") and "no run 'nobody'" in done.stderr
