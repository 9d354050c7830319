"""Make one safe line of foreign text, and place lines in markdown that a person may have edited."""

from __future__ import annotations

import re

_ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_INVISIBLE = re.compile(r"[\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_FLATTENED = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_OPENER = re.compile(r"(?:#{1,6}|[-+*])(?=\s|$)|>|`{3}|~{3}|\[[ xX]?\](?=\s|$)")
_FENCE = re.compile(r" {0,3}(`{3}|~{3})")
_UPPER_HEADING = re.compile(r"#{1,2}(?=\s|$)")


def one_line(text: str, limit: int) -> str:
    """Return ``text`` as one line of at most ``limit`` characters, cut with an ellipsis.

    Line breaks, control characters and lone surrogates become blanks, terminal sequences and
    direction marks go, and a text that would open a heading, a list, a fence or a comment is
    escaped, so that it stays text wherever it is put.
    """
    text = _ESCAPE_SEQUENCE.sub("", text[: limit * 20])
    text = _FLATTENED.sub(" ", _INVISIBLE.sub("", text)).strip().replace("<!--", "&lt;!--")
    if _OPENER.match(text):
        text = "\\" + text
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def field_text(text: str, limit: int) -> str:
    """Return ``text`` as one line without ``|``, which parts fields and table cells."""
    return one_line(text.replace("|", "/"), limit)


def newline_of(text: str) -> str:
    """Return the line end that a file uses: CRLF as soon as an editor has put one in."""
    return "\r\n" if "\r\n" in text else "\n"


def ended(text: str) -> str:
    """Return ``text`` with its last line ended."""
    return text if not text or text.endswith("\n") else text + newline_of(text)


def outside_fences(lines: list[str]) -> list[bool]:
    """Say of each line whether it lies outside code fences.

    A fence that is never closed counts as none: it would swallow every heading below it.
    """
    outside, fence = [], ""
    for line in lines:
        match = _FENCE.match(line)
        outside.append(not fence and not match)
        if match and not fence:
            fence = match[1]
        elif match and match[1] == fence:
            fence = ""
    return [True] * len(lines) if fence else outside


def add_to_section(text: str, heading: str, line: str) -> str:
    """Return ``text`` with ``line`` at the end of the section ``heading`` (such as ``## Notes``).

    A section ends at the next heading of its level or above. Every other character stays as it is.
    A heading that is not there is put at the end of the file.
    """
    end = newline_of(text)
    text = ended(text)
    lines = text.split("\n")[:-1]
    outside = outside_fences(lines)
    start = _heading_index(lines, outside, heading)
    if start is None:
        return f"{text}{end if text else ''}{heading}{end}{end}{line}{end}"
    stop = next((i for i in range(start + 1, len(lines)) if outside[i] and _UPPER_HEADING.match(lines[i])), len(lines))
    place, added = _place(lines, start, stop, line)
    lines[place:place] = [entry + end[:-1] for entry in added]
    return "".join(entry + "\n" for entry in lines)


def _place(lines: list[str], start: int, stop: int, line: str) -> tuple[int, list[str]]:
    """Say where in ``lines`` a line of the section ``start..stop`` goes, and with which blank lines."""
    last = stop - 1
    while last > start and not lines[last].strip():
        last -= 1
    if last > start:
        place, added = last + 1, [line]
    elif start + 1 < stop:
        place, added = start + 2, [line]
    else:
        place, added = start + 1, ["", line]
    return place, [*added, ""] if place == stop < len(lines) else added


def _heading_index(lines: list[str], outside: list[bool], heading: str) -> int | None:
    wanted = heading.casefold()
    return next((i for i, line in enumerate(lines) if outside[i] and line.strip().casefold() == wanted), None)
