"""``llm-loop login``: log Codex in, into the loop's own Codex home, and fetch the Codex CLI where there is none."""

from __future__ import annotations

import argparse
import getpass
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from llm_loop.agents.codex_binary import PYPI_PACKAGE, CodexBinary, find_codex
from llm_loop.agents.codex_login import (
    LoginStatus,
    device_login,
    install_command,
    is_logged_in,
    login_status,
    notice_installation,
    save_api_key,
)
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.errors import CommandError
from llm_loop.system.files import json_text
from llm_loop.views.wording import typed

_PATIENCE_S = 1800
_LONGEST_KEY = 10_000


def add_to(subparsers: Any) -> None:
    """Add the verb's parser."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "login",
        help="Log Codex in, into .llm_loop/codex_home, apart from your own Codex login.",
        description="Log Codex in, into .llm_loop/codex_home, apart from your own login: by device authorisation "
        "(a code that you type in a browser, on any machine; 30 minutes' time), or with an API key. Where no Codex CLI "
        f"is found, it offers to install the PyPI package {PYPI_PACKAGE} (about 150 MB) into the loop's environment.",
        epilog="Exit codes: 0 logged in; 1 not logged in, or the login failed.",
    )
    way = parser.add_mutually_exclusive_group()
    way.add_argument(
        "--api-key-stdin",
        action="store_true",
        help="Read an API key from standard input instead (asked without echo on a terminal).",
    )
    way.add_argument("--status", action="store_true", help="Only say whether there is a login; nobody is called.")
    parser.add_argument("--json", action="store_true", help="With --status: print one JSON object (default: text).")
    parser.add_argument(
        "--install-cli",
        action="store_true",
        help="Install the Codex CLI into the loop's environment, or bring it up to date there, without asking.",
    )
    parser.set_defaults(act=run)


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for; return 0 when there is a login. Raises CommandError."""
    paths = WorkspacePaths(arguments.workspace)
    if arguments.json and not arguments.status:
        raise CommandError("--json goes with --status")
    if arguments.install_cli:
        _install()
        if is_logged_in(paths.codex_home) and not (arguments.status or arguments.api_key_stdin):
            print(f"The Codex CLI is installed. There is a login already; for another one: {typed('login')}")
            return 0
    if arguments.status:
        return _show_status(paths, as_json=arguments.json)
    codex = _find(paths) or _offer_to_install(paths, may_ask=not arguments.api_key_stdin)
    if arguments.api_key_stdin:
        save_api_key(codex.path, paths.codex_home, _read_key())
    else:
        _log_in_by_device(codex.path, paths.codex_home)
    print("Logged in.")
    return 0


def _show_status(paths: WorkspacePaths, *, as_json: bool) -> int:
    codex = _find(paths)
    home = paths.codex_home
    status = LoginStatus(logged_in=is_logged_in(home)) if codex is None else login_status(codex.path, home)
    if as_json:
        program = None if codex is None else {"path": str(codex.path), "origin": codex.origin}
        said = {"logged_in": status.logged_in, "how": status.how, "codex_home": str(home), "codex": program}
        print(json_text({"schema_version": 1, **said}, indent=2))
    else:
        found = "none found" if codex is None else f"{codex.path} ({codex.origin})"
        how = {"api_key": "with an API key", "chatgpt": "with a ChatGPT account"}.get(status.how or "", "")
        print(f"Logged in {how}".strip() + "." if status.logged_in else f"Not logged in: {typed('login')}")
        print(f"Codex CLI: {found}")
    return 0 if status.logged_in else 1


def _log_in_by_device(binary: Path, home: Path) -> None:
    """Run the Codex CLI's own login in this terminal; at most 30 minutes."""
    argv, environment = device_login(binary, home)
    try:
        code = subprocess.run(argv, env=environment, timeout=_PATIENCE_S, check=False).returncode
    except subprocess.TimeoutExpired:
        raise CommandError("the login was not finished within 30 minutes; try again") from None
    except OSError as error:
        raise CommandError(f"cannot start {binary}: {error.strerror or error}") from error
    if code != 0 or not is_logged_in(home):
        raise CommandError(f"the login was not finished (codex ended with {code}); nothing was kept")


def _read_key() -> str:
    if sys.stdin.isatty():
        key = getpass.getpass("API key (not shown): ").strip()
    else:
        key = sys.stdin.read(_LONGEST_KEY + 1).strip().removeprefix("\ufeff")
    if not key or len(key.split()) != 1 or len(key) > _LONGEST_KEY:
        raise CommandError("standard input holds no API key: one word in one line is expected")
    return key


# ---------------------------------------------------------------- the Codex CLI


def _find(paths: WorkspacePaths) -> CodexBinary | None:
    try:
        return find_codex(os.environ, exclude=(paths.loop,))
    except CommandError:
        return None


def _offer_to_install(paths: WorkspacePaths, *, may_ask: bool) -> CodexBinary:
    """Ask whether the Codex CLI shall be installed, and install it. Raises CommandError when nobody says yes."""
    if not may_ask or not sys.stdin.isatty():
        raise CommandError(
            f"no Codex CLI found: `{typed('login --install-cli')}` installs it from PyPI into the loop's environment; "
            "or install it yourself (npm install -g @openai/codex)"
        )
    print("No Codex CLI was found.", file=sys.stderr)
    question = f"Install the PyPI package {PYPI_PACKAGE} (about 150 MB) into {sys.prefix}? [Y/n] "
    if input(question).strip().lower() not in ("", "y", "yes"):
        raise CommandError("nothing was installed; the built-in planner decides until there is a Codex CLI")
    _install()
    if (codex := _find(paths)) is None:
        raise CommandError(f"{PYPI_PACKAGE} was installed, but carries no Codex program for this machine")
    return codex


def _install() -> None:
    """Let pip install the Codex CLI; its words go to standard error. Raises CommandError."""
    try:
        done = subprocess.run(
            install_command(), stdin=subprocess.DEVNULL, stdout=sys.stderr, timeout=_PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise CommandError("the installation did not end within 30 minutes; try again") from None
    if done.returncode != 0:
        raise CommandError(
            f"pip could not install {PYPI_PACKAGE} into {sys.prefix} (it says why above); "
            "or install the Codex CLI yourself (npm install -g @openai/codex)"
        )
    notice_installation()
