"""Text in the checkout's files: ``search_text``.

A text is searched letter for letter, which takes as long as reading. A regular expression may take for
ever, and nothing inside a process can stop it: it is matched by a child that is ended after a few seconds.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from llm_loop.mcp_tools.answer import clipped, data, fitting
from llm_loop.mcp_tools.checkout_files import is_binary, matches
from llm_loop.mcp_tools.confined import Confined, Entry
from llm_loop.mcp_tools.refusal import Refused
from llm_loop.mcp_tools.sources import Sources
from llm_loop.system.short_run import run_short

PATIENCE_S = 5.0
CHILD_S = 2 * PATIENCE_S
_MAX_FILE_BYTES = 4_000_000
_MAX_FILES = 20_000
_DEPTH = 64
_HIT_CHARACTERS = 300
_LONGEST_TEXT = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Hold what is searched and where."""

    text: str
    path: str
    pattern: str | None
    ignore_case: bool
    limit: int


def search_text(sources: Sources, arguments: Mapping[str, Any]) -> str:
    """Return the hits, one a line. Raises Refused."""
    query = Query(
        text=arguments["text"],
        path=arguments.get("path") or ".",
        pattern=arguments.get("pattern"),
        ignore_case=arguments.get("ignore_case", False),
        limit=arguments.get("limit", 60),
    )
    if not query.text or len(query.text) > _LONGEST_TEXT or "\n" in query.text:
        raise Refused("text is one line of 1 to 1,000 characters.")
    confined = sources.checkout
    if arguments.get("regex", False):
        hits, notes = _in_child(confined, sources.keep_out, query)
    else:
        hits, notes = search(confined, query, re.escape(query.text))
    shown = fitting(hits)
    more = shown < len(hits) or len(hits) >= query.limit
    head = f"{shown} hits{', and perhaps more: narrow the search' if more else ''}{notes}."
    return data(head, "\n".join(hits[:shown]), "text of the checkout") if hits else head


def search(confined: Confined, query: Query, expression: str) -> tuple[list[str], str]:
    """Return the hits of a regular expression and what was left out, in words. Raises Refused."""
    try:
        wanted = re.compile(expression, re.IGNORECASE if query.ignore_case else 0)
    except (re.error, OverflowError, RecursionError) as error:
        raise Refused(f"not a regular expression: {error}") from error
    give_up = time.monotonic() + PATIENCE_S
    hits: list[str] = []
    large = looked_at = 0
    for entry in confined.walk(query.path, _DEPTH):
        if time.monotonic() > give_up or looked_at >= _MAX_FILES:
            return hits, f"; stopped after {looked_at:,} files"
        if entry.is_folder or entry.is_link or (query.pattern and not matches(entry.path, query.pattern)):
            continue
        looked_at += 1
        if entry.size > _MAX_FILE_BYTES:
            large += 1
            continue
        hits += _hits_in(confined, entry, wanted, query.limit - len(hits))
        if len(hits) >= query.limit:
            break
    return hits, f"; {large} files above 4 MB left out" if large else ""


def _hits_in(confined: Confined, entry: Entry, wanted: re.Pattern[str], limit: int) -> list[str]:
    try:
        with confined.open_parts(entry.path.split("/"), entry.path) as stream:
            if is_binary(stream):
                return []
            text = stream.read(_MAX_FILE_BYTES).decode("utf-8", "replace")
    except (Refused, OSError):  # it vanished, or became something else
        return []
    return list(islice(_matching_lines(entry.path, text, wanted), limit))


def _matching_lines(path: str, text: str, wanted: re.Pattern[str]) -> Iterator[str]:
    for number, line in enumerate(text.split("\n"), 1):
        if wanted.search(line):
            yield f"{path}:{number}: {clipped(line.strip(), _HIT_CHARACTERS)}"


def _in_child(confined: Confined, keep_out: tuple[Path, ...], query: Query) -> tuple[list[str], str]:
    """Search in a process of its own, ended after ten seconds. Raises Refused, CommandError."""
    question = {"root": str(confined.root), "keep_out": [str(folder) for folder in keep_out], "query": asdict(query)}
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    argv = [sys.executable, "-P", "-s", "-X", "utf8", "-m", "llm_loop.mcp_tools.regex_search"]
    here = Path(sys.executable).parent
    ended = run_short(argv, deadline_s=CHILD_S, cwd=here, env=environment, stdin=json.dumps(question))
    try:
        answer = json.loads(ended.stdout)
    except ValueError:
        raise Refused("the expression took too long, or failed; search for plain text.") from None
    if "refused" in answer:
        raise Refused(answer["refused"])
    return answer["hits"], answer["notes"]
