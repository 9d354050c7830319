"""``llm-loop leaderboard``: every ended run, ranked, with its noise and its ties."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.system.clock import SystemClock
from llm_loop.system.files import json_text
from llm_loop.views.leaderboard_lines import leaderboard_lines
from llm_loop.views.output import until_closed
from llm_loop.views.reading import SnapshotReader
from llm_loop.views.untrusted import clean, plain
from llm_loop.views.whole_leaderboard import whole_leaderboard

_MOST = 1000


def add_to(subparsers: Any) -> None:
    """Add the verb's parser."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "leaderboard",
        help="Rank every ended run: values with their noise, ties, seeds, models; failed runs apart.",
        description="Rank every ended run by the selection metric. Runs of one configuration with several seeds are "
        "one place; places whose difference lies inside the known noise are called tied; failed, cancelled and "
        "interrupted runs are listed apart and never ranked. Reads files alone, so it works beside a living loop.",
        epilog="Exit code 0, also while nothing has ended. 1: the history cannot be read.",
    )
    parser.add_argument("--top", type=_places, default=10, metavar="K", help=f"Places to show, 1 to {_MOST} (10).")
    parser.add_argument("--json", action="store_true", help="Print one JSON object (schema_version 1; default: text).")
    parser.set_defaults(act=run)


def _places(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 1 <= number <= _MOST:
        raise argparse.ArgumentTypeError(f"{clean(text, 40)!r} is no number of places: give 1 to {_MOST}")
    return number


def run(arguments: argparse.Namespace) -> int:
    """Print the ranking. Raises LoopError when the history cannot be read or standard output not be written."""
    with until_closed():
        paths = WorkspacePaths(arguments.workspace)
        found = whole_leaderboard(paths, SnapshotReader(paths, SystemClock(), os.environ).config(), arguments.top)
        for note in found.notes:
            print(f"llm-loop: {clean(note, 400)}", file=sys.stderr)
        if arguments.json:
            empty: dict[str, Any] = {"schema_version": 1, "metric": None, "entries": []}
            print(json_text(plain(empty if found.board is None else found.board.to_json()), indent=2))
        elif found.board is None:
            print("No run has ended yet.")
        else:
            for line in leaderboard_lines(found.board):
                print(line)
    return 0
