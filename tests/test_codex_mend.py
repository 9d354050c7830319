"""A run that no rule mends: Codex is asked once, its mend goes through the gate; else a person is called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.codex_workspace import codex_environment, codex_workspace, decision
from tests.fakes.responses_server import ResponsesServer, answer
from tests.test_codex_pair import a_repository, as_it_is, run_loop
from tests.windows.marks import not_under_wine

pytestmark = [pytest.mark.codex, not_under_wine("it makes no junctions, and a run in a checkout needs them")]
BROKEN = "VALUE = not_defined_anywhere\n"
COMMAND = {"command": "python train.py", "idea_category": "loss"}
MEND = [{"path": "tiny/score.py", "new_text": None, "old": "not_defined_anywhere", "new": "0.3"}]
WRONG_MEND = [{"path": "tiny/score.py", "new_text": None, "old": "not_defined_anywhere", "new": "nor_is_this"}]
WHY = "Root cause: a name that nobody defines. Severity: medium. Fix: the value itself."
WAIT = {"action": "wait", "rationale": "Root cause: unknown. Nothing that I may change mends it.", "command": ""}


def a_night(folder: Path, environ: dict[str, str], *answers: dict[str, Any]) -> tuple[Any, list[dict[str, Any]]]:
    """Let a broken program run, with these answers of the model behind the first one."""
    script = [answer(decision(run_label="broken", **COMMAND)), *map(answer, answers)]
    with ResponsesServer(script) as server:
        workspace = codex_workspace(folder / "work space", server, plan_ahead=False)
        a_repository(workspace)
        (workspace / "repo" / "tiny" / "score.py").write_text(BROKEN, encoding="utf-8")
        before = as_it_is(workspace / "repo")
        loop = run_loop(workspace, codex_environment(environ, folder / "home"), "--cycles", "2")
        assert as_it_is(workspace / "repo") == before
        return loop, server.bodies


def test_codex_mends_what_no_rule_mends(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    mend = decision(run_label="broken-mended", rationale=WHY, edits=MEND, **COMMAND)
    loop, asked = a_night(tmp_path, clean_environ, mend)
    broken, mended = loop.history()
    assert (broken["state"], broken["failure"]["is_of_idea"]) == ("failed", False)
    assert (mended["state"], mended["result"]["value"]) == ("completed", 0.3)
    staged = loop.events("run_staged")[1]["run"]
    assert staged["repair_of"] == broken["run_id"]
    assert "R0002 is an agent's mend" in loop.events("run_ended")[0]["detail"]
    prompt = json.dumps(asked[1])
    assert "mends one failed run, R0001" in prompt and "not_defined_anywhere" in prompt
    assert not loop.events("needs_human")


def test_a_person_is_called_where_codex_has_no_mend(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    loop, _ = a_night(tmp_path, clean_environ, decision(**WAIT))
    (broken,) = loop.history()
    (call,) = loop.events("needs_human")
    assert broken["state"] == "needs_human"
    assert call["run_id"] == "R0001" and "an agent was asked to mend it" in call["attempted"]
    assert "NameError" in call["failure"] and call["what_to_do"]


def test_a_mend_that_fails_is_not_mended_again(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    mend = decision(run_label="broken-mended", rationale=WHY, edits=WRONG_MEND, **COMMAND)
    loop, _ = a_night(tmp_path, clean_environ, mend)
    assert [row["state"] for row in loop.history()] == ["failed", "needs_human"]
    (call,) = loop.events("needs_human")
    assert call["run_id"] == "R0002" and "an agent's mend of R0001" in call["attempted"]
