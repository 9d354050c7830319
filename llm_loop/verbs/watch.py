"""``llm-loop watch``: look again and again; and the live view that ``start`` shows."""

from __future__ import annotations

import argparse
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, Protocol

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.errors import LoopError
from llm_loop.system.clock import Clock, SystemClock, utc_text
from llm_loop.system.keyboard import Keyboard
from llm_loop.verbs.watch_keys import HELP, Keys
from llm_loop.views.condition import DaemonStatus
from llm_loop.views.lines import PlainLines
from llm_loop.views.output import until_closed
from llm_loop.views.reading import SnapshotReader
from llm_loop.views.snapshot import Snapshot
from llm_loop.views.wording import seconds_between

LEAST_INTERVAL_S = 5.0
_DEFAULT_INTERVAL_S = 60.0
_ATTACHED_INTERVAL_S = 0.5
_LINES_INTERVAL_S = 1.0
_START_TAKES_S = 5.0


class View(Protocol):
    """Show snapshots as they come, and the last one at the end."""

    def show(self, snapshot: Snapshot, now: datetime, now_s: float) -> None:
        """Show how things stand."""

    def say(self, text: str) -> None:
        """Show one line of the view's own."""

    def close(self, snapshot: Snapshot) -> None:
        """Show how things stand at the end."""


def add_to(subparsers: Any) -> None:
    """Add the verb's parser."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "watch",
        help="Show the status again and again, until Ctrl-C.",
        description="Show the status on a fresh screen every few seconds, until Ctrl-C. Keys: p pauses, r resumes, "
        "s stops the run that trains, f finishes up (both are to be pressed twice), q quits. Where the output is no "
        "terminal, print one line for each thing that happens instead. It reads files alone and may be started and "
        "ended at any time. Times on the screen are local.",
        epilog="Exit codes: 0 ended by Ctrl-C or by a closed output; 1 the folder cannot be read; 2 wrong usage.",
    )
    parser.add_argument(
        "--interval",
        type=_interval,
        metavar="S",
        help="Seconds between two looks, at least 5 (default: watch_interval_seconds of the configuration, 60 as "
        "shipped; 1 for plain lines).",
    )
    parser.add_argument("--once", action="store_true", help="Print one view and end (default: go on until Ctrl-C).")
    parser.add_argument(
        "--plain", action="store_true", help="Print plain lines on a terminal too (default: only where there is none)."
    )
    parser.add_argument("--attached", type=int, metavar="PID", help=argparse.SUPPRESS)
    parser.set_defaults(act=run)


def run(arguments: argparse.Namespace) -> int:
    """Watch, and return 0. Raises LoopError when the workspace cannot be read or standard output not be written."""
    if arguments.attached is not None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the daemon's, and this shows how it ends
    paths, clock = WorkspacePaths(arguments.workspace), SystemClock()
    reader = SnapshotReader(paths, clock, os.environ)
    with until_closed(), suppress(KeyboardInterrupt):
        if arguments.attached is not None:
            with _live_view(paths, arguments.attached, plain=arguments.plain) as view:
                accompany(reader, view, clock, arguments.attached)
        elif arguments.once:
            _print(reader.take(), fresh=False)
        elif arguments.plain or not _on_terminal():
            _follow_lines(reader, paths, clock, arguments.interval)
        else:
            _follow_screens(reader, Keys(paths, reader, clock), arguments.interval)
    return 0


def accompany(reader: SnapshotReader, view: View, clock: Clock, pid: int) -> None:
    """Show a daemon's life, twice a second, until its heartbeat says stopped or its lock is free."""
    begun_utc = utc_text(clock.utc_now())
    seen_alive = False
    while True:
        try:
            snapshot = reader.take()
        except (LoopError, OSError) as error:
            view.say(f"cannot look: {error}")
        else:
            view.show(snapshot, clock.utc_now(), clock.monotonic())
            if _is_over(snapshot.daemon, pid, begun_utc, seen_alive=seen_alive):
                view.close(snapshot)
                return
            seen_alive |= snapshot.daemon.pid == pid
        clock.sleep(_ATTACHED_INTERVAL_S)


def _is_over(daemon: DaemonStatus, pid: int, begun_utc: str, *, seen_alive: bool) -> bool:
    """Tell whether the daemon ``pid`` has ended; a heartbeat of an earlier one with its pid does not count."""
    if not daemon.lives and daemon.lock_held is not True:
        return True
    if daemon.pid is None:
        return False
    if daemon.pid != pid:
        return seen_alive
    before_s = seconds_between(daemon.ended_utc, begun_utc)
    return before_s is not None and (seen_alive or before_s <= _START_TAKES_S)


@contextmanager
def _live_view(paths: WorkspacePaths, pid: int, *, plain: bool) -> Iterator[View]:
    if plain or not _on_terminal():
        yield PlainLines(paths, _print_line, attached=pid)
        return
    from llm_loop.views import terminal

    with terminal.LiveScreen(terminal.screen_console()) as screen:
        yield screen


def _follow_lines(reader: SnapshotReader, paths: WorkspacePaths, clock: Clock, interval_s: float | None) -> None:
    lines = PlainLines(paths, _print_line)
    while True:
        lines.show(reader.take(), clock.utc_now(), clock.monotonic())
        clock.sleep(_LINES_INTERVAL_S if interval_s is None else interval_s)


def _follow_screens(reader: SnapshotReader, keys: Keys, interval_s: float | None) -> None:
    """Draw again and again until Ctrl-C or its key; a key that did something draws at once."""
    told: str | None = None
    with Keyboard() as keyboard:
        while not keys.wants_to_quit:
            _print(reader.take(), fresh=True, last_line=told or (HELP if keyboard.is_there else None))
            key = keyboard.wait(interval_s or _configured_interval(reader))
            told = None if key is None else keys.press(key)


def _configured_interval(reader: SnapshotReader) -> float:
    config = reader.config()
    return _DEFAULT_INTERVAL_S if config is None else max(LEAST_INTERVAL_S, float(config.watch_interval_seconds))


def _on_terminal() -> bool:
    from llm_loop.views import terminal

    return terminal.can_redraw(terminal.screen_console())


def _print(snapshot: Snapshot, *, fresh: bool, last_line: str | None = None) -> None:
    from llm_loop.views import terminal

    terminal.print_screen(terminal.screen_console(), snapshot, fresh=fresh, last_line=last_line)


def _print_line(line: str) -> None:
    print(line, flush=True)


def _interval(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not LEAST_INTERVAL_S <= value <= 31_536_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 5 on")
    return value
