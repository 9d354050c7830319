"""What Codex printed is read leniently: unknown events, torn and endless lines, later versions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from llm_loop.agents.codex_events import MAX_LINE_BYTES, MAX_SIGNALS, CodexTurn, parse_events
from llm_loop.contract.call_report import TokenUse


def item(kind: str, event: str = "item.completed", name: str = "item_0", **fields: Any) -> dict[str, Any]:
    return {"type": event, "item": {"id": name, "type": kind, **fields}}


def command(line: str, status: str = "completed", output: str = "", name: str = "item_0") -> dict[str, Any]:
    return item("command_execution", name=name, command=line, status=status, aggregated_output=output)


def turn_of(folder: Path, *events: Any) -> CodexTurn:
    lines = [event if isinstance(event, str) else json.dumps(event) for event in events]
    (folder / "events.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return parse_events(folder / "events.jsonl")


def test_the_last_message_is_the_answer(tmp_path: Path) -> None:
    done = {"type": "turn.completed", "usage": {"input_tokens": 9, "cached_input_tokens": 2, "output_tokens": 3}}
    turn = turn_of(tmp_path, item("agent_message", text="talk"), item("agent_message", text="answer"), done)
    assert turn.last_message == "answer" and turn.is_completed
    assert turn.tokens == TokenUse(input=9, cached_input=2, output=3)


def test_a_retry_is_an_error_and_no_failure(tmp_path: Path) -> None:
    turn = turn_of(tmp_path, {"type": "error", "message": "Reconnecting... 1/5"}, {"type": "turn.completed"})
    assert turn.is_completed and turn.failed is None and turn.errors == ("Reconnecting... 1/5",)


def test_a_failed_turn_has_its_message(tmp_path: Path) -> None:
    turn = turn_of(tmp_path, {"type": "turn.failed", "error": {"message": "no"}})
    assert turn.failed == "no" and not turn.is_completed and turn.tokens is None


def test_commands_and_patches_are_counted_once(tmp_path: Path) -> None:
    started = item("command_execution", "item.started", command="/bin/bash -c 'rg x'", status="in_progress")
    failed = command("/bin/bash -c false", "failed", name="item_1")
    patched = item("file_change", name="item_2", changes=[], status="completed")
    refused = item("file_change", name="item_3", changes=[], status="failed")
    turn = turn_of(tmp_path, started, command("/bin/bash -c 'rg x'"), failed, patched, refused)
    assert (turn.commands, turn.commands_failed, turn.without_sandbox) == (2, 1, 0)
    assert (turn.patches, turn.patches_failed) == (2, 1)


def test_a_command_without_a_sandbox_is_told_from_one_that_failed(tmp_path: Path) -> None:
    closed = "bwrap: Creating new namespace failed: nesting depth exceeded (ENOSPC)\n"
    turn = turn_of(tmp_path, command("ls", "failed", closed), command("ls", "failed", "no bwrap: here", name="item_1"))
    assert turn.without_sandbox == 1


def test_signals_are_short_words_and_few(tmp_path: Path) -> None:
    shells = [command(f"/bin/bash -lc '/usr/bin/tool{n} \x1b[31m'", name=f"item_{n}") for n in range(40)]
    windows = command("\"C:\\Windows\\powershell.exe\" -Command 'Get-Content a.txt'", name="w")
    read = item("mcp_tool_call", name="m", server="llm_loop", tool="read_file\x1b")
    turn = turn_of(tmp_path, windows, read, item("web_search", name="s", query="q"), *shells)
    assert turn.tool_signals[:4] == ("shell:Get-Content", "mcp:read_file", "web_search", "shell:tool0")
    assert len(turn.tool_signals) == MAX_SIGNALS and turn.used_web_search


def test_what_is_no_event_is_passed_over_and_counted(tmp_path: Path) -> None:
    odd: list[Any] = ["not JSON", "[1]", "[" * 5000, {"type": "item.completed", "item": 7}, {"type": 9}, {"no": "type"}]
    turn = turn_of(tmp_path, *odd, item("agent_message", text="answer"), '{"type": "turn.comp')
    assert turn.last_message == "answer" and turn.unread_lines == 4 and turn.parsed_lines == 4


def test_an_endless_line_is_passed_over_in_little_memory(tmp_path: Path) -> None:
    long = json.dumps(command("cat", output="x" * (2 * MAX_LINE_BYTES)))
    turn = turn_of(tmp_path, item("agent_message", text="before"), long, item("agent_message", text="after"))
    assert turn.last_message == "after" and turn.unread_lines == 1


def test_reading_begins_where_an_earlier_ask_ended(tmp_path: Path) -> None:
    turn_of(tmp_path, item("agent_message", text="first"))
    size = (tmp_path / "events.jsonl").stat().st_size
    with (tmp_path / "events.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"type": "turn.completed"}) + "\n")
    turn = parse_events(tmp_path / "events.jsonl", size)
    assert turn.last_message is None and turn.is_completed


def test_nothing_printed_is_a_turn_of_nothing(tmp_path: Path) -> None:
    assert parse_events(tmp_path / "missing.jsonl") == CodexTurn()
