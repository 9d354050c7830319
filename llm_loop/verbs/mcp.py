"""``llm-loop mcp``: serve the read tools of the worker and the mentor."""

from __future__ import annotations

import argparse
from typing import Any

from llm_loop.mcp_tools import __main__ as server


def add_to(subparsers: Any) -> None:
    """Add the verb's parser."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "mcp",
        help="Serve read-only tools (history, logs, TODO, a checkout's files) to a Codex call by MCP.",
        description="Serve read-only tools to a model by the Model Context Protocol on standard input and output: "
        "history query, leaderboard, slices of run logs, configuration keys, TODO, and the files of one "
        "checkout. The loop registers this server with each Codex call by itself; nobody has to start it. It needs "
        "the package `mcp` (the extra `codex`); without it, calls are made without these tools.",
        epilog="Exit code 0 when the client goes away; 1 when the package `mcp` is missing.",
    )
    server.add_options(parser)
    parser.set_defaults(act=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until standard input ends."""
    return server.serve(arguments.workspace, arguments.checkout, arguments.keep_out)
