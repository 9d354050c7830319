"""Read a prompt as a careful reader does: which lines are the loop's own, which are fenced, which rules there are."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FENCE = re.compile(r"(`{3,})([a-z]*)")


@dataclass(frozen=True, kw_only=True)
class ReadPrompt:
    """Hold a prompt in parts: the lines outside of fences, and each fence's kind and text."""

    own: str
    fences: tuple[tuple[str, str], ...]

    @property
    def rules(self) -> list[str]:
        """The numbered lines of the section Rules."""
        section = self.own.split("## Rules\n", 1)[1].split("\n\n", 1)[0]
        return [line for line in section.split("\n") if re.match(r"\d+\. ", line)]

    @property
    def data(self) -> str:
        """All that is fenced as data."""
        return "\n".join(text for kind, text in self.fences if kind == "data")


def read_prompt(text: str) -> ReadPrompt:
    """Part a prompt at its fences; fail when one is left open or closed otherwise than it was opened."""
    own: list[str] = []
    fences: list[tuple[str, str]] = []
    ticks, kind, inside = "", "", []
    for line in text.split("\n"):
        match = _FENCE.fullmatch(line)
        if ticks:
            if match and len(match[1]) >= len(ticks):
                assert (match[1], match[2]) == (ticks, ""), f"another fence's line: {line!r}"
                fences.append((kind, "\n".join(inside)))
                ticks, inside = "", []
            else:
                inside.append(line)
        elif match:
            ticks, kind = match[1], match[2]
        else:
            own.append(line)
    assert not ticks, "a fence is left open"
    return ReadPrompt(own="\n".join(own), fences=tuple(fences))
