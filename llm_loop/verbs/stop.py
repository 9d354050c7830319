"""``llm-loop stop``: end the daemon on purpose, and return when it is gone."""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import Any

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.errors import LoopError
from llm_loop.requests import LEAVE_RUN
from llm_loop.system import files
from llm_loop.system.clock import SystemClock
from llm_loop.system.instance_lock import is_held
from llm_loop.views.reading import SnapshotReader
from llm_loop.views.wording import typed


def add_to(subparsers: Any) -> None:
    """Add the verb's parser."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "stop",
        help="End the loop: trainings are ended politely, and this returns when the daemon is gone.",
        description="End the loop: trainings are ended politely, and this returns when the daemon is gone.",
    )
    parser.add_argument(
        "--leave-run", action="store_true", help="Leave trainings running; the next start takes them over."
    )
    parser.add_argument(
        "--timeout", type=float, default=60.0, metavar="S", help="Give up after S seconds (default: 60)."
    )
    parser.set_defaults(act=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask the daemon to end and wait for it. Raises LoopError when it is still there at the timeout."""
    paths = WorkspacePaths(arguments.workspace)
    if not is_held(paths.instance_lock):
        print(f"No loop is running here.{_left_behind(paths)}")
        return 0
    files.replace_text(paths.stop_daemon, LEAVE_RUN if arguments.leave_run else "")
    print("Asked the loop to end; waiting for it.", file=sys.stderr, flush=True)
    give_up = time.monotonic() + arguments.timeout
    while is_held(paths.instance_lock):
        if time.monotonic() >= give_up:
            raise LoopError(
                f"the loop still holds {paths.root} after {arguments.timeout:g} s; the request stays in "
                f"{paths.stop_daemon}; look at `{typed('status')}`"
            )
        time.sleep(0.05)
    print(f"The loop has ended.{_left_behind(paths)}")
    return 0


def _left_behind(paths: WorkspacePaths) -> str:
    """Say which trainings run on without a loop; "" for none."""
    snapshot = SnapshotReader(paths, SystemClock(), os.environ).take()
    runs = [run.run_id for run in snapshot.runs if not run.ended_unrecorded]
    if not runs:
        return ""
    return (
        f" {', '.join(runs)} may still be training: `{typed('start')}` takes it over, `{typed('stop')}` ends it then."
    )
