"""``python -m llm_loop.mcp_tools``: the server as Codex starts it; at first it imports what its greeting needs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from llm_loop.contract.mcp_server import HOW_TO_INSTALL, sdk_is_there
from llm_loop.mcp_tools.greeting import greet


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until standard input ends; return 0, or 1 where the SDK is missing."""
    parser = argparse.ArgumentParser(prog="llm-loop mcp")
    parser.add_argument("--workspace", type=Path, default=Path())
    add_options(parser)
    arguments = parser.parse_args(argv)
    return serve(arguments.workspace, arguments.checkout, arguments.keep_out)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what the server needs to know besides the workspace."""
    parser.add_argument(
        "--checkout",
        type=Path,
        default=None,
        metavar="DIR",
        help="The checkout that list_files, read_file and search_text read (default: none; they say so).",
    )
    parser.add_argument(
        "--keep-out",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="A folder that no tool reads, wherever it lies; may be given several times (default: none; the sealed "
        "rows of the configuration are always kept out).",
    )


def serve(workspace: Path, checkout: Path | None, keep_out: Sequence[Path]) -> int:
    """Greet at once, and leave all that follows to the SDK, which is imported only then."""
    if not sdk_is_there():
        print(f"llm-loop mcp: the package `mcp` (2.3 or later) is missing: {HOW_TO_INSTALL}", file=sys.stderr)
        return 1
    said = greet(sys.stdin.buffer, sys.stdout.buffer)
    if said:
        from llm_loop.mcp_tools.server import run
        from llm_loop.mcp_tools.sources import Sources

        run(Sources.open(workspace.absolute(), checkout, keep_out), said)
    return 0


if __name__ == "__main__":
    sys.exit(main())
