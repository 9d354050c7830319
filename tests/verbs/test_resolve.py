"""``llm-loop resolve``: a person says that it is done, with a loop and without one; and is told once a cause."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.cycle.calls_for_people import call_a_person
from tests.conftest import FAKES, command_line, eventually
from tests.loop_process import LoopProcess, script, set_config
from tests.views.workspace_builder import WorkspaceBuilder

Environ = dict[str, str]


def verb(root: Path, environ: Environ, *words: str) -> tuple[int, str, str]:
    argv = [sys.executable, "-X", "utf8", "-m", "llm_loop", "--workspace", str(root), *words]
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, encoding="utf-8", timeout=60)
    return done.returncode, done.stdout, done.stderr


def status(root: Path, environ: Environ) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(verb(root, environ, "status", "--json")[1])
    return value


def called(root: Path) -> WorkspaceBuilder:
    """Return a workspace whose loop has called a person twice, and ended."""
    builder = WorkspaceBuilder(root)
    to_do = "llm-loop approve, or reject"
    call_a_person(builder.ledger, phase="disk", cause="short", why="only 3 MB are free", what_to_do="free some")
    call_a_person(
        builder.ledger,
        phase="validation",
        cause="missing_module",
        why="retries exceeded",
        what_to_do=to_do,
        run_id="R0007",
    )
    builder.save()
    return builder


def test_without_a_loop_the_verb_does_it_itself(weird_path: Path, clean_environ: Environ) -> None:
    paths = called(weird_path).paths
    code, out, err = verb(weird_path, clean_environ, "resolve", "h1", "--note", "größer drive")
    assert (code, out, err) == (0, "Resolved: H1; no loop is running here.\n", "")
    events = [json.loads(line) for line in paths.events.read_text(encoding="utf-8").splitlines()]
    (closed,) = [event for event in events if event["event"] == "human_no_longer_needed"]
    assert (closed["id"], closed["by"], closed["note"]) == ("H1", "person", "größer drive")
    found = status(weird_path, clean_environ)
    assert [one["id"] for one in found["human_intervention_reasons"]] == ["H2"] and found["needs_human"]
    code, out, _ = verb(weird_path, clean_environ, "resolve", "all", "--json")
    assert (code, json.loads(out)) == (0, {"schema_version": 1, "resolved": ["H2"], "loop_runs": False})
    assert not status(weird_path, clean_environ)["needs_human"]
    assert not list(paths.inbox.iterdir())


def test_an_id_that_is_not_open_names_those_that_are(tmp_path: Path, clean_environ: Environ) -> None:
    called(tmp_path)
    code, out, err = verb(tmp_path, clean_environ, "resolve", "H99")
    assert (code, out) == (1, "")
    assert err.splitlines() == [
        "llm-loop: no reason 'H99' is open here; open are",
        "  H1 disk: only 3 MB are free",
        "  H2 validation: retries exceeded",
    ]
    assert verb(tmp_path, clean_environ, "resolve", "all")[0] == 0
    code, _, err = verb(tmp_path, clean_environ, "resolve", "all")
    assert (code, err) == (1, "llm-loop: nothing is open: nobody is needed\n")
    assert verb(tmp_path, clean_environ, "resolve", "H1", "--note", "x" * 501)[0] == 2


def test_the_status_holds_all_of_it_and_what_to_type(tmp_path: Path, clean_environ: Environ) -> None:
    builder = called(tmp_path)
    call_a_person(
        builder.ledger,
        phase="execution",
        cause="data",
        why="an image cannot be read",
        attempted="resumed twice",
        failure="OSError: broken data stream",
        what_to_do="mend the image",
        log="/w/logs/R0008.stderr.log",
        run_id="R0008",
    )
    builder.save()
    out = verb(tmp_path, clean_environ, "status")[1]
    for text in (
        "(H3, execution, R0008): an image cannot be read",
        "tried: resumed twice",
        "failure: OSError: broken data stream",
        "to do: mend the image",
        "log: /w/logs/R0008.stderr.log",
        "llm-loop resolve H3",
    ):
        assert text in out


def test_a_loop_tells_once_also_after_a_kill_and_anew_when_the_cause_comes_back(
    workspace: Callable[..., Path], clean_environ: Environ, tmp_path: Path
) -> None:
    person = tmp_path / "person"
    person.mkdir()
    command = command_line(FAKES / "fake_notifier.py", person.as_posix())
    root = workspace(min_free_disk_mb=10**9, notify_command=command)
    script(root, {"train": "good 0.5"})

    def heard() -> list[str]:
        path = person / "heard.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [json.loads(line)["stdin"]["id"] for line in lines]

    with LoopProcess(root, clean_environ, "--cycles", "1") as loop:
        first = loop.wait_for("needs_human")["id"]
        assert loop.wait_for("person_notified")["ok"]
        loop.kill()
        loop.start()
        loop.wait_for("daemon_started", 2)
        code, out, err = verb(root, clean_environ, "resolve", first.lower(), "--note", "freed some, or so")
        assert (code, out, err) == (0, f"Resolved: {first}.\n", "")
        second = loop.wait_for("needs_human", 2)["id"]  # the disk is as short as before
        assert loop.wait_for("person_notified", 2)["id"] == second
        assert heard() == [first, second]
        eventually(
            lambda: [one["notified"] for one in status(root, clean_environ)["human_intervention_reasons"]] == [True]
        )
        assert command not in loop.paths.events.read_text(encoding="utf-8")
        set_config(root, min_free_disk_mb=0)
        assert loop.finish()[0] == 0
    assert [event["by"] for event in loop.events("human_no_longer_needed")] == ["person", "loop"]
    assert len(loop.events("person_notified")) == 2 and WorkspacePaths(root).events.exists()


@pytest.mark.parametrize("words", [("resolve",), ("resolve", "H1", "H2"), ("resolve", "H1", "--timeout", "x")])
def test_wrong_usage_changes_nothing(tmp_path: Path, clean_environ: Environ, words: tuple[str, ...]) -> None:
    assert verb(tmp_path, clean_environ, *words)[0] == 2 and not list(tmp_path.iterdir())
