"""The tools as a real Codex uses them, against a scripted model on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from llm_loop.contract.mcp_server import codex_arguments, sdk_is_there
from tests.codex_client import codex_binary
from tests.fakes.responses_server import Entry, ResponsesServer, answer, freeform, function
from tests.mcp_tools.small_workspace import LOGIN, SECRET, SmallWorkspace, a_row

pytestmark = [
    pytest.mark.codex,
    pytest.mark.skipif(not sdk_is_there(), reason="the MCP SDK is not installed (the extra `codex`)"),
]
NAMESPACE = "mcp__llm_loop"


def tool(name: str, **arguments: Any) -> Entry:
    return function(name, arguments, namespace=NAMESPACE)


class Turn:
    """Run one ``codex exec`` in the checkout; hold its events, and what the model was told."""

    def __init__(self, small: SmallWorkspace, *script: Entry, registration: list[str] | None = None) -> None:
        home = small.paths.root.parent / "home"
        home.mkdir(exist_ok=True)
        with ResponsesServer([*script, answer("done")]) as server:
            (small.paths.codex_home / "config.toml").write_text(server.config(), encoding="utf-8")
            tools = codex_arguments(small.paths.root, small.checkout) if registration is None else registration
            exec_ = ["exec", "--json", "--ephemeral", "--skip-git-repo-check", "-C", str(small.checkout)]
            argv = [str(codex_binary()), *exec_, "-s", "read-only", *tools, "-"]
            kept = {name: value for name, value in os.environ.items() if not name.startswith("LLM_LOOP_")}
            environment = kept | {"HOME": str(home), "CODEX_HOME": str(small.paths.codex_home), "API_TOKEN": "t0k3n"}
            ended = subprocess.run(argv, input=b"do it", env=environment, capture_output=True, timeout=60, check=False)
            self.bodies = server.bodies
        assert ended.returncode == 0, ended.stderr.decode()
        self.events = [json.loads(line) for line in ended.stdout.splitlines()]
        items = [event["item"] for event in self.events if event["type"] == "item.completed"]
        self.calls = [item for item in items if item["type"] == "mcp_tool_call"]
        self.answer = [item["text"] for item in items if item["type"] == "agent_message"][-1]

    def told(self, number: int) -> str:
        """Return what the model was told with the request ``number``, as its last item."""
        return json.dumps(self.bodies[number]["input"][-1])


def test_codex_reads_through_the_tools(small: SmallWorkspace) -> None:
    small.write("src/model.py", "width = 1729\n")
    small.end_runs(a_row(1, 0.5))
    small.log("R0001", "Traceback of this run\n", stream="stderr")
    turn = Turn(
        small,
        tool("read_file", path="src/model.py"),
        tool("query_history", order="best"),
        tool("read_run_log", run_id="R0001", stream="stderr"),
    )
    assert turn.answer == "done"
    assert [call["status"] for call in turn.calls] == ["completed"] * 3
    assert "width = 1729" in turn.told(1) and "R0001" in turn.told(2) and "Traceback of this run" in turn.told(3)
    assert "llm_loop" in json.dumps(turn.bodies[0]), "the first request already knows of the tools"


def test_a_model_that_writes_programs_reads_through_the_tools(small: SmallWorkspace) -> None:
    small.write("a.py", "width = 1729\n")
    program = f'text(JSON.stringify(await tools.{NAMESPACE}__read_file({{path: "a.py"}})))'
    registration = ["-m", "gpt-6.1-sol", *codex_arguments(small.paths.root, small.checkout)]
    turn = Turn(small, freeform("exec", program), registration=registration)
    assert "width = 1729" in turn.told(1)


def test_codex_gets_nothing_sealed(small: SmallWorkspace) -> None:
    (small.checkout / "rows").symlink_to(small.paths.root / "vault")
    turn = Turn(
        small,
        tool("read_file", path="rows/test.csv"),
        tool("read_file", path="../../codex_home/auth.json"),
        tool("search_text", text="sealed"),
        tool("list_files", path="../.."),
    )
    said = json.dumps(turn.bodies)
    assert len(turn.calls) == 4 and SECRET not in said and LOGIN not in said


def test_the_server_imports_nothing_from_the_checkout(small: SmallWorkspace) -> None:
    mark = small.paths.root / "imported"
    for name in ("json", "sitecustomize", "anyio", "llm_loop"):
        small.write(f"{name}.py", f"open({str(mark)!r}, 'w')\n")
    turn = Turn(small, tool("search_text", text="^open", regex=True))
    assert "4 hits" in turn.told(1) and not mark.exists()


@pytest.mark.parametrize("words", [["no such program"], [sys.executable, "-c", "raise SystemExit(3)"]])
def test_a_call_goes_on_without_the_server(small: SmallWorkspace, words: list[str]) -> None:
    registration = codex_arguments(small.paths.root, small.checkout)
    registration += ["-c", f"mcp_servers.llm_loop.command={json.dumps(words[0])}"]
    registration += ["-c", f"mcp_servers.llm_loop.args={json.dumps(words[1:])}"]
    turn = Turn(small, tool("read_file", path="a.py"), registration=registration)
    assert turn.answer == "done" and not turn.calls
