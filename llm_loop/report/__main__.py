"""Make the final report of a workspace: ``python -m llm_loop.report --workspace-root DIR``.

Reads files alone, so it works beside a living loop. Prints one JSON line. Exit codes: 0 done, also while no run has
ended; 1 a file cannot be read or written; 2 wrong usage.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from llm_loop.contract.finish_up import LONGEST_NOTE, MOST_PLACES
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.errors import LoopError
from llm_loop.report.making import Wish, gather, write_report
from llm_loop.report.places import Places, standard_places
from llm_loop.system.clock import SystemClock, utc_text
from llm_loop.system.files import json_text
from llm_loop.views.output import until_closed
from llm_loop.views.reading import SnapshotReader
from llm_loop.views.untrusted import clean

_OUTPUTS = ("condensed_story", "paper_report", "leaderboard_json", "leaderboard_md", "html")
_CONFIG = Path("config/daemon_config.json")


def main(argv: Sequence[str] | None = None) -> int:
    """Make a report and return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    arguments = parser().parse_args(argv)
    try:
        with until_closed():
            print(json_text(make(arguments)))
    except LoopError as error:
        print(f"llm_loop.report: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"llm_loop.report: {error}", file=sys.stderr)
        return 1
    return 0


def make(arguments: argparse.Namespace) -> dict[str, object]:
    """Make the report that the flags ask for; return what a program is told of it. Raises LoopError, OSError."""
    paths = WorkspacePaths(arguments.workspace_root.expanduser().absolute())
    if not paths.loop.is_dir() and not (paths.root / _CONFIG).is_file():
        raise LoopError(f"{paths.root} is no workspace: neither .llm_loop nor {_CONFIG} lies there")
    clock = SystemClock()
    reader = SnapshotReader(paths, clock, os.environ)
    reader.take()  # finds out which configuration the loop was last started with
    config = reader.config()
    repo_root = arguments.repo_root or (paths.root if config is None else config.training_repo_root)
    wish = Wish(
        top_k=arguments.top_k,
        note=arguments.note,
        repo_root=repo_root.expanduser().absolute(),
        places=_places(arguments, standard_places(paths, arguments.top_k)),
    )
    return write_report(gather(paths, config, wish, utc_text(clock.utc_now())), wish)


def _places(arguments: argparse.Namespace, standard: Places) -> Places:
    given = {name: getattr(arguments, f"{name}_out") for name in _OUTPUTS}
    return replace(standard, **{name: path.expanduser().absolute() for name, path in given.items() if path is not None})


def parser() -> argparse.ArgumentParser:
    """Return the parser of the flags."""
    flags = argparse.ArgumentParser(
        prog="python -m llm_loop.report",
        description="Make the final report of a workspace: a condensed story, a paper, a leaderboard, figures, and one "
        "page that holds all of it. Reads files alone, so it works beside a living loop; it opens no sealed rows.",
        epilog="Exit code 0: made, also while no run has ended. 1: a file cannot be read or written. 2: wrong usage.",
    )
    flags.add_argument(
        "--workspace-root",
        type=Path,
        required=True,
        metavar="DIR",
        help="The folder that holds config/ and .llm_loop/.",
    )
    flags.add_argument(
        "--repo-root", type=Path, metavar="DIR", help="The training repository, for the record (default: configured)."
    )
    flags.add_argument("--top-k", type=_places_count, default=10, metavar="K", help=f"Places, 1 to {MOST_PLACES} (10).")
    flags.add_argument("--note", type=_note, default="", metavar="TEXT", help="A person's words at the top (none).")
    for name in _OUTPUTS:
        flag = f"--{name.replace('_', '-')}-out"
        flags.add_argument(flag, type=Path, metavar="FILE", help="Another place for this file (default: artifacts/).")
    return flags


def _places_count(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 1 <= number <= MOST_PLACES:
        raise argparse.ArgumentTypeError(f"{clean(text, 40)!r} is no number of places: give 1 to {MOST_PLACES}")
    return number


def _note(text: str) -> str:
    if len(text) > LONGEST_NOTE:
        raise argparse.ArgumentTypeError(f"the note has {len(text)} characters; at most {LONGEST_NOTE} are kept")
    return text


if __name__ == "__main__":
    raise SystemExit(main())
