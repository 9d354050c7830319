"""``llm-loop doctor``, as a person or a program calls it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.codex_client import codex_binary
from tests.fakes.responses_server import ResponsesServer, answer
from tests.loop_process import script
from tests.views.lock_holder import hold_lock

Maker = Callable[..., Path]


def doctor(root: Path, environ: dict[str, str], *flags: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-X", "utf8", "-m", "llm_loop", "--workspace", str(root), "doctor", *flags]
    return subprocess.run(argv, env=environ, capture_output=True, text=True, encoding="utf-8", timeout=240)


def findings(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    """Return the findings by name, and hold what all of them promise."""
    value = json.loads(done.stdout)
    assert (value["schema_version"], value["exit_code"]) == (1, done.returncode), done.stderr
    for check in value["checks"]:
        assert set(check) == {"name", "state", "what", "mend"} and check["what"]
        assert check["mend"] or check["state"] in ("ok", "notice")
    return {check["name"]: check for check in value["checks"]}


def small(workspace: Maker, **settings: Any) -> Path:
    root = workspace(**{"min_free_disk_mb": 1} | settings)
    (root / "repo" / "train.py").touch()
    return root


def test_a_workspace_without_codex_is_well(workspace: Maker, clean_environ: dict[str, str]) -> None:
    root = small(workspace)
    done = doctor(root, clean_environ, "--json")
    found = findings(done)
    assert found["codex"]["what"] == "not asked by this configuration"
    well = ("config", "locks", "daemon", "disk", "training repository", "data", "training python", "codex")
    assert {name: found[name]["state"] for name in well} == dict.fromkeys(well, "ok")
    assert "network" not in found and "decision" not in found
    if found["torch"]["state"] != "ok":  # the interpreter of these tests stands for that of trainings
        assert found["torch"]["mend"]
    assert not (root / ".llm_loop").exists()


def test_the_text_names_the_mend_and_ends_in_a_sentence(workspace: Maker, clean_environ: dict[str, str]) -> None:
    root = small(workspace, training_repo_root="gone", train_python_exe=str(Path("no") / "python"))
    done = doctor(root, clean_environ)
    assert done.returncode == 2
    lines = done.stdout.splitlines()
    place = next(place for place, line in enumerate(lines) if line.startswith("FAILED   training repository"))
    assert "mend: set training_repo_root" in lines[place + 1]
    assert any(line.startswith("FAILED   training python") for line in lines)
    assert lines[-1].startswith("The loop cannot run")


def test_a_refused_configuration_ends_early_and_says_why(workspace: Maker, clean_environ: dict[str, str]) -> None:
    root = small(workspace)
    (root / "config" / "daemon_config.json").write_text('{"max_parallel_runs": "two"}', encoding="utf-8")
    found = findings(doctor(root, clean_environ, "--json"))
    assert found["config"]["state"] == "failed" and "max_parallel_runs" in found["config"]["what"]
    assert "disk" not in found and "python" in found


def test_a_missing_client_holds_codex_back(workspace: Maker, clean_environ: dict[str, str], tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    root = small(workspace, worker_command=None)
    done = doctor(root, clean_environ | {"PATH": str(tmp_path)}, "--json")
    found = findings(done)
    if found["codex"]["state"] == "problem":  # else this environment carries a client
        assert done.returncode == 1 and "--install-cli" in found["codex"]["mend"]


def test_a_live_daemon_is_not_disturbed(workspace: Maker, clean_environ: dict[str, str]) -> None:
    root = small(workspace)
    with hold_lock(root / ".llm_loop" / "daemon.lock") as process:
        before = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
        found = findings(doctor(root, clean_environ, "--json", "--try-decision"))
        assert found["decision"]["state"] == "notice" and "daemon holds" in found["decision"]["what"]
        assert found["daemon"]["state"] == "ok"
        assert process.poll() is None
        assert {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()} == before


def test_one_decision_is_asked_for_and_thrown_away(workspace: Maker, clean_environ: dict[str, str]) -> None:
    root = small(workspace)
    script(root, {"train": "good", "run_label": "dry"})
    found = findings(doctor(root, clean_environ, "--json", "--try-decision"))
    assert found["decision"]["state"] == "ok", found["decision"]
    assert "the command worker wants to run command dry; the gate would let it pass" in found["decision"]["what"]
    loop = root / ".llm_loop"
    assert not any((loop / name).exists() for name in ("state.json", "history.jsonl", "runs"))
    assert not (loop / "logs" / "events.jsonl").exists()
    assert not list(loop.glob("dry_decision-*"))


def test_a_decision_that_does_not_come_is_a_problem(workspace: Maker, clean_environ: dict[str, str]) -> None:
    root = small(workspace, worker_command=f'"{sys.executable}" -c "print(1 / 0)"')
    done = doctor(root, clean_environ, "--json", "--try-decision")
    found = findings(done)
    assert done.returncode == 1
    assert found["decision"]["state"] == "problem" and "ZeroDivisionError" in found["decision"]["what"]


# ---------------------------------------------------------------- the real client


def provider(root: Path, base_url: str) -> None:
    """Let the loop's Codex home name a provider that needs no login."""
    home = root / ".llm_loop" / "codex_home"
    home.mkdir(parents=True)
    text = f'model_provider = "own"\n[model_providers.own]\nname = "own"\nbase_url = "{base_url}"\n'
    text += 'wire_api = "responses"\nrequires_openai_auth = false\n'
    (home / "config.toml").write_text(text, encoding="utf-8")
    (home / "installation_id").write_text("11111111-2222-4333-8444-555555555555", encoding="utf-8")


def with_client(environ: dict[str, str]) -> dict[str, str]:
    """Return an environment in which the real client is the first on PATH."""
    return environ | {"PATH": os.pathsep.join([str(codex_binary().parent), environ["PATH"]])}


@pytest.mark.codex
def test_the_real_client_is_looked_at_and_its_sandbox_tried(workspace: Maker, clean_environ: dict[str, str]) -> None:
    root = small(workspace, worker_command=None)
    environ = with_client(clean_environ)
    with ResponsesServer([answer({"never": "asked"})]) as server:
        provider(root, server.base_url)
        done = doctor(root, environ, "--json")
        assert server.asked == 0
    found = findings(done)
    assert [found[name]["state"] for name in ("codex", "codex login", "network")] == ["ok"] * 3
    assert "none is needed" in found["codex login"]["what"] and "127.0.0.1" in found["network"]["what"]
    kept = json.loads((root / ".llm_loop" / "codex_sandbox.json").read_text(encoding="utf-8"))
    assert kept["choice"]["mode"] in found["codex sandbox"]["what"]
    if os.name != "nt":
        assert found["codex sandbox"]["state"] == "ok" and kept["choice"]["works"]["update_file"] is True
    left = sorted(path.name for path in (root / ".llm_loop").iterdir())
    assert left == ["codex_home", "codex_sandbox.json"]


@pytest.mark.codex
def test_without_a_login_it_says_so(workspace: Maker, clean_environ: dict[str, str]) -> None:
    root = small(workspace, worker_command=None, sandbox_mode="danger-full-access")
    environ = with_client(clean_environ) | {"https_proxy": "http://127.0.0.1:9"}
    done = doctor(root, environ, "--json")
    found = findings(done)
    assert done.returncode == 1 and "login`" in found["codex login"]["mend"]
    assert found["network"]["state"] == "problem" and "proxy" in found["network"]["what"]
    assert found["codex sandbox"]["state"] == "notice" and "all your rights" in found["codex sandbox"]["what"]
