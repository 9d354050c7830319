"""The finish-up that a start is given: ``start --run-hours 8 --finishup-minutes 60``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace

from llm_loop.config import Config
from llm_loop.contract.finish_up import LEAST_MINUTES, FinishUpWish, WishDefaults, read_wish, scheduled
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.errors import ConfigError, ContractError
from llm_loop.system import files
from llm_loop.system.clock import SystemClock
from llm_loop.verbs import finishup_flags
from llm_loop.views.finish_up_lines import wish_lines
from llm_loop.views.finish_up_status import wish_defaults

FLAGS = ("finishup_minutes", "finishup_final_training_rounds", "finishup_top_k", "finishup_note")
hours = finishup_flags.hours


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    group = parser.add_argument_group(
        "finish-up", "With --run-hours, or one of these beside --run-minutes: a final training round and the report."
    )
    group.add_argument(
        "--finishup-minutes",
        type=finishup_flags.minutes,
        metavar="M",
        help="Length of the window at the end, 0.5 or more (default: configured, 60).",
    )
    group.add_argument(
        "--finishup-final-training-rounds", type=finishup_flags.rounds, metavar="N", help="0 to 20 (default: 1)."
    )
    group.add_argument(
        "--finishup-top-k", type=finishup_flags.places, metavar="K", help="Places of the leaderboard (configured, 10)."
    )
    group.add_argument(
        "--finishup-note",
        type=finishup_flags.note,
        metavar="TEXT",
        help=f"Words for agents and report (default: {finishup_flags.NOTE_VARIABLE} of the environment, if any).",
    )


def check(arguments: argparse.Namespace, run_minutes: float | None) -> None:
    """Raise ConfigError where a finish-up is wanted and nothing says when the night is over."""
    given = [flag for flag in FLAGS if getattr(arguments, flag) is not None]
    if given and run_minutes is None:
        flag = given[0].replace("_", "-")
        raise ConfigError(f"--{flag} needs --run-hours or --run-minutes: the window is the last part of them")
    if given and run_minutes is not None and run_minutes < LEAST_MINUTES:
        raise ConfigError(f"--run-minutes {run_minutes:g}: a finish-up takes {LEAST_MINUTES:g} minutes at least")


def write(
    arguments: argparse.Namespace, run_minutes: float | None, config: Config, paths: WorkspacePaths
) -> Iterator[str]:
    """Write the wish that the flags make, or put one that is over away; yield what a person should know.

    A start by the machine leaves what lies there: the night goes on as it was, or is over. Raises FileWriteError.
    """
    defaults = wish_defaults(config, SystemClock().utc_now())
    known = _known(config, defaults)
    if arguments.autostarted and known is not None:
        return
    wanted = arguments.run_hours is not None or any(getattr(arguments, flag) is not None for flag in FLAGS)
    if wanted and run_minutes is not None:
        wish = _wish(arguments, run_minutes, defaults)
        files.replace_json(config.finishup_control_file, wish.to_json())
        yield from wish_lines(wish, defaults.now)
    elif known is not None and known.status.is_over:
        files.remove(config.finishup_control_file)
        yield f"The finish-up of before is {known.status.value}; {config.finishup_control_file.name} is taken away."


def _known(config: Config, defaults: WishDefaults) -> FinishUpWish | None:
    try:
        return read_wish(config.finishup_control_file, defaults)
    except (FileNotFoundError, ContractError):  # the loop refuses a broken one, and says why
        return None


def _wish(arguments: argparse.Namespace, run_minutes: float, defaults: WishDefaults) -> FinishUpWish:
    wish = scheduled(run_minutes, arguments.finishup_minutes, defaults)
    rounds = arguments.finishup_final_training_rounds
    return replace(
        wish,
        rounds=wish.rounds if rounds is None else rounds,
        top_k=arguments.finishup_top_k or wish.top_k,
        note=finishup_flags.words(arguments.finishup_note),
    )
