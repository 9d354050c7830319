"""What a doctor says of the ways by which a person is told: never a word of an address or a command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from llm_loop.checks import notification
from llm_loop.checks.check import State
from llm_loop.config import Config, load_config
from tests.conftest import FAKES, command_line


@pytest.fixture
def config(workspace: Callable[..., Path]) -> Callable[..., Config]:
    def make(**settings: object) -> Config:
        root = workspace(**settings)
        return load_config(root / "config" / "daemon_config.json", root, {})

    return make


def test_where_nothing_is_set_nothing_is_said(config: Callable[..., Config]) -> None:
    assert list(notification.check_notification(config())) == []


@pytest.mark.parametrize("is_there", [True, False])
def test_a_missing_library_is_a_problem_with_its_mend(
    config: Callable[..., Config], monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    monkeypatch.setattr(notification, "library_is_there", lambda: is_there)
    program = command_line(FAKES / "fake_notifier.py", "hunter2")
    by_program, by_url = notification.check_notification(config(notify_command=program, notify_urls=["json://hunter2"]))
    assert by_program.state is State.OK
    assert (by_url.state, by_url.mend) == (
        (State.OK, None) if is_there else (State.PROBLEM, "pip install 'llm_loop[notify]'")
    )
    assert "hunter2" not in by_program.what + by_url.what and "1 address" in by_url.what


def test_a_program_that_is_not_there_is_a_problem(config: Callable[..., Config]) -> None:
    (said,) = notification.check_notification(config(notify_command="no-such-program-here --key hunter2"))
    assert said.state is State.PROBLEM and "no-such-program-here" in said.what and "hunter2" not in said.what
