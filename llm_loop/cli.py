"""The command line: verbs, help, and the one wall where errors become words.

Exit codes: 0 done; 1 a failure, named in one line; 2 wrong usage or configuration, nothing was started;
3 another daemon holds the workspace; 4 the loop died again and again and waits for a person; 5 a request was
not answered in time and waits in the inbox; 130 interrupted. Answers go to standard output, talk to standard error.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path

from llm_loop import __version__
from llm_loop.errors import LoopError

# Each verb and the module that holds it, in the order of the help.
_MODULES = {
    "start": "start",
    "stop": "stop",
    "status": "status",
    "watch": "watch",
    "show": "show",
    "events": "events",
    "export": "export",
    "diff": "diff",
    "reproduce": "reproduce",
    "leaderboard": "leaderboard",
    "queue": "queue",
    "cancel": "cancel",
    "approve": "cancel",
    "reject": "cancel",
    "resolve": "resolve",
    "pause": "pause",
    "resume": "pause",
    "finishup": "finishup",
    "clean": "clean",
    "autostart": "autostart",
    "config": "config",
    "data": "data",
    "login": "login",
    "doctor": "doctor",
    "selftest": "selftest",
    "mcp": "mcp",
}


def build_parser(verbs: Iterable[str] = _MODULES) -> argparse.ArgumentParser:
    """Return the parser of these verbs; their modules, and no others, are imported."""
    parser = argparse.ArgumentParser(
        prog="llm-loop",
        description="Run CNN experiments unattended: a worker decides, a mentor challenges, a gate judges.",
        epilog="Exit codes: 0 done; 1 failure; 2 wrong usage or configuration; 3 workspace held by another daemon; "
        "4 it died again and again, a person is needed; 5 the loop has not answered in time.",
    )
    parser.add_argument("--version", action="version", version=f"llm_loop {__version__}")
    parser.add_argument(
        "--workspace",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="The folder that holds config/ and .llm_loop/ (default: the current folder).",
    )
    subparsers = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for module in dict.fromkeys(_MODULES[verb] for verb in verbs):
        importlib.import_module(f"llm_loop.verbs.{module}").add_to(subparsers)
    return parser


def _possible(words: Sequence[str]) -> Iterable[str]:
    """Return the verbs that these words can mean, for to import all takes longer than most of them run."""
    if words and (words[0] in _MODULES or words[0].startswith("--workspace")):
        return [verb for verb in _MODULES if verb in words] or _MODULES
    return _MODULES


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code."""
    _speak_utf8()
    words = sys.argv[1:] if argv is None else argv
    arguments = build_parser(_possible(words)).parse_args(words)
    arguments.workspace = arguments.workspace.expanduser().absolute()
    try:
        code: int = arguments.act(arguments)
    except LoopError as error:
        print(f"llm-loop: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a file or folder in the way, a disk that is gone: the system's own words name it
        print(f"llm-loop: {error}", file=sys.stderr)
        return 1
    except Exception as error:  # noqa: BLE001 - the wall: a defect of ours is said in one line, with its trace in a file
        return _report_defect(error, arguments.workspace)
    return code


def _speak_utf8() -> None:
    """Write UTF-8 whatever the console's code page; what it cannot show becomes a question mark."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="replace")


def _report_defect(error: Exception, workspace: Path) -> int:
    """Say that llm_loop itself failed, and leave the trace where it can be sent from."""
    trace = "".join(traceback.format_exception(error))
    place = workspace / ".llm_loop" / "logs" / "last_crash.txt"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(trace, encoding="utf-8")
    except OSError:
        print(trace, file=sys.stderr)
        return 1
    print(f"llm-loop: a defect in llm_loop: {type(error).__name__}: {error}; the trace is in {place}", file=sys.stderr)
    return 1
