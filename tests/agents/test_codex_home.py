"""The loop's own CODEX_HOME, and whether Codex can be called with it."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from llm_loop.agents.codex_home import ensure_home, is_ready, key_names

PROVIDER = 'model_provider = "mine"\n[model_providers.mine]\nbase_url = "http://127.0.0.1:1/v1"\n'


def home_with(folder: Path, config: str | None) -> Path:
    if config is not None:
        (folder / "config.toml").write_text(config, encoding="utf-8")
    return folder


def test_a_home_is_made_for_its_user_alone(tmp_path: Path) -> None:
    home = tmp_path / "loop" / "codex_home"
    ensure_home(home)
    if os.name != "nt":
        assert home.stat().st_mode & 0o777 == 0o700
    assert tomllib.loads((home / "config.toml").read_text(encoding="utf-8")) == {}


@pytest.mark.skipif(os.name == "nt", reason="modes")
def test_a_home_open_to_others_is_closed(tmp_path: Path) -> None:
    home = tmp_path / "codex_home"
    home.mkdir(mode=0o755)
    ensure_home(home)
    assert home.stat().st_mode & 0o777 == 0o700


def test_a_persons_config_is_left_alone(tmp_path: Path) -> None:
    ensure_home(home_with(tmp_path, 'model = "theirs"\n'))
    assert (tmp_path / "config.toml").read_text(encoding="utf-8") == 'model = "theirs"\n'


@pytest.mark.parametrize(
    ("config", "environ", "ready"),
    [
        (None, {}, False),
        ("", {}, False),
        ("# nothing", {"CODEX_API_KEY": "k"}, True),
        ("# nothing", {"OPENAI_API_KEY": "k"}, False),
        (PROVIDER, {}, True),
        (PROVIDER + "requires_openai_auth = false\n", {}, True),
        (PROVIDER + "requires_openai_auth = true\n", {}, False),
        (PROVIDER + 'env_key = "MINE"\n', {}, False),
        (PROVIDER + 'env_key = "MINE"\n', {"MINE": "k"}, True),
        ('model_provider = "other"\n' + PROVIDER.partition("\n")[2], {}, False),
        ("model_provider = [broken", {}, False),
        ("model_provider = 3\nmodel_providers = 4\n", {}, False),
    ],
)
def test_ready_is_who_can_authenticate(
    tmp_path: Path, config: str | None, environ: dict[str, str], ready: bool
) -> None:
    assert is_ready(home_with(tmp_path, config), environ) is ready


def test_a_saved_login_is_ready(tmp_path: Path) -> None:
    (tmp_path / "auth.json").write_text("{}", encoding="utf-8")
    assert is_ready(tmp_path, {})


def test_the_keys_that_codex_itself_needs_are_named(tmp_path: Path) -> None:
    config = PROVIDER + 'env_key = "MINE"\nenv_http_headers = { "X-Team" = "TEAM_TOKEN" }\n'
    assert key_names(home_with(tmp_path, config)) == ("CODEX_API_KEY", "MINE", "TEAM_TOKEN")
