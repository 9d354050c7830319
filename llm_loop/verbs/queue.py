"""``llm-loop queue``: list what runs and waits; ``queue add`` puts runs of your own into it."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from llm_loop.contract.decision import Decision
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.request import (
    MOST_BYTES,
    MOST_DECISIONS,
    Request,
    RequestKind,
    filled,
    json_value,
    new_id,
)
from llm_loop.errors import ConfigError, ContractError
from llm_loop.system.clock import SystemClock
from llm_loop.system.files import json_text
from llm_loop.verbs.asking import EXIT_CODES, Answer, add_timeout, ask
from llm_loop.views.output import until_closed
from llm_loop.views.queue import queue_lines, read_queue
from llm_loop.views.wording import typed


def add_to(subparsers: Any) -> None:
    """Add the verb's parser."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "queue",
        help="List what runs and what waits; `queue add FILE` puts runs of your own into the queue.",
        description="List the open runs: those in a slot, those that wait for one and what for, and requests that the "
        "loop has not taken up yet. Reads files alone.",
        epilog="Exit code 0: shown. 1: the folder cannot be read. For `queue add`: see its own help.",
    )
    parser.add_argument("--json", action="store_true", help="Print one JSON object (schema_version 1; default: text).")
    parser.set_defaults(act=run_list)
    add: argparse.ArgumentParser = parser.add_subparsers(metavar="add", title="also").add_parser(
        "add",
        help="Put runs of your own into the queue.",
        description=f"Put 1 to {MOST_DECISIONS} runs of your own into the queue. FILE holds one decision as a JSON "
        "object, or a list of them, of the form that a worker answers with (contract/decision.schema.json); only "
        "command and run_label have to be there. The same gate judges them; when it refuses one, none is queued. They "
        "start before whatever is planned after them, need no approval, and outlive a stop of the loop.",
        epilog=EXIT_CODES,
    )
    add.add_argument("file", metavar="FILE", help="The file, or - for standard input.")
    add_timeout(add)
    add.set_defaults(act=run_add)


def run_list(arguments: argparse.Namespace) -> int:
    """Print the queue. Raises LoopError when the workspace cannot be read."""
    with until_closed():
        queue = read_queue(WorkspacePaths(arguments.workspace), SystemClock(), os.environ)
        if arguments.json:
            print(json_text(queue.to_json(), indent=2))
        else:
            for line in queue_lines(queue):
                print(line)
    return 0


def run_add(arguments: argparse.Namespace) -> int:
    """Queue the decisions of a file. Raises LoopError with the reasons when they are refused."""
    decisions = _decisions(arguments.file)
    request = Request(id=new_id(SystemClock().utc_now()), kind=RequestKind.QUEUE_ADD, decisions=decisions)
    answer = ask(WorkspacePaths(arguments.workspace), request, arguments.timeout)
    print(_words(answer, decisions))
    return 0


def _decisions(name: str) -> tuple[Decision, ...]:
    """Return the decisions of a file as a person wrote it. Raises ContractError with all that is wrong, ConfigError."""
    if name == "-":
        data = sys.stdin.buffer.read(MOST_BYTES + 1)
    else:
        try:
            with Path(name).expanduser().open("rb") as stream:
                data = stream.read(MOST_BYTES + 1)
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise ConfigError(f"{name}: {why}; name a JSON file of decisions, or - for standard input") from error
    subject = "standard input" if name == "-" else name
    if len(data) > MOST_BYTES:
        raise ContractError(subject, [f"larger than {MOST_BYTES:,} bytes: add them in several files"])
    value = json_value(data, subject)
    given = value if isinstance(value, list) else [value]
    if not 1 <= len(given) <= MOST_DECISIONS:
        raise ContractError(subject, [f"{len(given)} decisions; 1 to {MOST_DECISIONS} are taken at once"])
    return tuple(
        Decision.from_json(filled(one), subject if len(given) == 1 else f"{subject}, decision {place}")
        for place, one in enumerate(given, start=1)
    )


def _words(answer: Answer, decisions: tuple[Decision, ...]) -> str:
    pairs = zip(answer.run_ids, decisions, strict=False)
    names = ", ".join(f"{run_id} ({decision.run_label[:60]})" for run_id, decision in pairs)
    when = f"; no loop is running here: `{typed('start')}` runs it" if answer.alone else ""
    return f"Queued: {names}{when}."
