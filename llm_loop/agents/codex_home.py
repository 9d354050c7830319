"""The loop's own CODEX_HOME: made on demand, for the user's eyes only, and whether Codex can be called with it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llm_loop.system import files
from llm_loop.system.folders import make_folder

_API_KEY = "CODEX_API_KEY"
_CONFIG = """\
# Codex reads this file when the loop calls it. The loop gives its own settings (model, effort, sandbox, web search)
# with each call, and they win. This file is written once and is yours: name another model provider here, such as
#
# model_provider = "mine"
#
# [model_providers.mine]
# name = "mine"
# base_url = "http://127.0.0.1:8000/v1"
# wire_api = "responses"
# env_key = "MINE_API_KEY"          # the variable that holds the key; or: requires_openai_auth = false
"""


def ensure_home(home: Path) -> None:
    """Make the folder (mode 700) and, when there is none, a config.toml that explains itself.

    Raises FileWriteError, OSError.
    """
    make_folder(home.parent)
    home.mkdir(mode=0o700, exist_ok=True)
    if home.stat().st_mode & 0o077:
        home.chmod(0o700)
    if not (home / "config.toml").exists():
        files.replace_text(home / "config.toml", _CONFIG)


def is_ready(home: Path, environ: Mapping[str, str]) -> bool:
    """Tell whether Codex has something to authenticate with, or needs nothing; only a call knows whether it is valid.

    True with a saved login, with CODEX_API_KEY, or with a model provider in config.toml that asks for no login or
    whose ``env_key`` is set. A config.toml that does not parse counts as an empty one.
    """
    if (home / "auth.json").is_file() or environ.get(_API_KEY):
        return True
    provider = _provider(home)
    if provider is None:
        return False
    if isinstance(key := provider.get("env_key"), str):
        return bool(environ.get(key))
    return not provider.get("requires_openai_auth", False)


def key_names(home: Path) -> tuple[str, ...]:
    """Return the names of the variables that Codex itself authenticates with; its commands never get them."""
    provider = _provider(home) or {}
    headers = provider.get("env_http_headers")
    names = [provider.get("env_key"), *(headers.values() if isinstance(headers, dict) else ())]
    return (_API_KEY, *(name for name in names if isinstance(name, str)))


def _provider(home: Path) -> dict[str, Any] | None:
    """Return the chosen entry of ``model_providers``, None when config.toml names none that is there."""
    try:
        config = tomllib.loads((home / "config.toml").read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):  # a decoding error of either kind is a ValueError
        return None
    providers, name = config.get("model_providers"), config.get("model_provider")
    provider = providers.get(name) if isinstance(providers, dict) and isinstance(name, str) else None
    return provider if isinstance(provider, dict) else None
