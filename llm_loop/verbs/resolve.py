"""``llm-loop resolve``: say that what a person was needed for is done."""

from __future__ import annotations

import argparse
from typing import Any

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.request import Request, RequestKind, new_id
from llm_loop.system.clock import SystemClock
from llm_loop.system.files import json_text
from llm_loop.verbs.asking import EXIT_CODES, Answer, add_note, add_timeout, ask


def add_to(subparsers: Any) -> None:
    """Add the verb's parser."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "resolve",
        help="Say that what you were called for is done; launches that it held go on.",
        description="Close a reason for which a person was needed (`status` lists them). Launches that it held go on. "
        "A cause that comes back is told anew, with another id. Works without a living loop as well.",
        epilog=EXIT_CODES,
    )
    parser.add_argument(
        "reason", metavar="ID", help="The reason's id, such as H123, in either case; `all` means every open one."
    )
    add_note(parser, "What was done, for the journal")
    parser.add_argument("--json", action="store_true", help="Print one JSON object (schema_version 1; default: text).")
    add_timeout(parser)
    parser.set_defaults(act=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask and say what came of it. Raises LoopError, with the reasons that are open, when there is none of that id."""
    request = Request(
        id=new_id(SystemClock().utc_now()),
        kind=RequestKind.RESOLVE,
        reason=arguments.reason.strip() or "?",
        note=arguments.note,
    )
    answer = ask(WorkspacePaths(arguments.workspace), request, arguments.timeout)
    if arguments.json:
        value = {"schema_version": 1, "resolved": list(answer.reasons), "loop_runs": not answer.alone}
        print(json_text(value, indent=2))
    else:
        print(_words(answer))
    return 0


def _words(answer: Answer) -> str:
    left = "; no loop is running here" if answer.alone else ""
    return f"Resolved: {', '.join(answer.reasons)}{left}."
