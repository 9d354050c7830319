"""The login of the loop's own Codex home: whether there is one, how one is made, and where the client comes from.

An API key passes through standard input alone: never through a command line, an environment or a file of ours.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from llm_loop.agents.codex_binary import PYPI_PACKAGE
from llm_loop.agents.codex_home import ensure_home
from llm_loop.errors import CommandError
from llm_loop.system.environment_scrubbing import without_secrets
from llm_loop.system.short_run import run_short

OLDEST = "0.163"
"""The oldest client that this version was tried with."""
_STATUS_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginStatus:
    """Hold what the client says of its login: ``how`` is api_key, chatgpt or other; None when there is none."""

    logged_in: bool
    how: str | None = None


def is_logged_in(codex_home: Path) -> bool:
    """Tell whether a login was saved; its validity is only known to a call."""
    return (codex_home / "auth.json").is_file()


def login_status(binary: Path, codex_home: Path) -> LoginStatus:
    """Ask the client whether it is logged in; it looks into its home and calls nobody. Raises CommandError."""
    if not codex_home.is_dir():
        return LoginStatus(logged_in=False)
    argv = [str(binary), "login", "status"]
    ended = run_short(argv, env=login_environment(os.environ, codex_home), deadline_s=_STATUS_S)
    if ended.exit_code is None:
        raise CommandError(f"`codex login status` did not end within {_STATUS_S:g} s")
    if ended.exit_code != 0:
        return LoginStatus(logged_in=False)
    said = (ended.stdout + ended.stderr).lower()
    return LoginStatus(logged_in=True, how=_how(said))


def device_login(binary: Path, codex_home: Path) -> tuple[list[str], dict[str, str]]:
    """Return argv and environment of a device login into the loop's own Codex home, which is made (mode 700).

    Raises FileWriteError, OSError.
    """
    ensure_home(codex_home)
    return [str(binary), "login", "--device-auth"], login_environment(os.environ, codex_home)


def save_api_key(binary: Path, codex_home: Path, key: str) -> None:
    """Let the client keep an API key in the loop's own Codex home. Raises CommandError, FileWriteError, OSError."""
    ensure_home(codex_home)
    argv = [str(binary), "login", "--with-api-key"]
    environment = login_environment(os.environ, codex_home)
    ended = run_short(argv, env=environment, stdin=f"{key}\n", deadline_s=_STATUS_S)
    if ended.exit_code != 0 or not is_logged_in(codex_home):
        words = (ended.stderr or ended.stdout).replace(key, "***").strip().splitlines()
        raise CommandError(f"codex did not take the API key: {words[-1][:300] if words else 'it gave no reason'}")


def login_environment(base: Mapping[str, str], codex_home: Path) -> dict[str, str]:
    """Return the environment of the client's own ``login``: no secrets, the loop's CODEX_HOME."""
    return {**without_secrets(base), "CODEX_HOME": str(codex_home)}


def install_command() -> list[str]:
    """Return argv that installs the client, or brings it up to date, in the environment of the loop."""
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    return [*pip, "--upgrade", f"{PYPI_PACKAGE}>={OLDEST}"]


def notice_installation() -> None:
    """Let this process find what was installed since it started."""
    importlib.invalidate_caches()


def _how(said: str) -> str:
    if "api key" in said:
        return "api_key"
    return "chatgpt" if "chatgpt" in said else "other"
