"""The command line and the environment of one ``codex exec``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llm_loop.agents.codex_home import key_names
from llm_loop.agents.codex_request import CodexSettings
from llm_loop.system.environment_scrubbing import without_secrets

_UNUSED_FEATURES = ("goals", "multi_agent", "plugins", "apps", "tool_suggest", "view_image")
_LOG = "error,codex_otel.trace_safe=info"
"""What Codex logs on standard error: errors, and for each request its HTTP status and its tokens (no texts)."""


def exec_arguments(
    codex: CodexSettings, *, cwd: Path, schema: Path, last_message: Path, tag: str, tools: list[str] | None = None
) -> list[str]:
    """Return argv of one ephemeral ``codex exec`` that reads its prompt on standard input and prints JSON events.

    ``tools`` are the arguments that register the loop's read tools (``contract/mcp_server.py``).
    """
    model = [] if codex.model is None else ["-m", codex.model]
    settings = {
        "model_reasoning_effort": codex.reasoning_effort,
        "web_search": codex.web_search_mode,
        "approval_policy": "never",
        "project_doc_max_bytes": 0,
        "allow_login_shell": False,  # a profile would be sourced at each command, and may export secrets again
        "shell_environment_policy.inherit": "core",
        "shell_environment_policy.set.LLM_LOOP_RUN": tag,  # by it, what outlives a killed keeper is found
        "sandbox_workspace_write.network_access": codex.network_access,
        "sandbox_workspace_write.exclude_slash_tmp": True,
        "sandbox_workspace_write.exclude_tmpdir_env_var": True,
        "skills.bundled.enabled": False,
        "history.persistence": "none",
        "check_for_update_on_startup": False,
        "analytics.enabled": False,
    }
    if codex.windows_sandbox is not None:
        settings["windows.sandbox"] = codex.windows_sandbox
    return [
        *(str(codex.binary), "exec", "--json", "--ephemeral", "--color", "never"),
        *(["--skip-git-repo-check"] if codex.skip_git_repo_check else []),
        *("-C", str(cwd), "-s", codex.sandbox_mode, *model),
        *_switched_off("unbounded_connection_retries", "shell_snapshot", *_UNUSED_FEATURES),
        *_configured(settings),
        *(tools or []),
        *("--output-schema", str(schema), "-o", str(last_message)),
        *codex.extra,
        "-",
    ]


def exec_environment(base: Mapping[str, str], home: Path, tag: str) -> dict[str, str]:
    """Return Codex's own environment: no secret but what it authenticates with, the loop's CODEX_HOME, the tag.

    Its commands get less than that: ``shell_environment_policy`` leaves them the few core variables.
    """
    keys = {name: base[name] for name in key_names(home) if name in base}
    return {**without_secrets(base), **keys, "CODEX_HOME": str(home), "LLM_LOOP_RUN": tag, "RUST_LOG": _LOG}


def _switched_off(*features: str) -> list[str]:
    return [word for feature in features for word in ("--disable", feature)]


def _configured(settings: Mapping[str, Any]) -> list[str]:
    """Return ``-c key=value`` for each setting; texts, lists, numbers and truth values are in TOML as in JSON."""
    values = ((key, json.dumps(value, ensure_ascii=False)) for key, value in settings.items())
    return [word for key, value in values for word in ("-c", f"{key}={value}")]
