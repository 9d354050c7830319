"""Tell by a program: the message as JSON on its standard input and in three variables, never in a command line."""

from __future__ import annotations

import os
from pathlib import Path

from llm_loop.errors import CommandError
from llm_loop.notification.message import Message
from llm_loop.system import files
from llm_loop.system.argv import argv_of
from llm_loop.system.held_child import ChildEnd, ChildLimits, hold

ID, TITLE, BODY = "LLM_LOOP_NOTIFY_ID", "LLM_LOOP_NOTIFY_TITLE", "LLM_LOOP_NOTIFY_BODY"
_SETTINGS = ("LLM_LOOP_NOTIFY_COMMAND", "LLM_LOOP_NOTIFY_URLS")
_MOST_OUTPUT_BYTES = 1_000_000
_ENDED = {
    ChildEnd.DEADLINE: "it took too long and was ended",
    ChildEnd.STOPPED: "the loop ended meanwhile",
    ChildEnd.TOO_LOUD: "it printed without end and was ended",
}


def tell_command(command: str, message: Message, folder: Path, until_s: float) -> str | None:
    """Start the program and wait for its end; return None when it ended with 0, else why it has not been told.

    It runs in the workspace; nothing of its tree is left at ``until_s`` (seconds awake). ``folder`` is the job's own.
    What it prints is read by nobody: it may hold its logins. Raises FileWriteError.
    """
    given = folder / "message.json"
    files.replace_json(given, message.to_json(), durable=False)
    workspace = Path(message.workspace)
    try:
        ending = hold(
            argv_of(command, workspace),
            env=_environment(message),
            cwd=workspace,
            stdin=given,
            stdout=folder / "said.txt",
            stderr=folder / "complaints.txt",
            limits=ChildLimits(until_s=until_s, stop_file=folder / "STOP", max_output_bytes=_MOST_OUTPUT_BYTES),
        )
    except CommandError as error:
        return str(error)
    if ending.end is not ChildEnd.EXITED:
        return _ENDED[ending.end]
    return None if ending.exit_code == 0 else f"it ended with exit code {ending.exit_code}"


def _environment(message: Message) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name.upper() not in _SETTINGS}
    return {**kept, ID: message.id, TITLE: message.title, BODY: message.body}
