"""``llm-loop status``: how the loop of this workspace stands, once."""

from __future__ import annotations

import argparse
import os
from typing import Any

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.system.clock import SystemClock
from llm_loop.system.files import json_text
from llm_loop.views.output import until_closed
from llm_loop.views.reading import SnapshotReader


def add_to(subparsers: Any) -> None:
    """Add the verb's parser."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "status",
        help="Show how the loop stands: running, not responding, dead, stopped or never started.",
        description="Show how the loop stands: its condition (running, not responding, dead, stopped, never started), "
        "what runs, what is staged or under repair, the last decisions with the word of gate and mentor, the best so "
        "far, the leaderboard, the share of idle time and the last alarms. It reads files alone, so it works while the "
        "loop runs and after it ended, and changes nothing. Times on the screen are local, in JSON and files UTC.",
        epilog="Exit code 0 whatever the condition is: ask for `daemon.condition` in the JSON. 1: the folder cannot "
        "be read.",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="Print one JSON object (schema_version 1) instead of text: times in UTC, durations in seconds "
        "(default: text).",
    )
    parser.set_defaults(act=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the status. Raises LoopError when the workspace cannot be read or standard output not be written."""
    with until_closed():
        snapshot = SnapshotReader(WorkspacePaths(arguments.workspace), SystemClock(), os.environ).take()
        if arguments.json:
            print(json_text(snapshot.to_json(), indent=2))
        else:
            from llm_loop.views import terminal  # here, because rich takes longer to load than all the rest

            terminal.print_screen(terminal.screen_console(), snapshot)
    return 0
