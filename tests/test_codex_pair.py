"""The loop with the real Codex client as worker and mentor, against a scripted model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.codex_client import NO_CLIENT
from tests.codex_workspace import codex_environment, codex_workspace, decision, is_worker, review
from tests.conftest import eventually
from tests.fakes.responses_server import Entry, ResponsesServer, answer, patch, shell, status
from tests.loop_process import LoopProcess
from tests.stages.test_decide import tagged
from tests.windows.marks import not_under_wine, under_wine

Environ = dict[str, str]


def run_loop(workspace: Path, environ: Environ, *flags: str, seconds: float = 120.0) -> LoopProcess:
    """Run a loop to its end."""
    with LoopProcess(workspace, environ, *flags) as loop:
        code, out, err = loop.finish(seconds)
    assert code == 0, (out, err)
    return loop


def a_repository(workspace: Path) -> dict[str, str]:
    """Give the training repository a program of its own; return its files as they are."""
    package = workspace / "repo" / "tiny"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "score.py").write_text("VALUE = 0.9\n", encoding="utf-8")
    (workspace / "repo" / "train.py").write_text(TRAIN, encoding="utf-8")
    return as_it_is(workspace / "repo")


def as_it_is(folder: Path) -> dict[str, str]:
    """Return the texts of a folder; what Python compiles there on the way is no text."""
    files = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in files}


TRAIN = """\
import json, os
from pathlib import Path

from tiny.score import VALUE

