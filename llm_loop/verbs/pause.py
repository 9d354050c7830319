"""``llm-loop pause`` and ``llm-loop resume``: hold launches, or let them go on."""

from __future__ import annotations

import argparse
from typing import Any

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.system import files
from llm_loop.views.wording import typed


def add_to(subparsers: Any) -> None:
    """Add both verbs' parsers."""
    pause = subparsers.add_parser(
        "pause", help="Launch nothing new; a training that runs goes on.", description="Launch nothing new."
    )
    pause.set_defaults(act=run, hold=True)
    resume = subparsers.add_parser("resume", help="Go on after a pause.", description="Go on after a pause.")
    resume.set_defaults(act=run, hold=False)


def run(arguments: argparse.Namespace) -> int:
    """Set or remove the PAUSE flag, which a running daemon sees within a second."""
    flag = WorkspacePaths(arguments.workspace).pause
    if arguments.hold:
        files.replace_text(flag, "")
        print(f"Paused: nothing new is launched until `{typed('resume')}`.")
    else:
        files.remove(flag)
        print("Resumed.")
    return 0
