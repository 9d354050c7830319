"""The parts of a prompt, and how they share its length: each has a floor and a cap, the whole has a limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llm_loop.agents.prompt_text import MOST_TICKS, Keep, clean, cut, fenced

LEAST_SHOWN = 80
_STEPS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Hold one part of a prompt: words of the loop's own (``lead``) and text from outside (``data``), which is fenced.

    ``floor`` and ``cap`` are characters of data: what it is given first, and at most. ``kind`` marks the fence.
    """

    title: str
    lead: str = ""
    data: str = ""
    floor: int = 0
    cap: int = 0
    keep: Keep = Keep.HEAD
    kind: str = "data"

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not self.lead and not self.data

    def overhead(self) -> int:
        """Return how many characters the section costs beside its data, the blank line behind it included."""
        fences = 2 * (MOST_TICKS + 1) + len(self.kind) + 3 if self.data else 0
        return len(f"## {self.title}\n") + (len(self.lead) + 1 if self.lead else 0) + fences + 1

    def text(self, characters: int) -> str:
        """Return the section with at most so many characters of data."""
        parts = [f"## {self.title}", *filter(None, [self.lead])]
        if self.data:
            parts.append(fenced(cut(self.data, characters, self.keep), self.kind))
        return "\n".join(parts)


def section(title: str, data: str = "", *, lead: str = "", floor: int, cap: int, keep: Keep = Keep.HEAD) -> Section:
    """Return a section whose data is cleaned."""
    return Section(title=title, lead=lead, data=clean(data), floor=floor, cap=cap, keep=keep)


def assemble(blocks: Sequence[str | Section], max_chars: int) -> str:
    """Return the blocks in their order, at most ``max_chars`` characters in all.

    Plain blocks are whole, for as long as the limit allows; sections share what is left. Where not even their floors
    have room, sections go from the last one on.
    """
    plain = sum(len(block) + 2 for block in blocks if isinstance(block, str))
    if plain > max_chars:
        return cut("\n\n".join(block for block in blocks if isinstance(block, str)), max_chars)
    sections = [block for block in blocks if isinstance(block, Section) and not block.is_empty]
    shares = share_out(sections, max_chars - plain)
    texts = []
    for block in blocks:
        if isinstance(block, str):
            texts.append(block)
        elif (given := shares.get(block.title)) is not None:
            texts.append(block.text(given))
    return "\n\n".join(texts)


def share_out(sections: Sequence[Section], budget: int) -> dict[str, int]:
    """Return the characters of data that each section is given, by its title; those without room are left out.

    Between floor and cap all sections grow by the same share, so that what one does not need goes to the others.
    """
    kept = list(sections)
    while kept and sum(one.overhead() + min(len(one.data), one.floor) for one in kept) > budget:
        kept.pop()
    room = budget - sum(one.overhead() for one in kept)
    low, high = 0.0, 1.0
    if sum(_grown(one, 1.0) for one in kept) <= room:
        low = 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(_grown(one, middle) for one in kept) <= room else (low, middle)
    shares = {one.title: _grown(one, low) for one in kept}
    return {one.title: shares[one.title] for one in kept if shares[one.title] >= min(len(one.data), LEAST_SHOWN)}


def _grown(one: Section, share: float) -> int:
    return min(len(one.data), int(one.floor + share * (max(one.cap, one.floor) - one.floor)))
