"""Whether the loop's own Codex home holds a login, and the command that makes one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from llm_loop.errors import CommandError


def is_logged_in(codex_home: Path) -> bool:
    """Tell whether a login was saved; its validity is only known to a call."""
    return (codex_home / "auth.json").is_file()


def login_command(codex_home: Path) -> tuple[list[str], dict[str, str]]:
    """Return argv and environment of a device login into the loop's own Codex home.

    Raises CommandError when no Codex CLI is on PATH.
    """
    program = shutil.which("codex")
    if program is None:
        raise CommandError("no `codex` on PATH: install the Codex CLI (npm install -g @openai/codex), then try again")
    codex_home.mkdir(parents=True, exist_ok=True)
    return [program, "login", "--device-auth"], {**os.environ, "CODEX_HOME": str(codex_home)}
