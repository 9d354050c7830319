"""The files of a journal: the live one, and older parts beside it that are named after the first event they hold.

``events.jsonl`` is always the live one; ``events-000000001.jsonl`` is the part that begins with event 1. A part
comes into being by one rename and is never written again. A person may move parts away, which loses what they hold
and nothing else. Readers need no lock: whatever is renamed while they read, no event is met twice or passed over.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_loop.contract.outside_file import open_outside

Event = dict[str, Any]
Parse = Callable[[Path, bytes], Event | None]

BLOCK_BYTES = 65_536
_DIGITS = 9
_MOST_BYTES_A_LINE = 64_000_000  # no event is as long: what has no line break for so long is no journal


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Hold one file of a journal. ``first_seq`` is that of its first event; the live file is said to begin at 0."""

    path: Path
    first_seq: int


def part_path(live: Path, first_seq: int) -> Path:
    """Return where the part that begins with event ``first_seq`` of the journal ``live`` lies."""
    return live.with_name(f"{live.stem}-{first_seq:0{_DIGITS}d}{live.suffix}")


def older_parts(live: Path) -> list[Part]:
    """Return the parts beside the live file, oldest first. Raises OSError."""
    try:
        with os.scandir(live.parent) as entries:  # thousands of logs may lie there: no object for each
            names = [entry.name for entry in entries]
    except FileNotFoundError:
        return []
    start = f"{live.stem}-"
    found = []
    for name in names:
        digits = name.removeprefix(start).removesuffix(live.suffix)
        if digits.isdecimal() and digits.isascii() and name == part_path(live, int(digits)).name:
            found.append(Part(path=live.with_name(name), first_seq=int(digits)))
    return sorted(found, key=lambda part: part.first_seq)


def first_event(path: Path) -> Event | None:
    """Return a file's first event; None when it is missing or holds none there. Raises OSError."""
    try:
        with open_outside(path) as stream:
            for line in iter(lambda: stream.readline(_MOST_BYTES_A_LINE), b""):
                if line.strip():
                    return event_of(path, line)
    except FileNotFoundError:
        pass
    return None


def event_of(_path: Path, line: bytes) -> Event | None:
    """Return the event on a line; None for what is none: a reader may meet a line that is being written."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    good = isinstance(event, dict) and isinstance(event.get("event"), str) and isinstance(event.get("seq"), int)
    return event if good else None


def events_backwards(
    live: Path, parse: Parse = event_of, most_bytes: int | None = None
) -> Iterator[tuple[bytes, Event]]:
    """Yield lines and their events from the last one back, over all parts, each ``seq`` once, falling.

    Reads no more than was asked for, in blocks, at most ``most_bytes`` of lines. Raises OSError, and what ``parse``
    raises.
    """
    lowest: int | None = None
    left = most_bytes
    for part in _newest_first(live):
        if lowest is not None and part.first_seq >= lowest:  # the live file, renamed while it was read; or a copy
            continue
        for line in lines_backwards(part.path):
            left = None if left is None else left - len(line)
            if left is not None and left < 0:
                return
            event = parse(part.path, line)
            if event is not None and (lowest is None or event["seq"] < lowest):
                lowest = event["seq"]
                yield line, event


def lines_forwards(live: Path, from_seq: int = 0) -> Iterator[bytes]:
    """Yield the whole lines of all parts, oldest first; parts that end before event ``from_seq`` are left out.

    Raises OSError.
    """
    done = -1
    while True:
        for part in _reaching(live, from_seq):
            if part.first_seq > done:
                yield from _whole_lines(part.path)
                done = part.first_seq
        first = first_event(live)
        begin = None if first is None else first["seq"]
        # a part that came into being meanwhile, between what was read and the live file
        if not any(part.first_seq > done and (begin is None or part.first_seq < begin) for part in older_parts(live)):
            break
    yield from (line for line in _whole_lines(live) if line.strip())


def lines_backwards(path: Path) -> Iterator[bytes]:
    """Yield a file's lines from the last to the first, without blank ones, reading blocks from its end.

    None for a missing file. What follows the last line break comes first, whole or not. Raises OSError.
    """
    try:
        stream = open_outside(path)
    except FileNotFoundError:
        return
    with stream:
        position = stream.seek(0, os.SEEK_END)
        pieces: list[bytes] = []  # of the line that is not whole yet, last one first
        while position > 0 and sum(map(len, pieces)) < _MOST_BYTES_A_LINE:
            step = min(BLOCK_BYTES, position)
            position -= step
            stream.seek(position)
            first, *whole = stream.read(step).split(b"\n")
            if whole:
                whole[-1] += b"".join(reversed(pieces))
                pieces = []
            pieces.append(first)
            yield from (line for line in reversed(whole) if line.strip())
        rest = b"".join(reversed(pieces))
        if rest.strip():
            yield rest


def _newest_first(live: Path) -> Iterator[Part]:
    yield Part(path=live, first_seq=0)
    yield from reversed(older_parts(live))  # listed when the live file was read


def _reaching(live: Path, from_seq: int) -> list[Part]:
    parts = older_parts(live)
    passed = [part.first_seq for part in parts[1:] if part.first_seq <= from_seq]
    return parts[len(passed) :]


def _whole_lines(path: Path) -> Iterator[bytes]:
    try:
        with open_outside(path) as stream:
            for line in iter(lambda: stream.readline(_MOST_BYTES_A_LINE), b""):
                if line.endswith(b"\n"):
                    yield line
    except FileNotFoundError:
        return
