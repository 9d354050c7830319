"""What Codex is told of the loop's read tools: the server's name, its tools, and how a call registers it.

The server (``llm_loop.mcp_tools``) is started by Codex, outside of Codex's sandbox, with no more of the
environment than HOME, LANG, PATH and TERM: whatever it needs stands in the arguments.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Sequence
from pathlib import Path

SERVER_NAME = "llm_loop"
MODULE = "llm_loop.mcp_tools"
TOOL_NAMES = (
    "query_history",
    "show_leaderboard",
    "read_run_log",
    "explain_config",
    "list_todo",
    "list_files",
    "read_file",
    "search_text",
)
HOW_TO_INSTALL = "run `llm-loop login --install-cli`, or in the clone: `python -m pip install '.[codex]'`"
_START_S = 20  # Codex itself waits for a late server one second; then its first request goes without these tools
_TOOL_S = 30


def sdk_is_there() -> bool:
    """Tell whether the official MCP SDK, from its second major version on, is installed; nothing is imported."""
    return all(importlib.util.find_spec(name) is not None for name in ("mcp", "mcp_types"))


def codex_arguments(workspace: Path, checkout: Path | None = None, keep_out: Sequence[Path] = ()) -> list[str]:
    """Return the ``-c`` arguments that give one Codex call the read tools.

    All paths are absolute. Without a ``checkout`` the file tools answer that there is none; ``keep_out`` names
    folders that no tool may read, wherever they lie, such as the sealed rows.

    The interpreter's ``-P`` and the working folder keep a module that somebody put into the checkout from being
    imported by this server, which no sandbox holds. The tag LLM_LOOP_RUN is passed on, so that the
    server is found when its call's processes are looked for. The server stays optional: a call goes
    on when it cannot start.
    """
    words = ["-P", "-s", "-X", "utf8", "-m", MODULE, "--workspace", str(workspace)]
    words += [] if checkout is None else ["--checkout", str(checkout)]
    for folder in keep_out:
        words += ["--keep-out", str(folder)]
    settings = {
        "command": toml(sys.executable),
        "args": toml(words),
        "cwd": toml(str(Path(sys.executable).parent)),
        "env": f"{{PYTHONPATH={toml(str(Path(__file__).resolve().parents[2]))}}}",
        "env_vars": toml(["LLM_LOOP_RUN"]),
        "default_tools_approval_mode": toml("approve"),
        "enabled_tools": toml(list(TOOL_NAMES)),
        "startup_timeout_sec": str(_START_S),
        "tool_timeout_sec": str(_TOOL_S),
    }
    pairs = [("-c", f"mcp_servers.{SERVER_NAME}.{key}={value}") for key, value in settings.items()]
    return [word for pair in pairs for word in pair]


def toml(value: str | Sequence[str]) -> str:
    """Write a text, or a list of texts, as TOML: a JSON text is one too, but for DEL, which TOML wants escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
