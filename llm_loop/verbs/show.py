"""``llm-loop show``: one run, whole: decision, gate, mentor, code and diff, steps and mends, outcome."""

from __future__ import annotations

import argparse
from typing import Any

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.system.files import json_text
from llm_loop.views.output import until_closed
from llm_loop.views.run_story import read_story
from llm_loop.views.run_story_lines import story_lines


def add_to(subparsers: Any) -> None:
    """Add the verb's parser."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "show",
        help="Show one run: who proposed it, what gate and mentor said, which code ran with its diff, how it ended.",
        description="Show one run as the journal tells it: the decision and everything else that was proposed in its "
        "cycle, the verdicts of the gate, the mentor's word, the code version that ran, where, and what it changed "
        "as a diff, the attempts with their steps, why it failed, what was mended and taken back, and the outcome. "
        "Reads files alone.",
        epilog="Exit code 0: shown. 1: no such run, or the journal cannot be read.",
    )
    parser.add_argument("run", metavar="RUN", help="The run's id, such as R0007, or its label.")
    parser.add_argument("--json", action="store_true", help="Print one JSON object (schema_version 1; default: text).")
    parser.set_defaults(act=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the story of a run. Raises LoopError when there is none."""
    with until_closed():
        story = read_story(WorkspacePaths(arguments.workspace), arguments.run)
        if arguments.json:
            print(json_text(story.to_json(), indent=2))
        else:
            for line in story_lines(story):
                print(line)
    return 0
