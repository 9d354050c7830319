"""``llm-loop show``, as a person or a program calls it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from llm_loop.contract.code_change import ChangedFile, ChangeKind, CodeBase, CodeChange
from llm_loop.contract.run import Run, RunCode
from llm_loop.contract.schemas import violations
from tests.views.procedure_events import LINE, RECORD, Procedures
from tests.views.workspace_builder import WorkspaceBuilder, a_decision, a_review

DIFF = """\
--- a/model.py
+++ b/model.py
@@ -1,3 +1,4 @@
 class Net:
\tdef forward(self, x):
-        return x
+        y = self.pool(x)
+        return y
"""
ESCAPES = "\x1b]0;owned\x07\x1b[31mred\x9b2J\u202egnp.exe\r\x08"


def show(workspace: Path, environ: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "llm_loop", "--workspace", str(workspace), "show", *words]
    return subprocess.run(argv, env=environ, capture_output=True, text=True, encoding="utf-8", timeout=30)


def a_code(diff: str = DIFF, path: str = "model.py", **changes: Any) -> RunCode:
    change = CodeChange(
        base=CodeBase(version="b" * 12, repository_version="a" * 12, run_id="R0001"),
        version="c" * 12,
        checkout="C0002-worker-3",
        files=(
            ChangedFile(path=path, kind=ChangeKind.CHANGED, lines_added=2, lines_removed=1),
            ChangedFile(path="weights.bin", kind=ChangeKind.REMOVED),
        ),
        diff=diff,
        config_files={"configs/pooled.yaml": "pool: 2\n"},
        **changes,
    )
    place = {"cwd": "/w/checkouts/C0002-worker-3", "command": "python train.py --here", "checkout_id": "C0002-worker-3"}
    return RunCode(version="c" * 12, repository_version="a" * 12, change=change.to_json(), place=place)


def in_a_checkout(workspace: WorkspaceBuilder, label: str = "pooled", code: RunCode | None = None) -> Run:
    run = workspace.stage(label, mentor=a_review("continue", "on_track: a fair try"), code=code or a_code())
    workspace.launch(run)
    return run


def test_a_run_with_a_change_of_code(weird_path: Path, clean_environ: dict[str, str]) -> None:
    workspace = WorkspaceBuilder(weird_path)
    run = in_a_checkout(workspace)
    workspace.ledger.record("code_version", run_id="R0001", attempt=1, moment="end", version="d" * 12, why=None)
    workspace.end(run, 0.25)
    done = show(weird_path, clean_environ, "R0001")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "R0001  pooled: completed, val_log_loss 0.25"
    for line in (
        "  why      A rationale of some length.",
        "  command  python train.py",
        "  run as   python train.py --here",
        f"  folder   {workspace.paths.run('R0001')}",
        "  attempt  1: no end of it is journaled yet",
        "  proposed by builtin (primary): accepted",
        "  mentor   continue: on_track: a fair try",
        "  code     version cccccccccccc, in a checkout, /w/checkouts/C0002-worker-3",
        "  code     CHANGED during the run: version dddddddddddd at its end",
        "  base     R0001, version bbbbbbbbbbbb",
        "  changed  model.py (+2 -1)",
        "  removed  weights.bin (no text)",
        "  config   configs/pooled.yaml",
    ):
        assert line in lines, line
    assert lines[-len(DIFF.splitlines()) :] == [f"    {line}" for line in DIFF.expandtabs(4).splitlines()]


def test_json_holds_the_whole_change(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    workspace = WorkspaceBuilder(tmp_path)
    in_a_checkout(workspace)
    done = show(tmp_path, clean_environ, "pooled", "--json")
    value = json.loads(done.stdout)
    assert (value["schema_version"], value["run_id"], value["state"], value["ended"]) == (1, "R0001", "open", None)
    assert violations("code_change", value["code"]["change"]) == []
    assert value["code"]["change"]["diff"] == DIFF
    assert value["code"]["change"]["config_files"] == {"configs/pooled.yaml": "pool: 2\n"}
    assert value["review"]["recommendation"] == "continue" and value["attempts"][0]["number"] == 1


def test_a_run_in_the_repository_itself(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    workspace = WorkspaceBuilder(tmp_path)
    gate = {"source": "primary", "blocked": True, "issues": ["run_label_generic"], "details": []}
    of = workspace.open_cycle()
    workspace.propose(of, a_decision("run"), gate)
    run = workspace.stage("named", of=of)
    workspace.launch(run)
    assert (
        "  code     version not known yet, in the training repository itself"
        in show(tmp_path, clean_environ, "R0001").stdout
    )
    workspace.ledger.record("code_version", run_id="R0001", attempt=1, moment="launch", version="a" * 12, why=None)
    ended = {"cause": "exited", "exit_code": 1, "duration_s": 2.5, "cpu_s": 1.0, "peak_memory_bytes": 1, "slots": 1}
    times = {"ended_utc": "2026-01-02T03:04:05Z", "started_monotonic_s": None, "ended_monotonic_s": None}
    workspace.ledger.record("attempt_ended", run_id="R0001", attempt=1, **ended, **times, detail=None)
    workspace.end(run, None, "failed", "exit_code_1", "RuntimeError: mat1 and mat2 shapes")
    lines = show(tmp_path, clean_environ, "R0001").stdout.splitlines()
    assert lines[:2] == [
        "R0001  named: failed (exit_code_1)",
        "  because  RuntimeError: mat1 and mat2 shapes",
    ]
    assert "  attempt  1: exited, exit code 1, 2.5 s" in lines
    assert "  proposed by builtin (primary): refused: run_label_generic" in lines
    assert lines[-1] == "  code     version aaaaaaaaaaaa, in the training repository itself"


def test_a_run_that_was_mended_in_vain(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    workspace = WorkspaceBuilder(tmp_path)
    procedures, run = Procedures(workspace), workspace.stage("einops")
    procedures.validated(run, "failed", "no module named einops", "missing_module")
    procedures.diagnosed(run, module="einops")
    procedures.intended(run, subject="einops")
    procedures.done(run, record=RECORD)
    procedures.undone(run, RECORD)
    workspace.end(run, None, "needs_human", "missing_module", LINE)
    lines = show(tmp_path, clean_environ, "einops").stdout.splitlines()
    assert lines[0] == "R0001  einops: needs_human (missing_module)"
    assert f"  failed   in validation: missing_module (high, 95% sure): {LINE}" in lines
    assert f"  undone   {RECORD}: the environment is as it was" in lines
    value = json.loads(show(tmp_path, clean_environ, "einops", "--json").stdout)
    assert [(step["step"], step["state"]) for step in value["steps"]] == [("prepare", "done"), ("validate", "failed")]
    assert (value["mends"][0]["record"], value["diagnoses"][0]["evidence_line"]) == (RECORD, LINE)


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_foreign_texts_do_nothing_to_a_terminal(
    flags: tuple[str, ...], tmp_path: Path, clean_environ: dict[str, str]
) -> None:
    workspace = WorkspaceBuilder(tmp_path)
    code = a_code(diff=f"+{ESCAPES} = 1\n+x = 1\n", path=f"{ESCAPES}.py")
    run = workspace.stage(
        f"lab{ESCAPES}el",
        mentor=a_review("challenge", f"off_track: {ESCAPES}"),
        code=code,
        rationale=f"Because {ESCAPES}",
        command=f"python {ESCAPES}",
    )
    workspace.launch(run)
    workspace.end(run, None, "failed", "no_result", ESCAPES)
    done = show(tmp_path, clean_environ, "R0001", *flags)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(char.isprintable() or char == "\n" for char in done.stdout)
    assert "x = 1" in done.stdout


def test_a_cut_diff_says_so(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    workspace = WorkspaceBuilder(tmp_path)
    in_a_checkout(workspace, code=a_code(diff="+" + "x" * 2000 + "\n", diff_is_cut=True))
    lines = show(tmp_path, clean_environ, "pooled").stdout.splitlines()
    assert lines[-1] == "    (the diff is longer and cut here)" and len(lines[-2]) == 504 and lines[-2].endswith("...")


# ---------------------------------------------------------------- what cannot be shown


def test_an_unknown_run(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    workspace = WorkspaceBuilder(tmp_path)
    in_a_checkout(workspace)
    done = show(tmp_path, clean_environ, "R0002\x1b[31m")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"llm-loop: no run 'R0002' in {workspace.paths.events}: ")


@pytest.mark.skipif(os.name == "nt", reason="arguments are text there")
def test_a_word_that_is_no_utf_8(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    done = show(tmp_path, clean_environ, os.fsdecode(b"\xff"))
    assert done.returncode == 1 and done.stderr.startswith("llm-loop: no run ")


def test_a_missing_journal(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    done = show(tmp_path, clean_environ, "R0001")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no run 'R0001'" in done.stderr and "events.jsonl" in done.stderr and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / ".llm_loop").exists()


def test_a_folder_in_the_journals_place(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    workspace = WorkspaceBuilder(tmp_path)
    workspace.paths.events.mkdir()
    done = show(tmp_path, clean_environ, "R0001")
    assert done.returncode == 1 and "events.jsonl" in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_closed_pipe_is_no_error(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    workspace = WorkspaceBuilder(tmp_path)
    in_a_checkout(workspace)
    reading, writing = os.pipe()
    os.close(reading)
    argv = [sys.executable, "-m", "llm_loop", "--workspace", str(tmp_path), "show", "R0001"]
    done = subprocess.run(argv, env=clean_environ, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=30)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")
