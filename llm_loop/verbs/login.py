"""``llm-loop login``: log Codex in, into the loop's own Codex home."""

from __future__ import annotations

import argparse
import subprocess
from typing import Any

from llm_loop.agents.codex_login import is_logged_in, login_command
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.errors import CommandError

_PATIENCE_S = 1800


def add_to(subparsers: Any) -> None:
    """Add the verb's parser."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "login",
        help="Log Codex in, into .llm_loop/codex_home, apart from your own Codex login.",
        description="Log Codex in by device authorisation, into .llm_loop/codex_home, apart from your own login. "
        "This version of the loop keeps the login for later: the built-in planner decides.",
    )
    parser.set_defaults(act=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the Codex CLI's own login in this terminal; at most 30 minutes."""
    home = WorkspacePaths(arguments.workspace).codex_home
    argv, environment = login_command(home)
    try:
        code = subprocess.run(argv, env=environment, timeout=_PATIENCE_S, check=False).returncode
    except subprocess.TimeoutExpired:
        raise CommandError("the login was not finished within 30 minutes; try again") from None
    if code != 0 or not is_logged_in(home):
        raise CommandError(f"the login was not finished (codex ended with {code}); nothing was kept")
    print("Logged in.")
    return 0
