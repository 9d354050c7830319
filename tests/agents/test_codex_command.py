"""The command line and the environment of a call."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from llm_loop.agents.codex_command import exec_arguments, exec_environment
from llm_loop.agents.codex_request import CodexSettings


def settings(**changes: Any) -> CodexSettings:
    values = {
        "binary": Path("/opt/codex"),
        "home": Path("/home of the loop"),
        "model": None,
        "reasoning_effort": "high",
        "web_search_mode": "live",
        "network_access": False,
        "skip_git_repo_check": True,
        "sandbox_mode": "workspace-write",
    }
    return CodexSettings(**(values | changes))


def arguments(**changes: Any) -> list[str]:
    tools = changes.pop("tools", None)
    here = Path("/call")
    return exec_arguments(
        settings(**changes), cwd=here, schema=here / "s", last_message=here / "l", tag="C1-worker-1", tools=tools
    )


def configured(words: list[str]) -> dict[str, Any]:
    """Return what the ``-c`` arguments come to, read as TOML."""
    lines = [words[place + 1] for place, word in enumerate(words) if word == "-c"]
    return tomllib.loads("\n".join(lines))


def test_the_prompt_comes_by_standard_input_and_the_call_leaves_no_session() -> None:
    words = arguments()
    assert words[:2] == [str(Path("/opt/codex")), "exec"] and words[-1] == "-"
    assert {"--json", "--ephemeral", "--output-schema", "-o", "--skip-git-repo-check"} <= set(words)
    assert "--skip-git-repo-check" not in arguments(skip_git_repo_check=False)


def test_settings_reach_codex_as_toml() -> None:
    config = configured(arguments(network_access=True, windows_sandbox="unelevated"))
    assert config["model_reasoning_effort"] == "high" and config["web_search"] == "live"
    assert config["approval_policy"] == "never" and config["windows"] == {"sandbox": "unelevated"}
    workspace = config["sandbox_workspace_write"]
    assert workspace == {"network_access": True, "exclude_slash_tmp": True, "exclude_tmpdir_env_var": True}


def test_commands_of_the_model_get_the_core_variables_and_the_tag() -> None:
    policy = configured(arguments())["shell_environment_policy"]
    assert policy == {"inherit": "core", "set": {"LLM_LOOP_RUN": "C1-worker-1"}}


def test_a_model_is_named_only_when_there_is_one() -> None:
    assert "-m" not in arguments()
    words = arguments(model="gpt-5.5")
    assert words[words.index("-m") + 1] == "gpt-5.5"


def test_a_lost_network_ends_the_call() -> None:
    words = arguments()
    assert words[words.index("unbounded_connection_retries") - 1] == "--disable"


def test_extra_arguments_come_last_but_for_the_prompt() -> None:
    assert arguments(extra=("-c", "a=1"))[-3:] == ["-c", "a=1", "-"]


def test_codex_gets_the_key_it_authenticates_with_and_no_other_secret(tmp_path: Path) -> None:
    provider = 'model_provider = "m"\n[model_providers.m]\nenv_key = "MINE_API_KEY"\n'
    (tmp_path / "config.toml").write_text(provider, encoding="utf-8")
    base = {"PATH": "/bin", "CODEX_API_KEY": "a", "MINE_API_KEY": "b", "OPENAI_API_KEY": "c", "HF_TOKEN": "d"}
    environ = exec_environment(base | {"CODEX_HOME": "/theirs", "LLM_LOOP_NOTE": "x"}, tmp_path, "tag-1")
    assert environ["CODEX_HOME"] == str(tmp_path) and environ["LLM_LOOP_RUN"] == "tag-1"
    assert (environ["CODEX_API_KEY"], environ["MINE_API_KEY"], environ["PATH"]) == ("a", "b", "/bin")
    assert not {"OPENAI_API_KEY", "HF_TOKEN", "LLM_LOOP_NOTE"} & set(environ)
