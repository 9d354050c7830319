"""The server proper, by the official SDK: it takes over where the greeting ended."""

from __future__ import annotations

import json
import logging
import sys
from collections import deque
from collections.abc import Sequence
from typing import IO, Any, cast

import anyio
import anyio.to_thread
import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from llm_loop import __version__
from llm_loop.contract.mcp_server import SERVER_NAME
from llm_loop.mcp_tools.calling import call
from llm_loop.mcp_tools.catalogue import tools
from llm_loop.mcp_tools.greeting import INSTRUCTIONS
from llm_loop.mcp_tools.sources import Sources


def run(sources: Sources, said: Sequence[bytes]) -> None:
    """Serve until standard input ends. ``said`` are the lines that the client said first."""
    logging.disable(logging.INFO)
    anyio.run(_serve, server_of(sources), said)


def server_of(sources: Sources) -> Server[Any]:
    """Return the SDK's server of our tools."""

    async def list_tools(_context: Any, _params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[types.Tool.model_validate(tool) for tool in tools()])

    async def call_tool(_context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        text, refused = await anyio.to_thread.run_sync(call, sources, params.name, params.arguments or {})
        return types.CallToolResult(content=[types.TextContent(type="text", text=text)], is_error=refused)

    return Server(
        SERVER_NAME,
        version=__version__,
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


async def _serve(server: Server[Any], said: Sequence[bytes]) -> None:
    words = _Words(said, sys.stdin.buffer)
    answers = _Answers(said, sys.stdout.buffer)
    reader = anyio.wrap_file(cast("IO[str]", words))
    writer = anyio.wrap_file(cast("IO[str]", answers))
    async with stdio_server(reader, writer) as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())


class _Words:
    """What the client says: the lines that were read already, then the rest of standard input."""

    def __init__(self, said: Sequence[bytes], rest: IO[bytes]) -> None:
        self._said, self._rest = deque(said), rest

    def readline(self, size: int = -1, /) -> str:
        line = self._said.popleft() if self._said else self._rest.readline()
        return line.decode("utf-8", "replace")


class _Answers:
    """What the client hears: all but the SDK's answer to an ``initialize`` that was answered before."""

    def __init__(self, said: Sequence[bytes], out: IO[bytes]) -> None:
        self._out = out
        self._answered = [json.loads(line)["id"] for line in said[:1] if len(said) > 1]

    def write(self, text: str, /) -> int:
        if self._answered and json.loads(text).get("id") == self._answered[0]:
            self._answered.clear()
        else:
            self._out.write(text.encode("utf-8", "backslashreplace"))
        return len(text)

    def flush(self) -> None:
        self._out.flush()
