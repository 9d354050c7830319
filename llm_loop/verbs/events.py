"""``llm-loop events``: what happened, from the journal, over all its parts."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from typing import Any

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.system.clock import SystemClock
from llm_loop.views.event_log import EventLog, Pick, Picked, all_events, last_events, last_seq
from llm_loop.views.journal_tail import JournalTail
from llm_loop.views.output import until_closed

_DEFAULT_LIMIT = 50
_FOLLOW_EVERY_S = 0.5
_AGO = re.compile(r"(\d{1,9})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def add_to(subparsers: Any) -> None:
    """Add the verb's parser."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "events",
        help="Show what happened, one line an event, from the journal and all its older parts.",
        description="Show what happened: one line an event, with local time and the event's number. Reads the journal "
        "logs/events.jsonl and its older parts logs/events-NUMBER.jsonl, locks nothing and changes nothing.",
        epilog="Exit code 0: shown, also when no event fits. 1: the journal cannot be read. 2: wrong usage.",
    )
    parser.add_argument(
        "--follow", action="store_true", help="Go on with each event as it happens, until Ctrl-C (default: end)."
    )
    parser.add_argument(
        "--since",
        type=_since,
        metavar="TIME|SEQ",
        help="From then on: an event's number, a local time (22:30, 2026-11-21, 2026-11-21T22:30), one with its zone, "
        "or so long ago (90m, 2h, 1d) (default: any time).",
    )
    parser.add_argument(
        "--type",
        nargs="+",
        metavar="KIND",
        help='Only these kinds, such as run_ended: the "event" of the journal\'s lines.',
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="Print the journal's lines as they are, one JSON object each (default: text).",
    )
    parser.add_argument(
        "--limit",
        type=_limit,
        metavar="N",
        help=f"The last N of those that fit (default: {_DEFAULT_LIMIT}; with --since all).",
    )
    parser.set_defaults(act=run)


def run(arguments: argparse.Namespace) -> int:
    """Print events. Raises LoopError when the journal cannot be read or standard output not be written."""
    journal = WorkspacePaths(arguments.workspace).events
    pick = _pick(arguments)
    limit = arguments.limit or (None if arguments.since is not None else _DEFAULT_LIMIT)
    log = EventLog()
    with until_closed(), suppress(KeyboardInterrupt):
        seen = last_seq(journal)
        picked = all_events(journal, pick) if limit is None else last_events(journal, pick, limit)
        # what is written from here on is the follower's: it is told once, by whoever meets it first
        _print((one for one in picked if one[1]["seq"] <= seen), log, as_json=arguments.json)
        if arguments.follow:
            _follow(JournalTail(journal, after=seen), pick, log, as_json=arguments.json)
    return 0


def _follow(tail: JournalTail, pick: Pick, log: EventLog, *, as_json: bool) -> None:
    clock = SystemClock()
    while True:
        _print((one for one in tail.new_lines() if pick.takes(one[1])), log, as_json=as_json)
        clock.sleep(_FOLLOW_EVERY_S)


def _print(picked: Iterable[Picked], log: EventLog, *, as_json: bool) -> None:
    text = None
    for line, event in picked:
        text = line.strip().decode("utf-8", "replace") if as_json else log.line(event)
        print(text)
    if text is not None:
        print(end="", flush=True)


def _pick(arguments: argparse.Namespace) -> Pick:
    since = arguments.since
    return Pick(
        from_seq=since if isinstance(since, int) else None,
        from_utc=since if isinstance(since, datetime) else None,
        kinds=None if arguments.type is None else frozenset(arguments.type),
    )


def _since(text: str) -> int | datetime:
    """Read a number of an event, or a moment, which is local where it names no zone."""
    now = datetime.now(UTC)
    with suppress(ValueError, OverflowError, OSError):
        if text.isdecimal() and text.isascii():
            return int(text)
        if ago := _AGO.fullmatch(text):
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", text):
            return _last_time_of_day(time.fromisoformat(text if text[1] != ":" else f"0{text}"), now)
        return datetime.fromisoformat(text).astimezone(UTC)
    raise argparse.ArgumentTypeError(
        f"{text!r} is no event number and no time: write 1234, 22:30, 2026-11-21T22:30 or 90m"
    )


def _last_time_of_day(wanted: time, now: datetime) -> datetime:
    """Return the last moment at which local clocks showed ``wanted``."""
    here = now.astimezone()
    moment = datetime.combine(here.date(), wanted).astimezone()
    return moment if moment <= here else datetime.combine(here.date() - timedelta(days=1), wanted).astimezone()


def _limit(text: str) -> int:
    if text.isdecimal() and text.isascii() and 0 < int(text) <= 1_000_000_000:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number of events from 1 on")
