"""What the workspace says of itself: ``explain_config`` and ``list_todo``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_loop.config.checks import allowed
from llm_loop.config.sources import known_keys
from llm_loop.contract.outside_file import read_outside
from llm_loop.contract.schemas import nearest
from llm_loop.mcp_tools.answer import data
from llm_loop.mcp_tools.refusal import Refused
from llm_loop.mcp_tools.sources import Sources
from llm_loop.memory.todo_text import open_todos
from llm_loop.system.files import json_text
from llm_loop.views.untrusted import clean

_PAGE = 20
_TODO_BYTES = 8_000_000


def explain_config(_sources: Sources, arguments: Mapping[str, Any]) -> str:
    """Return what a key is, or the names of all. Raises Refused."""
    keys = known_keys()
    key = arguments.get("key")
    if key is None:
        return f"{len(keys)} keys; ask for one to have it explained.\n" + ", ".join(keys)
    schema = keys.get(key)
    if schema is None:
        raise Refused(f"There is no key {key[:80]!r}{nearest(key, list(keys))}.")
    acted_on = "" if schema["x-built"] else "\nThis version of the loop accepts the key and does not act on it yet."
    default = json_text(schema["default"])
    return f"{key}: {schema['description']}\nAllowed: {allowed(schema)}.\nDefault: {default}{acted_on}"


def list_todo(sources: Sources, arguments: Mapping[str, Any]) -> str:
    """Return one page of the open entries. Raises OSError."""
    try:
        text = read_outside(sources.paths.shared_todo, _TODO_BYTES).decode("utf-8-sig", "replace")
    except FileNotFoundError:
        text = ""
    todos = open_todos(text.replace("\r\n", "\n"))
    page = arguments.get("page", 1)
    pages = max(1, -(-len(todos) // _PAGE))
    shown = todos[(page - 1) * _PAGE : page * _PAGE]
    if not shown:
        return f"{len(todos)} open entries on {pages} page(s); nothing on page {page}."
    lines = [f"[{todo.id}] {clean(todo.text, 400)}" for todo in shown]
    return data(f"{len(todos)} open entries; page {page} of {pages}.", "\n".join(lines), "what roles and people wrote")
