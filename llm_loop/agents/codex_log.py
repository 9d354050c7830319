"""Read what Codex logged on standard error: tokens and HTTP status of each request, tools that were called.

The events say nothing of the tokens of a turn that failed or was cut off, and not every HTTP status; this log does
(RUST_LOG ``codex_otel.trace_safe=info``; measured on codex-cli 0.163.0 and 0.169.0). It is no promised interface:
where a line is not as expected, it is passed over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from llm_loop.contract.call_report import TokenUse

MAX_LOG_BYTES = 4_000_000
_EVENT = re.compile(r" codex_otel\.trace_safe: event\.name=\"codex\.(\w+)\"")
_FIELDS = {
    "input": "input_token_count",
    "cached_input": "cached_token_count",
    "output": "output_token_count",
    "reasoning_output": "reasoning_token_count",
}
_STATUS = re.compile(r" http\.response\.status_code=([0-9]{3}) ")
_TOOL = re.compile(r" tool_name=(\w+) .* success=(true|false) ")
_WRITING_BLOCKED = re.compile(r"blocked by read-only sandbox|blocked by policy|Failed to write file", re.IGNORECASE)
_COMMAND_TOOLS = ("exec_command", "shell", "shell_command", "local_shell")


@dataclass(frozen=True, slots=True, kw_only=True)
class CodexLog:
    """Hold what the log of one turn says.

    ``tokens`` sums up the requests that were answered whole (None: none was), ``last_status`` is the last HTTP status
    (None: none came). ``commands`` and ``patches`` count what the model tried. ``said`` is the rest: what a person
    would read on standard error, its end. ``writing_is_blocked``: a patch or command was refused as such.
    """

    tokens: TokenUse | None = None
    last_status: int | None = None
    commands: int = 0
    patches: int = 0
    said: str = ""
    writing_is_blocked: bool = False


def read_log(path: Path, start: int = 0) -> CodexLog:
    """Read the log from byte ``start`` on, of a long one the last 4 MB."""
    try:
        with path.open("rb") as stream:
            end = stream.seek(0, 2)
            stream.seek(max(start, end - MAX_LOG_BYTES))
            text = stream.read(MAX_LOG_BYTES).decode("utf-8", "replace")
    except FileNotFoundError:
        return CodexLog()
    said: list[str] = []
    tokens: list[TokenUse] = []
    tools: list[str] = []
    status: int | None = None
    for line in text.splitlines():
        event = _EVENT.search(line)
        if event is None:
            said.append(line)
        elif event[1] == "sse_event" and (use := _tokens(line)) is not None:
            tokens.append(use)
        elif event[1] == "api_request":
            status = int(found[1]) if (found := _STATUS.search(line)) else None
        elif event[1] == "tool_result" and (found := _TOOL.search(line)):
            tools.append(found[1])
    rest = "\n".join(said)
    return CodexLog(
        tokens=sum_of(tokens),
        last_status=status,
        commands=sum(tool in _COMMAND_TOOLS for tool in tools),
        patches=tools.count("apply_patch"),
        said=rest[-4000:],
        writing_is_blocked=_WRITING_BLOCKED.search(rest) is not None,
    )


def sum_of(uses: list[TokenUse]) -> TokenUse | None:
    """Return the sum, None of nothing."""
    if not uses:
        return None
    return TokenUse(**{name: sum(getattr(use, name) for use in uses) for name in _FIELDS})


def _tokens(line: str) -> TokenUse | None:
    counts = {name: re.search(rf" {field}=([0-9]{{1,12}}) ", line) for name, field in _FIELDS.items()}
    if counts["input"] is None:
        return None
    return TokenUse(**{name: int(found[1]) for name, found in counts.items() if found is not None})
