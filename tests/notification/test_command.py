"""Telling by a program: what it gets, that no shell reads any of it, and that whatever it does ends."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from llm_loop.notification.command import tell_command
from llm_loop.notification.message import Message
from llm_loop.system.clock import SystemClock
from tests.conftest import FAKES, command_line

HOSTILE = "$(touch pwned) `touch pwned` ; touch pwned & touch pwned | %PATH% \"' größer"


def message(workspace: Path, text: str = "why") -> Message:
    return Message(id="H7", title=text, body=f"{text}\n{text}", workspace=str(workspace), reason={"why": text})


def tell(folder: Path, mode: str | None = None, seconds: float = 20.0, text: str = "why") -> str | None:
    if mode is not None:
        (folder / "mode").write_text(mode, encoding="utf-8")
    command = command_line(FAKES / "fake_notifier.py", folder.as_posix())
    return tell_command(command, message(folder, text), folder, SystemClock().monotonic() + seconds)


def heard(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "heard.jsonl").read_text(encoding="utf-8").splitlines()]


def test_the_program_gets_the_message_on_standard_input_and_in_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_LOOP_NOTIFY_URLS", '["json://secret"]')
    assert tell(tmp_path, text=HOSTILE) is None
    (one,) = heard(tmp_path)
    assert one["stdin"] == message(tmp_path, HOSTILE).to_json()
    assert (one["env"]["LLM_LOOP_NOTIFY_TITLE"], one["env"]["LLM_LOOP_NOTIFY_ID"]) == (HOSTILE, "H7")
    assert one["env"]["LLM_LOOP_NOTIFY_BODY"] == f"{HOSTILE}\n{HOSTILE}"
    assert "LLM_LOOP_NOTIFY_URLS" not in one["env"] and one["argv"] == [tmp_path.as_posix()]
    assert Path(one["cwd"]) == tmp_path and not (tmp_path / "pwned").exists()


def test_words_of_a_shell_in_the_command_are_words_for_the_program(tmp_path: Path) -> None:
    command = command_line(FAKES / "fake_notifier.py", tmp_path.as_posix()) + " && touch pwned > out"
    assert tell_command(command, message(tmp_path), tmp_path, SystemClock().monotonic() + 20) is None
    assert heard(tmp_path)[0]["argv"][1:] == ["&&", "touch", "pwned", ">", "out"]
    assert not (tmp_path / "pwned").exists() and not (tmp_path / "out").exists()


def test_a_program_that_crashes_is_named_by_its_exit_code_and_not_by_its_words(tmp_path: Path) -> None:
    assert tell(tmp_path, "crash") == "it ended with exit code 3"


def test_a_program_that_stalls_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    assert tell(tmp_path, "stall", seconds=5) == "it took too long and was ended"
    assert len(heard(tmp_path)) == 1  # and `no_process_is_left` looks for its child


def test_a_program_that_prints_without_end_is_ended(tmp_path: Path) -> None:
    assert tell(tmp_path, "loud") == "it printed without end and was ended"


@pytest.mark.parametrize(("command", "why"), [("no-such-program-here x", "not found"), ('"open', "quot"), ("''", "''")])
def test_a_command_that_cannot_be_started_is_a_reason_and_no_crash(tmp_path: Path, command: str, why: str) -> None:
    said = tell_command(command, message(tmp_path), tmp_path, SystemClock().monotonic() + 5)
    assert said is not None and why in said


@pytest.mark.skipif(os.name != "nt", reason="batch files are of Windows")
def test_a_batch_file_is_refused_for_it_would_read_variables_as_commands(tmp_path: Path) -> None:
    (tmp_path / "tell.bat").write_text("echo hello\n", encoding="utf-8")
    said = tell_command(".\\tell.bat", message(tmp_path), tmp_path, SystemClock().monotonic() + 5)
    assert said is not None and "batch file" in said
