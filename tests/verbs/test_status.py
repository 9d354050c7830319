"""``llm-loop status``, as a person or a program calls it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.views.lock_holder import hold_lock
from tests.views.procedure_events import Procedures
from tests.views.workspace_builder import WorkspaceBuilder


def status(workspace: Path, environ: dict[str, str], *flags: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "llm_loop", "--workspace", str(workspace), "status", *flags]
    return subprocess.run(argv, env=environ, capture_output=True, text=True, encoding="utf-8", timeout=30)


def strict(text: str) -> dict[str, Any]:
    def refuse(name: str) -> float:
        raise AssertionError(f"{name} is no JSON")

    value: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return value


def test_json_through_a_loops_life(weird_path: Path, clean_environ: dict[str, str]) -> None:
    done = status(weird_path, clean_environ, "--json")
    assert (done.returncode, done.stderr, strict(done.stdout)["daemon"]["condition"]) == (0, "", "never started")
    workspace = WorkspaceBuilder(weird_path)
    workspace.launch(workspace.stage("first"))
    workspace.save()
    with hold_lock(workspace.paths.instance_lock) as process:
        workspace.beat(pid=process.pid, runs={"R0001": {"epoch": 1, "value": 0.5}})
        value = strict(status(weird_path, clean_environ, "--json").stdout)
        assert (value["schema_version"], value["daemon"]["condition"]) == (1, "running")
        assert (value["runs"][0]["label"], value["runs"][0]["value"]) == ("first", 0.5)
        process.kill()
        process.wait(10)
        assert strict(status(weird_path, clean_environ, "--json").stdout)["daemon"]["condition"] == "dead"
    workspace.beat("stopped", reason="done")
    assert strict(status(weird_path, clean_environ, "--json").stdout)["daemon"]["reason"] == "done"
    workspace.paths.state.write_bytes(b"\xff{")
    done = status(weird_path, clean_environ, "--json")
    assert done.returncode == 0 and "state.json" in strict(done.stdout)["notes"][0]


def test_json_of_a_run_under_repair(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    workspace = WorkspaceBuilder(tmp_path)
    procedures, run = Procedures(workspace), workspace.stage("einops")
    procedures.validated(run, "failed", "no module named einops", "missing_module")
    procedures.diagnosed(run, module="einops")
    procedures.intended(run, subject="einops")
    workspace.save()
    value = strict(status(tmp_path, clean_environ, "--json").stdout)
    assert value["runs"] == [] and value["run_counts"] == {"repairing": 1} and value["install_s"] == 0.0
    [waiting] = value["waiting"]
    assert waiting["state"] == "repairing" and waiting["mends"][0]["ok"] is None
    assert waiting["steps"][1] | {"ended_utc": None} == {
        "step": "validate",
        "number": 1,
        "attempt": 1,
        "state": "failed",
        "seconds": 3.0,
        "ended_utc": None,
        "cause": "missing_module",
    }


def test_text_in_a_pipe_has_no_colour(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    workspace = WorkspaceBuilder(tmp_path)
    workspace.launch(workspace.stage("größer"))
    workspace.save()
    workspace.beat("stopped", reason="done")
    done = status(tmp_path, clean_environ | {"TERM": "xterm-256color"})
    assert (done.returncode, done.stderr) == (0, "")
    assert "größer" in done.stdout and "no Codex login" in done.stdout and "\x1b" not in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="a closed pipe is made by a POSIX shell")
@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_closed_output_is_no_error(flags: list[str], tmp_path: Path, clean_environ: dict[str, str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    argv = [sys.executable, "-m", "llm_loop", "--workspace", str(tmp_path), "status", *flags]
    done = subprocess.run(argv, env=clean_environ, stdout=writing, stderr=subprocess.PIPE, timeout=30)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    argv = [sys.executable, "-m", "llm_loop", "--workspace", str(tmp_path), "status", "--json"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(argv, env=clean_environ, stdout=full, stderr=subprocess.PIPE, text=True, timeout=30)
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "llm-loop: No space left on device"
