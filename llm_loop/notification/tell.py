"""Tell a person by all ways that are left: ``python -X utf8 -m llm_loop.notification.tell FOLDER``.

The child reads ``FOLDER/request.json``, ``{"ways": names, "sources": where their settings stand, "message": ...}``, and
writes ``FOLDER/answer.json``, ``{"told": names, "failed": {name: why}}``. A way that hangs costs the others nothing but
their turn in a later try. Exit code 0; 1, and a line on stderr, where the settings cannot be read.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llm_loop.errors import ContractError
from llm_loop.notification.address import LATE, tell_address
from llm_loop.notification.command import tell_command
from llm_loop.notification.message import Message
from llm_loop.notification.ways import is_url, read_settings
from llm_loop.system.clock import SystemClock
from llm_loop.system.job_child import answer_job

MODULE = "llm_loop.notification.tell"
DEADLINE_S = 60.0
"""The job's; what follows ends before it, so that there is an answer whatever hangs."""
_COMMAND_S, _ADDRESS_S, _ALL_S = 25.0, 20.0, 50.0
_GONE = "it is not set any more"


def main(arguments: Sequence[str]) -> int:
    """Answer one request; return the exit code."""
    return answer_job(arguments, module=MODULE, what="notification", answer=_answer)


def _answer(request: Any, folder: Path) -> dict[str, Any]:
    try:
        ways, message = [str(way) for way in request["ways"]], Message.from_json(request["message"])
        settings = read_settings(request["sources"])
    except (KeyError, TypeError, ValueError) as error:
        raise ContractError("the request", [f"{type(error).__name__}: {error}"]) from error
    until_s = SystemClock().monotonic() + _ALL_S
    failed = {way: why for way in ways if (why := _tell(way, settings.get(way), message, folder, until_s)) is not None}
    return {"told": [way for way in ways if way not in failed], "failed": failed}


def _tell(way: str, setting: str | None, message: Message, folder: Path, until_s: float) -> str | None:
    """Tell by one way; return None, or why that came to nothing."""
    now_s = SystemClock().monotonic()
    if setting is None:
        return _GONE
    if now_s >= until_s:
        return LATE
    if is_url(way):
        return tell_address(setting, message, min(until_s, now_s + _ADDRESS_S))
    return tell_command(setting, message, folder, min(until_s, now_s + _COMMAND_S))


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)  # threads of a service that hangs are not waited for
