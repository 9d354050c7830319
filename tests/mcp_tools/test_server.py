"""The server as a client meets it: a real child process, the official SDK's client on the other end."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import IO, Any, cast

import pytest

from llm_loop.contract.mcp_server import TOOL_NAMES, sdk_is_there
from llm_loop.mcp_tools.catalogue import tools
from llm_loop.mcp_tools.greeting import HANDSHAKE_VERSIONS, greet
from tests.conftest import REPOSITORY
from tests.mcp_tools.small_workspace import SmallWorkspace, a_row

if not sdk_is_there():
    pytest.skip("the MCP SDK is not installed (the extra `codex`)", allow_module_level=True)

import anyio
import mcp_types
from mcp.client import Client, ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client


def server_argv(small: SmallWorkspace) -> list[str]:
    words = ["-P", "-s", "-X", "utf8", "-m", "llm_loop.mcp_tools"]
    return [sys.executable, *words, "--workspace", str(small.paths.root), "--checkout", str(small.checkout)]


def parameters(small: SmallWorkspace) -> StdioServerParameters:
    """Start it as Codex does: in the checkout, with next to nothing of the environment."""
    program, *words = server_argv(small)
    environment = {"PYTHONPATH": str(REPOSITORY)}
    return StdioServerParameters(command=program, args=words, cwd=small.checkout, env=environment)


def talk(small: SmallWorkspace, act: Callable[[ClientSession], Awaitable[Any]]) -> Any:
    """Shake hands as Codex does, then ``act``."""

    @asynccontextmanager
    async def session() -> AsyncIterator[ClientSession]:
        async with stdio_client(parameters(small)) as (incoming, outgoing), ClientSession(incoming, outgoing) as client:
            yield client

    async def main() -> Any:
        with anyio.fail_after(60):
            async with session() as client:
                await client.initialize()
                return await act(client)

    return anyio.run(main)


def text_of(result: Any) -> str:
    return "".join(block.text for block in result.content)


def test_each_tool_answers_over_stdio(small: SmallWorkspace) -> None:
    small.end_runs(a_row(1, 0.5))
    small.log("R0001", "epoch 1\n")
    small.write("a.py", "x = 1\n")
    asked: dict[str, tuple[dict[str, Any], str]] = {
        "query_history": ({"order": "best"}, '"run_id": "R0001"'),
        "show_leaderboard": ({}, "| label 1 |"),
        "read_run_log": ({"run_id": "R0001"}, "epoch 1"),
        "explain_config": ({"key": "stop_grace_seconds"}, "Default: "),
        "list_todo": ({}, "0 open entries"),
        "list_files": ({}, "a.py 6 B"),
        "read_file": ({"path": "a.py"}, "x = 1"),
        "search_text": ({"text": "X = \\d", "regex": True, "ignore_case": True}, "a.py:1: x = 1"),
    }
    assert set(asked) == set(TOOL_NAMES)

    async def act(client: ClientSession) -> dict[str, Any]:
        await client.send_ping()
        listed = await client.list_tools()
        assert [tool.name for tool in listed.tools] == list(TOOL_NAMES)
        assert all(tool.annotations is not None and tool.annotations.read_only_hint for tool in listed.tools)
        answers = {name: await client.call_tool(name, arguments) for name, (arguments, _) in asked.items()}
        answers["refused"] = await client.call_tool("read_file", {"path": "../../codex_home/auth.json"})
        assert [tool.name for tool in (await client.list_tools()).tools] == list(TOOL_NAMES)  # now by the SDK
        return answers

    answers = talk(small, act)
    for name, (_, part) in asked.items():
        assert not answers[name].is_error and part in text_of(answers[name]), name
    assert answers["refused"].is_error and "climb" in text_of(answers["refused"])


def test_a_client_of_the_later_protocol_is_served_too(small: SmallWorkspace) -> None:
    """One that opens with anything else than the known handshake: the SDK has the first word there."""
    small.write("a.py", "x = 1\n")

    async def main() -> tuple[list[str], str]:
        with anyio.fail_after(60):
            async with Client(stdio_client(parameters(small))) as client:
                names = [tool.name for tool in (await client.list_tools()).tools]
                return names, text_of(await client.call_tool("read_file", {"path": "a.py"}))

    names, text = anyio.run(main)
    assert names == list(TOOL_NAMES) and "x = 1" in text


def test_a_module_in_the_checkout_is_not_imported(small: SmallWorkspace) -> None:
    for name in ("json", "argparse", "anyio", "llm_loop", "sitecustomize", "usercustomize"):
        small.write(f"{name}.py", f"open({str(small.paths.root / 'imported')!r}, 'w').write({name!r})\n")

    async def act(client: ClientSession) -> Any:
        return await client.call_tool("search_text", {"text": "^open", "regex": True})

    assert "6 hits" in text_of(talk(small, act))
    assert not (small.paths.root / "imported").exists()


def test_nothing_is_written(small: SmallWorkspace) -> None:
    small.end_runs(a_row(1, 0.5))
    small.log("R0001", "epoch 1\n")
    small.write("a.py", "x = 1\n")
    before = {path: path.read_bytes() for path in small.paths.root.rglob("*") if path.is_file()}
    for name in TOOL_NAMES:
        given = {"read_run_log": {"run_id": "R0001"}, "read_file": {"path": "a.py"}, "search_text": {"text": "x"}}
        small.ask(name, **given.get(name, {}))
    assert {path: path.read_bytes() for path in small.paths.root.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("version", HANDSHAKE_VERSIONS)
def test_the_greeting_answers_as_the_sdk_does(small: SmallWorkspace, version: str) -> None:
    """The same words, once to the greeting, once to the SDK, which a call of a tool wakes first."""
    client = {"name": "codex-mcp-client", "title": "Codex", "version": "0.169.0"}
    first = {"protocolVersion": version, "capabilities": {"elicitation": {"form": {}}}, "clientInfo": client}
    words = [
        _request(0, "initialize", first),
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        _request(1, "tools/list", {"_meta": {"progressToken": 0}}),
        _request(2, "ping"),
    ]
    by_greeting = _greeted(words)
    by_sdk = _by_sdk(words)
    assert by_greeting == by_sdk
    assert mcp_types.InitializeResult.model_validate(by_greeting[0]).capabilities.tools is not None


def test_the_greeting_needs_no_sdk(small: SmallWorkspace) -> None:
    slow = ("mcp", "anyio", "yaml", "jsonschema")
    code = f"import sys, llm_loop.mcp_tools.__main__; print([name for name in {slow} if name in sys.modules])"
    argv = [sys.executable, "-P", "-X", "utf8", "-c", code]
    ended = subprocess.run(argv, env={"PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
    words = [_request(0, "initialize", _hello()), _request(1, "tools/list")]
    with _child(small) as server:
        assert server.stdin is not None and server.stdout is not None
        server.stdin.write(b"".join(json.dumps(word).encode() + b"\n" for word in words))
        server.stdin.flush()
        assert [json.loads(server.stdout.readline())["id"] for _ in words] == [0, 1]
        server.stdin.close()
        assert server.wait(10) == 0


def test_each_request_is_answered_once(small: SmallWorkspace) -> None:
    small.write("a.py", "x = 1\n")
    call = {"name": "read_file", "arguments": {"path": "a.py"}}
    words = [
        _request(7, "initialize", _hello()),
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        _request(8, "tools/call", call),
        _request(9, "tools/call", call),
    ]
    with _child(small) as server:
        assert server.stdin is not None and server.stdout is not None
        server.stdin.write(b"".join(json.dumps(word).encode() + b"\n" for word in words))
        server.stdin.flush()
        heard = [json.loads(server.stdout.readline())["id"] for _ in range(3)]
        server.stdin.close()
        assert server.stdout.read() == b"" and server.wait(10) == 0
    assert heard[0] == 7 and sorted(heard) == [7, 8, 9]


@pytest.mark.parametrize(
    "nonsense",
    [
        b"not json\n",
        pytest.param(b"[1]\n", marks=pytest.mark.slow),
        pytest.param(b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}\n', marks=pytest.mark.slow),
        pytest.param(b"{}\n", marks=pytest.mark.slow),
    ],
)
def test_nonsense_does_not_end_the_server(small: SmallWorkspace, nonsense: bytes) -> None:
    with _child(small) as server:
        assert server.stdin is not None and server.stdout is not None
        server.stdin.write(nonsense + json.dumps(_request(5, "initialize", _hello())).encode() + b"\n")
        server.stdin.flush()
        while json.loads(line := server.stdout.readline()).get("id") != 5:
            assert line
        assert json.loads(line)["result"]["serverInfo"]["name"] == "llm_loop"
        server.stdin.close()
        assert server.wait(10) == 0


def _request(number: int, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, **({} if params is None else {"params": params})}


def _hello() -> dict[str, Any]:
    client = {"name": "a client", "version": "1"}
    return {"protocolVersion": HANDSHAKE_VERSIONS[-1], "capabilities": {}, "clientInfo": client}


def _greeted(words: list[dict[str, Any]]) -> list[Any]:
    out = io.BytesIO()
    assert greet(io.BytesIO(b"".join(json.dumps(word).encode() + b"\n" for word in words)), out) == []
    return [json.loads(line)["result"] for line in out.getvalue().splitlines()]


def _by_sdk(words: list[dict[str, Any]]) -> list[Any]:
    from mcp.server.stdio import stdio_server

    from llm_loop.mcp_tools.server import server_of
    from llm_loop.mcp_tools.sources import Sources

    heard = _Heard(sum("id" in word for word in words))
    said = _Said(words, heard)

    async def main() -> None:
        server = server_of(Sources.open(REPOSITORY, None))
        files: Any = anyio.wrap_file(cast("IO[str]", said)), anyio.wrap_file(cast("IO[str]", heard))
        async with stdio_server(*files) as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())

    anyio.run(main)
    answers = {value["id"]: value["result"] for value in heard.values}
    return [answers[word["id"]] for word in words if "id" in word]


class _Heard:
    """What the SDK answers; ``whole`` once it is all there."""

    def __init__(self, expected: int) -> None:
        self.values: list[Any] = []
        self.whole = threading.Event()
        self._expected = expected

    def write(self, text: str) -> int:
        self.values.append(json.loads(text))
        if len(self.values) == self._expected:
            self.whole.set()
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""


class _Said:
    """What the SDK is told; the end only comes when it has answered."""

    def __init__(self, words: list[dict[str, Any]], heard: _Heard) -> None:
        self._lines = [json.dumps(word) + "\n" for word in words]
        self._heard = heard

    def readline(self) -> str:
        if self._lines:
            return self._lines.pop(0)
        assert self._heard.whole.wait(20)
        return ""


def _child(small: SmallWorkspace) -> subprocess.Popen[bytes]:
    environment = {"PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen(server_argv(small), env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_the_catalogue_names_what_codex_is_told() -> None:
    assert tuple(tool["name"] for tool in tools()) == TOOL_NAMES