result = {
    "schema_version": 1, "metric": "val_log_loss", "direction": "min", "value": VALUE, "best_val_score": -VALUE,
    "best_epoch": 1, "epochs_run": 1, "n": 100, "split": "val", "seed": 0, "budget": {"epochs": 1}, "params": None,
    "stopped_early": False, "trainer_version": "tiny", "data_hash": "d", "score_source": "self_reported",
    "interval": None, "model": "tiny", "run_seconds": 0.1, "test_opened": False,
}
Path(os.environ["LLM_LOOP_RUN_DIR"], "result.json").write_text(json.dumps(result))
"""


def test_codex_decides_and_the_costs_add_up(tmp_path: Path, clean_environ: Environ) -> None:
    script = [answer(decision("good 0.5")), answer(decision("good 0.4"))]
    with ResponsesServer(script) as server:
        workspace = codex_workspace(tmp_path / "work space", server)
        loop = run_loop(workspace, codex_environment(clean_environ, tmp_path / "home"), "--cycles", "2")
        assert [row["result"]["value"] for row in loop.history()] == [0.5, 0.4]
        assert {row["proposer"] for row in loop.history()} == {"codex"}
        assert server.asked == 2
        calls = [event["call"] for event in loop.events("proposal")]
        told = [call["report"]["tokens"] for call in calls]
        assert {name: sum(one[name] for one in told) for name in server.tokens} == server.tokens
    shown = status_of(workspace, clean_environ)
    assert shown["agents"]["tokens"] == server.tokens
    assert [role["calls"] for role in shown["agents"]["roles"] if role["agent"] == "codex"] == [2]


@not_under_wine("it makes no junctions, and a run in a checkout needs them")
def test_an_edit_runs_in_a_checkout_and_the_repository_stays_as_it_was(tmp_path: Path, clean_environ: Environ) -> None:
    command = {"command": "python train.py", "idea_category": "model_arch"}
    better = decision(run_label="better-score", **command)
    script = [
        answer(decision(run_label="baseline", **command)),
        patch("*** Update File: tiny/score.py\n@@\n-VALUE = 0.9\n+VALUE = 0.3"),
        answer(better),
        answer(decision(run_label="as-answered", **command, edits=EDIT)),
    ]
    with ResponsesServer(script) as server:
        workspace = codex_workspace(tmp_path / "work space", server, plan_ahead=False)
        before = a_repository(workspace)
        loop = run_loop(workspace, codex_environment(clean_environ, tmp_path / "home"), "--cycles", "3")
    rows = loop.history()
    assert [row["result"] and row["result"]["value"] for row in rows] == [0.9, 0.3, 0.2], loop.events()
    assert len({row["code_version"] for row in rows}) == 3
    assert rows[0]["code_version"] == rows[0]["repository_version"] == rows[1]["repository_version"]
    assert as_it_is(workspace / "repo") == before
    third = loop.events("run_staged")[2]["run"]["code"]
    assert third["change"]["base"]["run_id"] == rows[1]["run_id"], "the best run's version is the base"
    story = ask(workspace, clean_environ, "show", rows[1]["run_id"]).stdout
    assert "+VALUE = 0.3" in story
    assert "tiny/score.py" in story


EDIT = [{"path": "tiny/score.py", "new_text": None, "old": "VALUE = 0.3", "new": "VALUE = 0.2"}]
TWO_FILES = patch(
    "*** Add File: tiny/extra.py\n+EXTRA = 1\n*** Update File: tiny/score.py\n@@\n-VALUE = 0.9\n+VALUE = 0.3"
)


@pytest.mark.codex
@pytest.mark.parametrize("sandbox_mode", ["auto", "read-only"])
def test_a_change_arrives_whether_codex_may_write_or_not(
    tmp_path: Path, clean_environ: Environ, sandbox_mode: str
) -> None:
    """Under Wine, which makes no junctions, no run can have a checkout: the change is refused and the night goes on."""
    command = {"command": "python train.py", "idea_category": "model_arch"}
    by_answer = [
        {"path": "tiny/extra.py", "new_text": "EXTRA = 1\n", "old": None, "new": None},
        {"path": "tiny/score.py", "new_text": None, "old": "VALUE = 0.9", "new": "VALUE = 0.3"},
    ]
    changed = decision(run_label="changed", **command, edits=by_answer if sandbox_mode == "read-only" else None)
    script = [TWO_FILES, answer(changed), answer(decision(run_label="as-it-is", **command))]
    pinned = {} if sandbox_mode == "auto" else {"sandbox_mode": sandbox_mode}
    with ResponsesServer(script) as server:
        workspace = codex_workspace(tmp_path / "work space", server, plan_ahead=False, **pinned)
        before = a_repository(workspace)
        loop = run_loop(workspace, codex_environment(clean_environ, tmp_path / "home"), "--cycles", "1")
    (row,) = loop.history()
    code = loop.events("proposal")[0]["record"]["code"]
    assert {file["path"]: file["kind"] for file in code["files"]} == {
        "tiny/extra.py": "added",
        "tiny/score.py": "changed",
    }
    assert as_it_is(workspace / "repo") == before
    refused = [event["why"] for event in loop.events("place_refused")]
    if under_wine():
        assert len(refused) == 1 and "link" in refused[0]
        assert (row["result"]["value"], row["label"], row["proposer"]) == (0.9, "as-it-is", "codex")
        assert row["code_version"] == row["repository_version"]
    else:
        assert refused == []
        assert (row["result"]["value"], row["code_version"]) == (0.3, code["version"])


@pytest.mark.codex
def test_the_mentor_challenges_with_a_replacement_of_its_own_code(tmp_path: Path, clean_environ: Environ) -> None:
    command = {"command": "python train.py", "idea_category": "model_arch"}
    edit = [{"path": "tiny/score.py", "new_text": "VALUE = 0.1\n", "old": None, "new": None}]
    suggested = decision(run_label="mentor", **command, edits=edit)
    if under_wine():  # which can run no changed code
        suggested = decision("good 0.1", run_label="mentor")

    def play(body: dict[str, Any], number: int) -> Entry:
        if is_worker(body):
            return answer(decision(run_label="worker", **command))
        return answer(review("challenge", suggested))

    with ResponsesServer(play) as server:
        settings = {"mentor_enabled": True, "mentor_every_n_cycles": 1}
        workspace = codex_workspace(tmp_path / "work space", server, **settings)
        before = a_repository(workspace)
        loop = run_loop(workspace, codex_environment(clean_environ, tmp_path / "home"), "--cycles", "1")
    (row,) = loop.history()
    assert (row["result"]["value"], row["proposer"]) == (0.1, "codex mentor")
    assert as_it_is(workspace / "repo") == before
    (cycle,) = loop.events("cycle")
    assert cycle["decision_source"] == "mentor"
    assert cycle["codex"]["mentor"]["applied"] is True
    assert [record["decision"]["run_label"] for record in cycle["proposals"]] == ["worker", "mentor"]


@pytest.mark.codex
def test_a_call_in_flight_outlives_the_daemon_and_is_paid_once(tmp_path: Path, clean_environ: Environ) -> None:
    with ResponsesServer([{**answer(decision("good 0.5")), "delay": 3}]) as server:
        workspace = codex_workspace(tmp_path / "work space", server)
        environ = codex_environment(clean_environ, tmp_path / "home")
        with LoopProcess(workspace, environ, "--cycles", "1") as loop:
            loop.wait_for("call_intended")
            wait_until_asked(server)
            loop.kill()
            loop.start()
            code, _, err = loop.finish(60)
        assert code == 0, err
        assert server.asked == len(loop.events("call_intended")), "each call was made once"
    adopted = [event["call"]["call_id"] for event in loop.events("proposal")]
    assert adopted == [event["call_id"] for event in loop.events("call_intended")]
    assert {row["state"] for row in loop.history()} == {"completed"}


@pytest.mark.codex
@pytest.mark.parametrize("ended", ["daemon", "keeper"])
def test_a_hanging_call_leaves_nothing_when_its_daemon_is_gone(
    tmp_path: Path, clean_environ: Environ, ended: str
) -> None:
    """Nobody is left who waits for it: the keeper ends the whole tree at the deadline, and it falls with the keeper."""
    if ended == "keeper" and os.name != "nt":
        pytest.skip("a job object ends the tree there; elsewhere the next start does")
    with ResponsesServer([{"silent": "before_headers"}]) as server:
        workspace = codex_workspace(
            tmp_path / "work space", server, codex_timeout_seconds=12 if ended == "daemon" else 300
        )
        with LoopProcess(workspace, codex_environment(clean_environ, tmp_path / "home"), "--cycles", "1") as loop:
            call_id = loop.wait_for("call_intended", seconds=60)["call_id"]
            wait_until_asked(server)
            assert any(process.name().startswith("codex") for process in tagged(call_id))
            loop.kill()
            assert any(process.name().startswith("codex") for process in tagged(call_id)), "it goes on by itself"
            if ended == "keeper":
                started = json.loads((loop.paths.call(call_id) / "started.json").read_text(encoding="utf-8"))
                psutil.Process(started["keeper_pid"]).kill()
            eventually(lambda: not tagged(call_id), 30 if ended == "daemon" else 10)
        assert server.asked == 1


def wait_until_asked(server: ResponsesServer) -> None:
    eventually(lambda: server.asked, 30)


def test_while_codex_is_out_the_planner_feeds_the_slot(tmp_path: Path, clean_environ: Environ) -> None:
    script = [
        status(401, "token expired"),
        status(401, "token expired"),  # the client asks twice
        answer(decision("good 0.5")),
    ]
    with ResponsesServer(script) as server:
        workspace = codex_workspace(tmp_path / "work space", server, codex_longest_rest_seconds=1)
        loop = run_loop(workspace, codex_environment(clean_environ, tmp_path / "home"), "--until", "val_log_loss<=0.5")
    proposers = [row["proposer"] for row in loop.history()]
    assert (proposers[0], proposers[-1]) == ("builtin", "codex")
    (out,) = loop.events("agent_out")
    assert (out["cause"], out["role"], out["tell"]) == ("login", None, "person")
    assert loop.events("agent_back")


@NO_CLIENT
def test_no_client_is_said_and_the_planner_goes_on(tmp_path: Path, clean_environ: Environ) -> None:
    with ResponsesServer([answer(decision())]) as server:
        workspace = codex_workspace(tmp_path / "work space", server)
        path = str(Path(sys.executable).parent)
        environ = {**clean_environ, "PATH": path}
        loop = run_loop(workspace, environ, "--cycles", "1")
        assert server.asked == 0
    (out,) = loop.events("agent_out")
    assert out["cause"] == "binary_missing"
    assert [row["proposer"] for row in loop.history()] == ["builtin"]


@pytest.mark.codex
def test_a_spent_budget_rests_codex(tmp_path: Path, clean_environ: Environ) -> None:
    with ResponsesServer([answer(decision("good 0.5"))]) as server:
        workspace = codex_workspace(tmp_path / "work space", server, max_calls_per_night=1)
        loop = run_loop(workspace, codex_environment(clean_environ, tmp_path / "home"), "--cycles", "2")
        assert server.asked == 1
    assert [row["proposer"] for row in loop.history()] == ["codex", "builtin"]
    assert status_of(workspace, clean_environ)["agents"]["budget"]["key"] == "max_calls_per_night"


@pytest.mark.codex
@pytest.mark.skipif(os.name == "nt", reason="a POSIX shell; test_sandbox_trial.py tries those of Windows")
def test_the_worker_reaches_neither_the_loop_nor_the_secrets(tmp_path: Path, clean_environ: Environ) -> None:
    workspace_root = tmp_path / "work space"
    attack = (
        f"env > env.txt; echo x >> '{workspace_root}/.llm_loop/state.json'; "
        f"echo x > '{workspace_root}/repo/harm.py'; echo x >> '{workspace_root}/.llm_loop/codex_home/config.toml'; "
        "cat env.txt"
    )
    with ResponsesServer([shell(attack), answer(decision("good 0.5"))]) as server:
        workspace = codex_workspace(workspace_root, server)
        secrets = {"OPENAI_API_KEY": "sk-topsecret-1", "MY_TOKEN": "topsecret-2", "CODEX_API_KEY": "sk-topsecret-3"}
        environ = codex_environment(clean_environ, tmp_path / "home") | secrets
        config = (workspace / ".llm_loop" / "codex_home" / "config.toml").read_text(encoding="utf-8")
        loop = run_loop(workspace, environ, "--cycles", "1")
        assert server.asked >= 2
    assert (workspace / ".llm_loop" / "codex_home" / "config.toml").read_text(encoding="utf-8") == config
    assert not (workspace / "repo" / "harm.py").exists()
    json.loads((workspace / ".llm_loop" / "state.json").read_text(encoding="utf-8"))
    assert loop.history()
    for file in (workspace / ".llm_loop").rglob("*"):
        if file.is_file() and not file.is_symlink():
            assert b"topsecret" not in file.read_bytes(), file


def status_of(workspace: Path, environ: Environ) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(ask(workspace, environ, "status", "--json").stdout)
    return value


def ask(workspace: Path, environ: Environ, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-X", "utf8", "-m", "llm_loop", "--workspace", str(workspace), *words]
    return subprocess.run(argv, env=environ, capture_output=True, text=True, encoding="utf-8", timeout=60, check=True)
