"""The checks of the Codex client, its login and its sandbox."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_loop.agents.codex_binary import CodexBinary
from llm_loop.agents.codex_login import LoginStatus
from llm_loop.agents.sandbox_choice import Act, Pin, SandboxChoice
from llm_loop.checks import codex as checks
from llm_loop.checks.check import State
from llm_loop.config import Config, load_config
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.system.short_run import Ended
from tests.codex_client import codex_binary

WORKS = dict.fromkeys(map(str, Act), True)


@pytest.fixture
def place(workspace: Callable[..., Path]) -> tuple[WorkspacePaths, Config]:
    root = workspace(worker_command=None)
    return WorkspacePaths(root), load_config(root / "config" / "daemon_config.json", root, {})


def choice(mode: str = "workspace-write", **more: Any) -> SandboxChoice:
    return SandboxChoice(**{"mode": mode, "works": WORKS, "confines": True, "reason": "so"} | more)


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (choice(), State.OK),
        (choice(works=WORKS | {"run_command": False}, mend="x"), State.PROBLEM),
        (choice(confines=False), State.PROBLEM),
        (choice("read-only", works=WORKS | {"create_file": False}, mend="x"), State.PROBLEM),
        (choice("danger-full-access", works={}, confines=False), State.NOTICE),
    ],
)
def test_what_a_choice_means(found: SandboxChoice, state: State) -> None:
    check = checks.sandbox_check(found, Pin())
    assert check.state is state and (check.mend is None) == (state is State.OK)


def test_read_only_by_configuration_is_fine() -> None:
    reading = choice("read-only", works=WORKS | {"create_file": False, "update_file": False})
    assert checks.sandbox_check(reading, Pin(mode="read-only")).state is State.OK


def test_codex_is_asked_or_not(place: tuple[WorkspacePaths, Config]) -> None:
    _, config = place
    change = dataclasses.replace
    assert checks.is_asked(config)
    assert not checks.is_asked(change(config, codex_enabled=False))
    assert not checks.is_asked(change(config, worker_command="x", mentor_enabled=False))
    assert checks.is_asked(change(config, worker_command="x", mentor_enabled=True))
    assert not checks.is_asked(change(config, worker_command="x", mentor_enabled=True, mentor_command="y"))


def test_no_client_is_a_problem_with_a_mend(place: tuple[WorkspacePaths, Config], tmp_path: Path) -> None:
    paths, config = place
    codex, check = checks.check_client(config, paths, {"PATH": str(tmp_path)})
    if codex is None:  # else this environment carries one
        assert check.state is State.PROBLEM and "--install-cli" in (check.mend or "")


@pytest.mark.parametrize(
    ("said", "word", "usable"),
    [
        ("codex-cli 0.98.1", "older than", False),
        ("codex-cli 0.163.0", "0.163.0", True),
        ("codex-cli 1.0.0-alpha.2", "1.0.0", True),
        ("nonsense", "does not say", False),
    ],
)
def test_the_version_is_looked_at(
    said: str, word: str, usable: bool, place: tuple[WorkspacePaths, Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, config = place
    client = CodexBinary(path=Path("codex"), origin="path")
    monkeypatch.setattr(checks, "find_codex", lambda environ, exclude: client)
    monkeypatch.setattr(checks, "run_short", lambda argv, **more: Ended(exit_code=0, stdout=f"{said}\n"))
    codex, check = checks.check_client(config, paths, {})
    assert word in check.what and (codex is not None) == usable == (check.state is State.OK) == (check.mend is None)


@pytest.mark.codex
def test_the_real_client_is_found_and_says_its_version(place: tuple[WorkspacePaths, Config]) -> None:
    paths, config = place
    codex, check = checks.check_client(config, paths, {"PATH": str(codex_binary().parent)})
    assert codex is not None and check.state is State.OK and "0.169.0" in check.what


def test_a_login_or_none(place: tuple[WorkspacePaths, Config]) -> None:
    paths, _ = place
    assert checks.login_check(LoginStatus(logged_in=True, how="api_key"), paths, {}).state is State.OK
    out = LoginStatus(logged_in=False)
    assert (checks.login_check(out, paths, {}).mend or "").startswith("`llm-loop login`; to go without Codex")
    paths.codex_home.mkdir(parents=True)
    text = 'model_provider = "a"\n[model_providers.a]\nbase_url = "http://a"\n'
    (paths.codex_home / "config.toml").write_text(text, encoding="utf-8")
    assert checks.login_check(out, paths, {}).state is State.OK
