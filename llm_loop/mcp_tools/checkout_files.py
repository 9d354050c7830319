"""The checkout's files: ``list_files`` and ``read_file``."""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import IO, Any

from llm_loop.mcp_tools.answer import clipped, data, fitting
from llm_loop.mcp_tools.confined import Entry
from llm_loop.mcp_tools.line_slices import from_line
from llm_loop.mcp_tools.refusal import Refused
from llm_loop.mcp_tools.sources import Sources

_LOOKED_AT = 50_000
_PATIENCE_S = 5.0
_BINARY_LOOK = 8_192
_SOURCE = "text of the checkout"


def list_files(sources: Sources, arguments: Mapping[str, Any]) -> str:
    """Return paths and sizes, folders with a slash behind. Raises Refused."""
    pattern, limit = arguments.get("pattern"), arguments.get("limit", 300)
    path = arguments.get("path") or "."
    entries = _timed(sources.checkout.walk(path, arguments.get("depth", 4)))
    wanted = (entry for entry in entries if pattern is None or (not entry.is_folder and matches(entry.path, pattern)))
    found = list(islice(wanted, limit + 1))
    if not found:
        return f"{path}: nothing there" + ("." if pattern is None else f" that matches {pattern[:200]}.")
    lines = [_line(entry) for entry in found[:limit]]
    shown = fitting(lines)
    head = f"{shown} entries below {path}"
    if shown < len(found):
        head += ", and more: name a folder or a pattern"
    return data(head + ".", "\n".join(lines[:shown]), _SOURCE)


def read_file(sources: Sources, arguments: Mapping[str, Any]) -> str:
    """Return lines of a text file as they stand. Raises Refused."""
    path, first = arguments["path"], arguments.get("first_line", 1)
    with sources.checkout.open(path) as stream:
        if is_binary(stream):
            raise Refused(f"{path!r} is a binary file, not text.")
        part = from_line(stream, first, arguments.get("lines", 400))
    total = "too many lines to be counted" if part.total is None else f"{part.total:,} lines"
    if not part.lines:
        return f"{path}: no line there; it has {total}."
    lines = [clipped(line.decode("utf-8", "replace")) for line in part.lines]
    shown = fitting(lines)
    head = f"{path}: lines {first:,} to {first + shown - 1:,}; it has {total}."
    return data(head, "\n".join(lines[:shown]), _SOURCE)


def matches(path: str, pattern: str) -> bool:
    """Tell whether a relative path, or its last part, matches a shell pattern; ``*`` goes across folders."""
    return fnmatch.fnmatchcase(path, pattern) or fnmatch.fnmatchcase(path.rpartition("/")[2], pattern)


def is_binary(stream: IO[bytes]) -> bool:
    """Tell whether the beginning holds a NUL byte, and go back to it."""
    beginning = stream.read(_BINARY_LOOK)
    stream.seek(0)
    return b"\0" in beginning


def _timed(entries: Iterator[Entry]) -> Iterator[Entry]:
    """Yield entries for five seconds, at most 50,000."""
    give_up = time.monotonic() + _PATIENCE_S
    for entry in islice(entries, _LOOKED_AT):
        yield entry
        if time.monotonic() > give_up:
            return


def _line(entry: Entry) -> str:
    if entry.is_link:
        return f"{entry.path} (link)"
    return f"{entry.path}/" if entry.is_folder else f"{entry.path} {entry.size:,} B"
