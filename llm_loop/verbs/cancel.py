"""``llm-loop cancel``, ``approve`` and ``reject``: a person's word on one run."""

from __future__ import annotations

import argparse
from typing import Any

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.request import Request, RequestKind, new_id
from llm_loop.system.clock import SystemClock
from llm_loop.verbs.asking import EXIT_CODES, Answer, add_note, add_timeout, ask

_RUN = "The run's id, such as R0007, or its label."


def add_to(subparsers: Any) -> None:
    """Add the three verbs' parsers."""
    cancel = subparsers.add_parser(
        "cancel",
        help="Cancel one run: a waiting one at once, one that trains is asked to end.",
        description="Cancel one run. One that waits for a slot never starts. One that trains is asked to end; what it "
        "has left so far stays in its folder and is not ranked. Without a living loop this is done at once too.",
        epilog=EXIT_CODES,
    )
    approve = subparsers.add_parser(
        "approve",
        help="Let a run start that waits for your approval (requires_approval).",
        description="Let a run start that waits for your approval. It takes its turn among those that wait for a slot.",
        epilog=EXIT_CODES,
    )
    reject = subparsers.add_parser(
        "reject",
        help="Cancel a run that waits for your approval, with a note that worker and mentor see.",
        description="Cancel a run that waits for your approval. Worker, mentor and planner see that, and the note.",
        epilog=EXIT_CODES,
    )
    add_note(reject, "Why")
    for kind, parser in ((RequestKind.CANCEL, cancel), (RequestKind.APPROVE, approve), (RequestKind.REJECT, reject)):
        parser.add_argument("run", metavar="RUN", help=_RUN)
        add_timeout(parser)
        parser.set_defaults(act=run, kind=kind)


def run(arguments: argparse.Namespace) -> int:
    """Ask and say what came of it. Raises LoopError when it is refused."""
    kind = arguments.kind
    note = arguments.note if kind is RequestKind.REJECT else None
    request = Request(id=new_id(SystemClock().utc_now()), kind=kind, run=arguments.run.strip() or "?", note=note)
    answer = ask(WorkspacePaths(arguments.workspace), request, arguments.timeout)
    print(_words(kind, answer))
    return 0


def _words(kind: RequestKind, answer: Answer) -> str:
    name = ", ".join(answer.run_ids)
    if kind is RequestKind.APPROVE:
        return f"Approved: {name} starts at the next start." if answer.alone else f"Approved: {name} takes its turn."
    if kind is RequestKind.REJECT:
        return f"Rejected: {name} never starts."
    return f"Cancelled: {name}; if it trains, it is asked to end."
