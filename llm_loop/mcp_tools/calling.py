"""One call of a tool: arguments checked, the tool run, its answer bounded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jsonschema import Draft202012Validator

from llm_loop.errors import LoopError
from llm_loop.mcp_tools import checkout_files, histories, run_logs, searching, workspace_notes
from llm_loop.mcp_tools.answer import bounded
from llm_loop.mcp_tools.catalogue import tools
from llm_loop.mcp_tools.refusal import Refused
from llm_loop.mcp_tools.sources import Sources

_TOOLS: dict[str, Callable[[Sources, Mapping[str, Any]], str]] = {
    "query_history": histories.query_history,
    "show_leaderboard": histories.show_leaderboard,
    "read_run_log": run_logs.read_run_log,
    "explain_config": workspace_notes.explain_config,
    "list_todo": workspace_notes.list_todo,
    "list_files": checkout_files.list_files,
    "read_file": checkout_files.read_file,
    "search_text": searching.search_text,
}


def call(sources: Sources, name: str, arguments: Mapping[str, Any]) -> tuple[str, bool]:
    """Return a tool's answer, and whether it is a refusal."""
    try:
        _check(name, arguments)
        given = {key: value for key, value in arguments.items() if value is not None}
        return bounded(_TOOLS[name](sources, given)), False
    except (Refused, LoopError, OSError) as refusal:
        return bounded(str(refusal) or type(refusal).__name__), True


def _check(name: str, arguments: Mapping[str, Any]) -> None:
    """Hold the arguments against the tool's own schema. Raises Refused."""
    schema = next((tool["inputSchema"] for tool in tools() if tool["name"] == name), None)
    if schema is None:
        raise Refused(f"There is no tool {name[:80]!r}; there are {', '.join(_TOOLS)}.")
    for error in Draft202012Validator(schema).iter_errors(arguments):
        place = ".".join(str(part) for part in error.absolute_path) or "arguments"
        raise Refused(f"{name}: {place}: {error.message[:300]}")
