"""``llm-loop selftest``: put a loop of its own through a bad night, and count what was lost."""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_loop.selftest.interruption import as_keyboard_interrupt, uninterrupted
from llm_loop.system.files import json_text
from llm_loop.views.output import until_closed

if TYPE_CHECKING:
    from llm_loop.selftest.trial import Check

_REMOVAL_PATIENCE_S = 10.0
_LEAST_MINUTES, _MOST_MINUTES = 0.1, 600.0


def add_to(subparsers: Any) -> None:
    """Add the verb's parser."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "selftest",
        help="Kill and spoil a loop of its own for two minutes, and count what was lost.",
        description="Show whether the loop can be trusted on this machine: in a temporary workspace, never in yours, a "
        "loop with a scripted worker and scripted trainings is killed at random and at chosen moments, its keepers are "
        "killed, its journal is torn, its state removed and spoiled, trainings start processes that hide and ignore "
        "the polite end. Then it counts runs launched twice or lost, events lost, processes left behind, files that do "
        "not parse. It may be run beside a running loop, and leaves nothing behind, after Ctrl-C neither. It needs no "
        "GPU, no login and no network.",
        epilog="Exit codes: 0 all is well; 1 something was lost, doubled, left behind or spoiled; 130 interrupted.",
    )
    parser.add_argument(
        "--minutes",
        type=_minutes,
        default=2.0,
        metavar="M",
        help="How long it goes on, in minutes, 0.1 to 600 (default: 2). Each blow comes at least once, so that a slow "
        "machine may take longer.",
    )
    parser.add_argument(
        "--seed", type=int, metavar="N", help="Seed of the blows and their moments (default: a new one each time)."
    )
    parser.add_argument("--keep", action="store_true", help="Leave the temporary workspace there, and name it.")
    parser.add_argument("--json", action="store_true", help="Print one JSON object (schema_version 1; default: text).")
    parser.set_defaults(act=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the checks as they are made and the verdict; return 0 or 1."""
    from llm_loop.selftest.trial import Trial  # here: other verbs need not load it

    seed = random.randrange(1_000_000) if arguments.seed is None else arguments.seed
    well = False
    with until_closed(), as_keyboard_interrupt(), _workspace(keep=arguments.keep) as root:
        if not arguments.json:
            print(f"A bad night in small, some {arguments.minutes:g} minutes (seed {seed}), in {root}", flush=True)
        trial = Trial(root, seconds=arguments.minutes * 60, seed=seed, say=_silent if arguments.json else _print)
        try:
            well = trial.run()
        finally:
            with uninterrupted():
                trial.clean_up()
        figures = trial.figures()
        if arguments.json:
            value = {"schema_version": 1, "verdict": "all well" if well else "loss", "seed": seed, **figures}
            print(json_text(value | {"workspace": str(root) if arguments.keep else None}, indent=2))
        else:
            print(_verdict(figures, well, seed), flush=True)
    return 0 if well else 1


def _print(check: Check) -> None:
    print(f"{'ok' if check.ok else 'LOSS':<6}{check.what}", flush=True)


def _silent(check: Check) -> None:
    pass


def _verdict(figures: dict[str, Any], well: bool, seed: int) -> str:
    counted = f"{figures['runs']} runs in {figures['attempts']} attempts, {figures['events']} events, "
    counted += f"{figures['restarts']} restarts in {figures['seconds']:.0f} s"
    if well:
        return f"All is well: {counted}; nothing was lost, doubled or left behind."
    again = f"llm-loop selftest --seed {seed} --keep"
    return f"NOT well ({counted}): see the lines with LOSS. `{again}` tries it again and leaves its workspace."


@contextmanager
def _workspace(*, keep: bool) -> Iterator[Path]:
    """Give a new folder; remove it at the end, whatever came, unless it is to be kept."""
    folder: Path | None = None
    try:
        with uninterrupted():
            folder = Path(tempfile.mkdtemp(prefix="llm_loop selftest "))
        yield folder / "workspace"
    finally:
        if folder is not None and not keep:
            with uninterrupted():
                _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a folder; on Windows what has just ended may hold a file of it for a moment."""
    give_up = time.monotonic() + _REMOVAL_PATIENCE_S
    while folder.exists() and time.monotonic() < give_up:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.1 if folder.exists() else 0.0)
    if folder.exists():
        print(f"llm-loop: {folder} could not be removed; remove it by hand", file=sys.stderr)


def _minutes(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not _LEAST_MINUTES <= value <= _MOST_MINUTES:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of minutes from 0.1 to 600")
    return value
