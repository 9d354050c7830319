"""Make text from outside fit for a prompt: cleaned, cut to a budget, and fenced so that it cannot end its fence."""

from __future__ import annotations

import re
from enum import StrEnum
from itertools import groupby

MOST_TICKS = 6
DATA_TICKS = 2
CUT = "[...]"
_TERMINAL_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]"
)
_TICKS = re.compile(r"`{3,}")


class Keep(StrEnum):
    """Which end of a text stays when it is cut."""

    HEAD = "head"
    TAIL = "tail"


def clean(text: str, most_ticks: int = DATA_TICKS) -> str:
    """Return ``text`` as plain lines.

    Terminal sequences go; of a line that was written over (carriage returns) its last state stays; tabs become
    blanks, other control characters, direction marks and lone surrogates too. Runs of backticks become shorter, so that
    data holds nothing that looks like a fence; up to ``most_ticks`` (at most 6) in a row stay.
    """
    text = _TERMINAL_SEQUENCE.sub("", text.replace("\r\n", "\n").replace("\t", "    "))
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    plain = ("".join(char if char.isprintable() else " " for char in line).rstrip() for line in lines)
    return _TICKS.sub(lambda run: run[0][: min(most_ticks, MOST_TICKS)], "\n".join(plain)).strip("\n")


def line_of(text: str, limit: int) -> str:
    """Return ``text`` as one clean line of at most ``limit`` characters."""
    line = " ".join(clean(text[: limit * 4]).split())
    return line if len(line) <= limit else line[: limit - 3].rstrip() + "..."


def without_repeats(text: str) -> str:
    """Return ``text`` with a line that comes several times in a row said once, and how often."""
    groups = ((line, sum(1 for _ in group)) for line, group in groupby(text.split("\n")))
    return "\n".join(line if count == 1 else f"{line} ({count} times)" for line, count in groups)


def cut(text: str, limit: int, keep: Keep = Keep.HEAD) -> str:
    """Return at most ``limit`` characters of ``text``, whole lines where that costs less than half of them.

    What was cut is marked by a line of its own.
    """
    if len(text) <= limit:
        return text
    room = limit - len(CUT) - 1
    if room <= 0:
        return ""
    if keep is Keep.HEAD:
        kept = text[:room]
        line_end = kept.rfind("\n")
        return f"{kept[:line_end] if line_end > room // 2 else kept}\n{CUT}"
    kept = text[-room:]
    line_end = kept.find("\n")
    return f"{CUT}\n{kept[line_end + 1 :] if 0 <= line_end < room // 2 else kept}"


def fenced(text: str, kind: str = "data") -> str:
    """Return clean ``text`` between two lines of backticks, one more than it holds in a row."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}{kind}\n{text}\n{ticks}"
