from __future__ import annotations

from llm_loop.mcp_tools.answer import MAX_CHARACTERS
from tests.mcp_tools.small_workspace import SmallWorkspace


def test_a_key_is_explained_and_all_are_named(small: SmallWorkspace) -> None:
    assert "stop_grace_seconds" in small.ask("explain_config") and len(small.ask("explain_config")) <= MAX_CHARACTERS
    text = small.ask("explain_config", key="code_isolation")
    assert "auto, in_place, checkout" in text and 'Default: "auto"' in text
    assert "stop_grace_seconds" in small.refusal("explain_config", key="stop_grace_second")


def test_the_open_entries_come_in_pages(small: SmallWorkspace) -> None:
    assert "0 open entries" in small.ask("list_todo")
    lines = [f"- [ ] [C0001-W{number:02d}] AI-Builder: try the idea number {number}\n" for number in range(1, 46)]
    lines[0] = "- [x] [C0001-W01] AI-Builder: done (resolved by AI-Builder C0002)\n"
    small.paths.shared_todo.write_text("# Shared TODO\n\n" + "".join(lines), encoding="utf-8")
    first, third = small.ask("list_todo"), small.ask("list_todo", page=3)
    assert "44 open entries; page 1 of 3" in first and "[C0001-W02] try the idea number 2\n" in first
    assert "C0001-W01" not in first
    assert "number 45" in third and "number 41\n" not in third
    assert "nothing on page 4" in small.ask("list_todo", page=4)
