"""Read what ``codex exec --json`` printed: one JSON event a line, without a schema of its own, so read leniently.

Measured on codex-cli 0.163.0 and 0.169.0: the answer is the last ``agent_message`` (those before it are talk); an
``error`` event alone is no failure; a command that fails with words such as "Permission denied" has no event at all
(``codex_log`` counts those); a line holds up to a mebibyte of a command's output, and tokens come at the end of a
turn that completed only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_loop.contract.call_report import TokenUse

MAX_LINE_BYTES = 4_000_000
MAX_SIGNALS = 24
_MAX_ERRORS = 5
_SHELL_WORD = re.compile(r"-(?:l?c|Command)\s+[\"']?(?:\S*[/\\])?([\w.-]{1,30})")
_NO_SANDBOX = re.compile(r"^bwrap: |bubblewrap (is unavailable|digest)|requires bubblewrap", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodexTurn:
    """Hold what one turn came to.

    ``last_message`` is None without an agent message; ``failed`` the message of ``turn.failed``. ``errors`` are the
    last messages of other errors and retries. A command or patch that was still going when the turn ended counts as
    tried and not as failed. ``without_sandbox`` counts the commands that never ran because there was no sandbox.
    """

    last_message: str | None = None
    is_completed: bool = False
    failed: str | None = None
    errors: tuple[str, ...] = ()
    tokens: TokenUse | None = None
    commands: int = 0
    commands_failed: int = 0
    without_sandbox: int = 0
    patches: int = 0
    patches_failed: int = 0
    used_web_search: bool = False
    tool_signals: tuple[str, ...] = ()
    parsed_lines: int = 0
    unread_lines: int = 0


def parse_events(path: Path, start: int = 0) -> CodexTurn:
    """Read the events from byte ``start`` on; a missing file is a turn of nothing.

    A line that is no JSON object, or longer than 4 MB, is counted and passed over.
    """
    reader = _Reader()
    try:
        with path.open("rb") as stream:
            stream.seek(start)
            for line in _lines(stream):
                reader.take(line)
    except FileNotFoundError:
        pass
    return reader.turn()


def _lines(stream: Any) -> Iterator[bytes | None]:
    """Yield each line, None for one that is too long to be held."""
    while line := stream.readline(MAX_LINE_BYTES):
        if line.endswith(b"\n") or len(line) < MAX_LINE_BYTES:
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(MAX_LINE_BYTES)
        yield None


@dataclass(slots=True)
class _Reader:
    """Fold events into a turn."""

    fields: dict[str, Any] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    signals: dict[str, None] = field(default_factory=dict)
    open_items: set[str] = field(default_factory=set)

    def turn(self) -> CodexTurn:
        signals = tuple(self.signals)[:MAX_SIGNALS]
        return CodexTurn(**self.fields, errors=tuple(self.errors[-_MAX_ERRORS:]), tool_signals=signals)

    def take(self, line: bytes | None) -> None:
        event = None if line is None else _object(line)
        if event is None:
            self._count("unread_lines")
            return
        self._count("parsed_lines")
        kind, item = event.get("type"), event.get("item")
        if kind == "turn.completed":
            self.fields |= {"is_completed": True, "tokens": _tokens(event.get("usage"))}
        elif kind == "turn.failed":
            self.fields["failed"] = _message(event.get("error"))
        elif kind == "error":
            self.errors.append(_message(event))
        elif isinstance(item, dict) and kind in ("item.started", "item.completed"):
            self._take_item(item, is_over=kind == "item.completed")

    def _take_item(self, item: dict[str, Any], *, is_over: bool) -> None:
        kind = item.get("type")
        failed = is_over and item.get("status") in ("failed", "declined")
        if kind == "agent_message":
            self.fields["last_message"] = str(item.get("text") or "")
        elif kind == "command_execution":
            self._take_command(item, failed=failed)
        elif kind == "file_change":
            self._tried(item, "patches", failed=failed)
            self.signals["patch"] = None
        elif kind == "mcp_tool_call":
            self.signals[f"mcp:{_word(item.get('tool'))}"] = None
        elif kind == "web_search":
            self.fields["used_web_search"] = True
            self.signals["web_search"] = None

    def _take_command(self, item: dict[str, Any], *, failed: bool) -> None:
        self._tried(item, "commands", failed=failed)
        if failed and _NO_SANDBOX.search(str(item.get("aggregated_output") or "")[:2000]):
            self._count("without_sandbox")
        named = _SHELL_WORD.search(str(item.get("command") or "")[:2000])
        self.signals[f"shell:{named[1]}" if named else "shell"] = None

    def _tried(self, item: dict[str, Any], what: str, *, failed: bool) -> None:
        name = str(item.get("id"))
        if name not in self.open_items:
            self.open_items.add(name)
            self._count(what)
        if failed:
            self._count(f"{what}_failed")

    def _count(self, what: str) -> None:
        self.fields[what] = self.fields.get(what, 0) + 1


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _message(value: Any) -> str:
    said = value.get("message") if isinstance(value, dict) else value
    return str(said or "no message")[:2000]


def _tokens(usage: Any) -> TokenUse | None:
    if not isinstance(usage, dict):
        return None

    def of(name: str) -> int:
        number = usage.get(name)
        return number if isinstance(number, int) and not isinstance(number, bool) and number > 0 else 0

    return TokenUse(
        input=of("input_tokens"),
        cached_input=of("cached_input_tokens"),
        output=of("output_tokens"),
        reasoning_output=of("reasoning_output_tokens"),
    )


def _word(value: Any) -> str:
    return re.sub(r"[^\w.-]", "", str(value))[:30]
