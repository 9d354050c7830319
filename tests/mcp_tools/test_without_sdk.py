from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from llm_loop.contract.mcp_server import TOOL_NAMES, codex_arguments, toml
from llm_loop.verbs import mcp
from tests.mcp_tools.small_workspace import SmallWorkspace

_NO_SDK = """
import importlib.util, sys
there = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "mcp" else there(name, *more)
from llm_loop.mcp_tools.__main__ import main
sys.exit(main([]))
"""


def test_the_missing_sdk_is_one_line(clean_environ: dict[str, str]) -> None:
    argv = [sys.executable, "-X", "utf8", "-c", _NO_SDK]
    ended = subprocess.run(
        argv, env=clean_environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1 and not ended.stdout
    [line] = ended.stderr.splitlines()
    assert "llm-loop login --install-cli" in line


def test_a_registration_is_toml_whatever_the_paths(small: SmallWorkspace) -> None:
    import tomllib

    checkout = small.paths.root / 'it\'s a [weird] \\ & "täst" 😀 \x7f'
    words = codex_arguments(small.paths.root, checkout, [checkout])
    assert words[::2] == ["-c"] * (len(words) // 2)
    server = tomllib.loads("\n".join(words[1::2]))["mcp_servers"]["llm_loop"]
    assert server["args"][-4:] == ["--checkout", str(checkout), "--keep-out", str(checkout)]
    assert "-P" in server["args"] and server["cwd"] != str(checkout) and "required" not in server
    assert server["enabled_tools"] == list(TOOL_NAMES)
    assert tomllib.loads(f"x = {toml(['a', 'b'])}") == {"x": ["a", "b"]}


def test_the_verb_knows_its_options() -> None:
    parser = argparse.ArgumentParser()
    mcp.add_to(parser.add_subparsers())
    arguments = parser.parse_args(["mcp", "--checkout", "c", "--keep-out", "a", "--keep-out", "b"])
    assert arguments.act is mcp.run and arguments.checkout == Path("c")
    assert arguments.keep_out == [Path("a"), Path("b")]
