"""``llm-loop doctor``: look at everything that a night needs, and name the mend of what is wrong."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from llm_loop.checks.check import Check, State, exit_code
from llm_loop.system.files import json_text
from llm_loop.views.output import until_closed
from llm_loop.views.wording import typed

_LABELS = {State.OK: "ok", State.NOTICE: "note", State.PROBLEM: "PROBLEM", State.FAILED: "FAILED"}


def add_to(subparsers: Any) -> None:
    """Add the verb's parser."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "doctor",
        help="Look at everything that a night needs, and name the mend of what is wrong.",
        description="Look at everything that a night needs: Python, torch and its GPU, disk, data, configuration, "
        "training repository, git, locks, the Codex CLI, its login and sandbox, the network. It really tries the "
        "sandbox: the Codex CLI creates and updates a file, runs a command and reads outside of its folder, all "
        "offline and in a folder of its own; the sandbox that it finds is kept for the loop's calls. It may be run "
        "beside a running loop, which it does not disturb. It takes some 10 seconds, on Windows up to a minute.",
        epilog="Exit codes: 0 all is well, or notes only; 1 a problem that holds Codex or trainings back while the "
        "loop runs; 2 the loop cannot run.",
    )
    parser.add_argument(
        "--config",
        type=Path,
        default=Path("config/daemon_config.json"),
        metavar="FILE",
        help="The configuration, relative to the workspace (default: config/daemon_config.json).",
    )
    parser.add_argument("--json", action="store_true", help="Print one JSON object (schema_version 1; default: text).")
    parser.add_argument(
        "--try-decision",
        action="store_true",
        help="Ask for one decision too, as the loop would, and throw it away (only while no loop runs; it may cost "
        "tokens).",
    )
    parser.add_argument(
        "--set-up-sandbox",
        action="store_true",
        help="Windows: let Codex set its elevated sandbox up, which makes local users and asks for the rights of an "
        "administrator.",
    )
    parser.set_defaults(act=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the findings as they come; return 0, 1 or 2 by the worst of them."""
    from llm_loop.verbs.doctor_checks import all_checks  # here: no other verb has to load what these look at

    found: list[Check] = []
    with until_closed():
        for check in all_checks(arguments):
            found.append(check)
            if not arguments.json:
                _print(check)
        code = exit_code(found)
        if arguments.json:
            value = {"schema_version": 1, "exit_code": code, "checks": [_typed(check).to_json() for check in found]}
            print(json_text(value, indent=2))
        else:
            print(_SUMMARIES[code])
    return code


_SUMMARIES = {
    0: "All is well.",
    1: "The loop can run; what is named above holds something back.",
    2: "The loop cannot run before this is mended.",
}


def _print(check: Check) -> None:
    shown = _typed(check)
    print(f"{_LABELS[check.state]:<8} {check.name}: {shown.what}", flush=True)
    if shown.mend is not None:
        print(f"{'':<8}   mend: {shown.mend}", flush=True)


def _typed(check: Check) -> Check:
    """Name the loop's verbs as a person has to type them here."""
    what, mend = (
        None if text is None else text.replace("`llm-loop ", f"`{typed('')}") for text in (check.what, check.mend)
    )
    return Check(name=check.name, state=check.state, what=what or "", mend=mend)
