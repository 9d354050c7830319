"""Read Python's tracebacks out of a log: the last one, with what it was caused by.

The start of a traceback may be cut off, a worker's traceback may stand inside the message of its parent, and a
syntax error of the script itself has no heading at all. All of it is text that anybody may have printed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

_HEADING = "Traceback (most recent call last):"
_FRAME = re.compile(r'^(\s{0,60})File "([^"]{1,500})", line (\d{1,9})')
_RAISED = re.compile(r"^\s{0,60}([A-Za-z_][\w.]{0,150})(?:: (.*)|:)?$")
_LINKS = ("The above exception was the direct cause of", "During handling of the above exception")
_IGNORED = "Exception ignored in"
_MOST_MESSAGE_LINES = 25
_MOST_FRAMES = 60
_MOST_IN_A_CHAIN = 12
_MOST_IN_A_MESSAGE = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Hold one place of a traceback."""

    file: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """Hold one exception as it was printed: its class (no module), message, first line, places (innermost last)."""

    name: str
    message: str
    line: str
    frames: tuple[Frame, ...] = ()


@dataclass(slots=True)
class _Block:
    indent: int
    is_linked: bool
    is_ignored: bool
    frames: list[Frame] = field(default_factory=list)
    name: str | None = None
    line: str = ""
    message: list[str] = field(default_factory=list)

    def ended(self) -> Raised | None:
        if self.name is None:
            return None
        name, message = self.name.rpartition(".")[2], "\n".join(self.message)[:_MOST_IN_A_MESSAGE].strip()
        return Raised(name=name, message=message, line=self.line, frames=tuple(self.frames[-_MOST_FRAMES:]))


def last_raised(lines: Sequence[str]) -> tuple[Raised, ...]:
    """Return the exceptions of the last traceback in a log, the one raised last first; () without one.

    What Python says of exceptions that it ignored while it ended is passed over.
    """
    chain: list[Raised] = []
    for block in _blocks(lines):
        raised = block.ended()
        if raised is None or block.is_ignored:
            continue
        chain = [*chain, raised] if block.is_linked else [raised]
    return tuple(reversed(chain[-_MOST_IN_A_CHAIN:]))


def _blocks(lines: Sequence[str]) -> list[_Block]:
    blocks: list[_Block] = []
    is_linked, before = False, ""
    for line in lines:
        current = blocks[-1] if blocks else None
        if line.endswith(_HEADING):
            indent = len(line) - len(line.lstrip())
            blocks.append(_Block(indent=indent, is_linked=is_linked, is_ignored=before.startswith(_IGNORED)))
            is_linked = False
        elif line.startswith(_LINKS):
            is_linked = True
        elif frame := _FRAME.match(line):
            if current is None or current.name is not None:
                current = _Block(indent=max(0, len(frame[1]) - 2), is_linked=is_linked, is_ignored=False)
                blocks.append(current)
                is_linked = False
            current.frames.append(Frame(file=frame[2], line=int(frame[3])))
        elif current is not None:
            _take(current, line)
        before = line or before
    return blocks


def _take(block: _Block, line: str) -> None:
    """Take a line into an open block: the exception itself, or more of its message."""
    indent = len(line) - len(line.lstrip())
    if block.name is not None:
        if len(block.message) < _MOST_MESSAGE_LINES:
            block.message.append(line)
    elif line and indent <= block.indent and (raised := _RAISED.match(line)):
        block.name, block.line = raised[1], line.strip()
        block.message.append(raised[2] or "")
