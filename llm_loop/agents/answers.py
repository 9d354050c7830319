"""Find the JSON answer in what a model said: bare, in a code fence, or amid prose; never a fragment of one."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

MAX_CHARACTERS = 2_000_000
MAX_VALUES = 2_000
MAX_DEPTH = 20
MAX_KEY_CHARACTERS = 200
_FENCE_LINE = re.compile(r"^[ \t]*+(`{3,}+|~{3,}+)([^\n`]*+)$", re.MULTILINE)
_MARKS = re.compile(r'["{}]')
_STRING_END = re.compile(r'(?:[^"\\]++|\\.)*+"', re.DOTALL)


def find_json(text: str) -> dict[str, Any] | None:
    """Return the JSON object that ``text`` is or holds, the last one of several; None when there is none.

    Tried in this order: the whole text, the top-level ``{...}`` within prose and fences, the fenced blocks alone (for
    prose with a brace too many). What stands inside of another value is never taken, nor what was cut off; NaN and
    infinities are no JSON.
    """
    if len(text) > MAX_CHARACTERS:
        return None
    text = text.removeprefix("\ufeff").strip()
    try:
        value = _parse(text)
    except (ValueError, RecursionError):
        spans = list(_spans(text))
        is_cut_off = text.startswith(("{", "[")) and not spans
        fences = [] if is_cut_off else list(_fenced(text))
        return _last_object(spans) or _last_object(fences)
    return value if isinstance(value, dict) else None


def shape_violation(value: Any) -> str | None:
    """Say why an answer is of a shape that would take long to check; None for one that is not."""
    level: list[Any] = [value]
    count = 0
    for _ in range(MAX_DEPTH):
        count += len(level)
        if count > MAX_VALUES:
            return f"more than {MAX_VALUES} values"
        mappings = [entry for entry in level if isinstance(entry, dict)]
        if any(len(key) > MAX_KEY_CHARACTERS for mapping in mappings for key in mapping):
            return f"a key of more than {MAX_KEY_CHARACTERS} characters"
        inner = [list(entry.values()) if isinstance(entry, dict) else entry for entry in level]
        level = [item for entry in inner if isinstance(entry, list) for item in entry]
        if not level:
            return None
    return f"nested more than {MAX_DEPTH} deep"


def _spans(text: str) -> Iterator[str]:
    """Yield each top-level ``{...}`` of a text; braces in JSON strings do not count."""
    depth, start, place = 0, 0, 0
    while (mark := _MARKS.search(text, place)) is not None:
        place = mark.end()
        if mark[0] == "{":
            start = mark.start() if depth == 0 else start
            depth += 1
        elif mark[0] == "}" and depth:
            depth -= 1
            if depth == 0:
                yield text[start:place]
        elif mark[0] == '"' and depth:
            if (end := _STRING_END.match(text, place)) is None:
                return
            place = end.end()


def _fenced(text: str) -> Iterator[str]:
    """Yield what stands in each fence that is closed; one pass over the text, however many are left open."""
    lines = list(_FENCE_LINE.finditer(text))
    closing: dict[str, list[int]] = {}
    for number, line in enumerate(lines):
        if not line[2].strip():
            closing.setdefault(line[1], []).append(number)
    number = 0
    while number < len(lines):
        ends = closing.get(lines[number][1], [])
        place = bisect_right(ends, number)
        if place < len(ends):
            yield text[lines[number].end() + 1 : lines[ends[place]].start()]
            number = ends[place]
        number += 1


def _last_object(pieces: list[str]) -> dict[str, Any] | None:
    for piece in reversed(pieces):
        try:
            value = _parse(piece)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and value:
            return value
    return None


def _parse(text: str) -> Any:
    return json.loads(text, parse_constant=_refuse)


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
