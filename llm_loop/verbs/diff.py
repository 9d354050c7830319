"""``llm-loop diff``: what parts two runs."""

from __future__ import annotations

import argparse
import os
from typing import Any

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.system.clock import SystemClock
from llm_loop.system.files import json_text
from llm_loop.views.output import until_closed
from llm_loop.views.reading import SnapshotReader
from llm_loop.views.run_difference import read_difference
from llm_loop.views.run_difference_lines import difference_lines
from llm_loop.views.whole_leaderboard import whole_leaderboard

_RUN = "A run's id, such as R0007, or its label."


def add_to(subparsers: Any) -> None:
    """Add the verb's parser."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "diff",
        help="Compare two runs: outcome and whether it is noise, settings, command, curves, code.",
        description="Compare two runs: which is ahead and whether by more than the noise that is known, the settings "
        "that differ, the commands, both curves by epoch, and the code as a diff from the first to the second. Reads "
        "files alone.",
        epilog="Exit code 0: shown. 1: no such run, or what is kept of it cannot be read.",
    )
    parser.add_argument("first", metavar="RUN_A", help=_RUN)
    parser.add_argument("second", metavar="RUN_B", help=_RUN)
    parser.add_argument("--json", action="store_true", help="Print one JSON object (schema_version 1; default: text).")
    parser.set_defaults(act=run)


def run(arguments: argparse.Namespace) -> int:
    """Print what parts two runs. Raises LoopError when one is not known."""
    from llm_loop.versions.export import patch_of  # here: most other verbs need nothing of it
    from llm_loop.versions.store import VersionStore

    paths = WorkspacePaths(arguments.workspace)
    store = VersionStore(paths.versions)

    def patch(first: str, second: str) -> str:
        return patch_of(store, store.read(first), store.read(second))

    with until_closed():
        ranked = whole_leaderboard(paths, SnapshotReader(paths, SystemClock(), os.environ).config(), 1)
        difference = read_difference(paths, ranked, arguments.first, arguments.second, patch)
        if arguments.json:
            print(json_text(difference.to_json(), indent=2))
        else:
            for line in difference_lines(difference):
                print(line)
    return 0
