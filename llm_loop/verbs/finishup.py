"""``llm-loop finishup``: ask for the final training round and the report, now or at a moment; show or cancel that."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from llm_loop.contract.finish_up import (
    MOST_ROUNDS,
    ActivationMode,
    FinishUpWish,
    WishDefaults,
    read_wish,
    scheduled,
    window_from,
)
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.errors import ConfigError
from llm_loop.system import files
from llm_loop.system.clock import SystemClock, utc_text
from llm_loop.system.files import json_text
from llm_loop.system.instance_lock import is_held
from llm_loop.verbs import finishup_flags
from llm_loop.views.finish_up_lines import wish_lines
from llm_loop.views.finish_up_status import wish_defaults
from llm_loop.views.reading import SnapshotReader
from llm_loop.views.wording import typed


def add_to(subparsers: Any) -> None:
    """Add the verb's parser."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "finishup",
        help="End the night: a final training round, then story, report and leaderboard, by a deadline.",
        description="Write .llm_loop/FINISH_UP.json, which the loop obeys: at the activation what is staged is "
        "dropped, the best configuration is trained once more where that fits, the test rows are opened once for it, "
        "and story, report and leaderboard are there by the deadline. Without a moment it begins at once.",
        epilog="Exit code 0: written, shown or cancelled. 1: the file cannot be read or written. 2: wrong usage.",
    )
    parser.add_argument(
        "--minutes-left",
        type=finishup_flags.minutes,
        metavar="M",
        help="Length of the window, 0.5 or more (default: configured, 60).",
    )
    parser.add_argument(
        "--final-training-rounds",
        type=finishup_flags.rounds,
        default=1,
        metavar="N",
        help=f"0 to {MOST_ROUNDS} (default: 1).",
    )
    parser.add_argument(
        "--top-k", type=finishup_flags.places, metavar="K", help="Places of the leaderboard (default: configured, 10)."
    )
    parser.add_argument(
        "--note",
        type=finishup_flags.note,
        metavar="TEXT",
        help=f"Words for agents and report (default: {finishup_flags.NOTE_VARIABLE} of the environment, if any).",
    )
    when = parser.add_mutually_exclusive_group()
    when.add_argument(
        "--run-hours",
        type=finishup_flags.hours,
        metavar="H",
        help="Be done H hours from now: the window is the last part of them.",
    )
    when.add_argument(
        "--activate-in-minutes", type=finishup_flags.delay, metavar="M", help="Open the window M minutes from now."
    )
    when.add_argument(
        "--activate-at-utc", type=finishup_flags.moment, metavar="TIME", help="Open it then: ISO 8601, UTC if no zone."
    )
    parser.add_argument(
        "--force-report-now", action="store_true", help="Report at once, without final training or test rows."
    )
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--cancel", action="store_true", help="Take the file away; the loop goes on as before.")
    instead.add_argument("--show", action="store_true", help="Print what is wished, and change nothing.")
    parser.add_argument("--json", action="store_true", help="Print one JSON object instead of text.")
    parser.set_defaults(act=run)


def run(arguments: argparse.Namespace) -> int:
    """Write, show or take away the wish; to take it away beats writing.

    Raises ContractError for a file that is no wish, ConfigError for wrong usage, FileWriteError.
    """
    paths, now = WorkspacePaths(arguments.workspace), SystemClock().utc_now()
    config = SnapshotReader(paths, SystemClock(), os.environ).config()
    place = paths.finish_up if config is None else config.finishup_control_file
    if arguments.cancel:
        there = place.exists()
        files.remove(place)
        _say(
            arguments, {"cancelled": there}, "Cancelled." if there else f"Nothing to cancel: there is no {place.name}."
        )
        return 0
    if arguments.show:
        return _show(arguments, place, wish_defaults(config, now))
    if not paths.root.is_dir():
        raise ConfigError(f"{paths.root} is no folder: name a workspace with --workspace")
    wish = _wish(arguments, wish_defaults(config, now))
    files.replace_json(place, wish.to_json())
    _say(arguments, wish.to_json(), "\n".join(wish_lines(wish, now)))
    if not is_held(paths.instance_lock):
        print(f"No loop is running here: the next `{typed('start')}` obeys it.", file=sys.stderr)
    return 0


def _show(arguments: argparse.Namespace, place: Path, defaults: WishDefaults) -> int:
    try:
        wish = read_wish(place, defaults)
    except FileNotFoundError:
        _say(arguments, {"present": False}, "No finish-up is wished.")
        return 0
    _say(arguments, {"present": True, **wish.to_json()}, "\n".join(wish_lines(wish, defaults.now)))
    return 0


def _say(arguments: argparse.Namespace, value: dict[str, Any], text: str) -> None:
    print(json_text({"schema_version": 1, **value}, indent=2) if arguments.json else text)


def _wish(arguments: argparse.Namespace, defaults: WishDefaults) -> FinishUpWish:
    """Return what the flags say. Raises ConfigError for a window that is over before it begins."""
    if arguments.run_hours is not None:
        wish = scheduled(arguments.run_hours * 60, arguments.minutes_left, defaults)
    else:
        minutes = defaults.minutes if arguments.minutes_left is None else arguments.minutes_left
        begins, mode = defaults.now, ActivationMode.IMMEDIATE
        if arguments.activate_in_minutes:
            begins, mode = begins + timedelta(minutes=arguments.activate_in_minutes), ActivationMode.IN_MINUTES
        elif arguments.activate_at_utc is not None:
            begins, mode = arguments.activate_at_utc, ActivationMode.AT_UTC
        wish = window_from(begins, minutes, defaults, mode)
        if wish.deadline <= defaults.now:
            raise ConfigError(f"--activate-at-utc: the window is over already: it ends {utc_text(wish.deadline)}")
    return replace(
        wish,
        rounds=0 if arguments.force_report_now else arguments.final_training_rounds,
        top_k=arguments.top_k or wish.top_k,
        report_now=arguments.force_report_now,
        note=finishup_flags.words(arguments.note),
    )
