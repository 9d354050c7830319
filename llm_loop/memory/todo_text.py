"""The lines of ``shared_todo.md``: read them, number a person's own, tick and add, all on plain text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from llm_loop.contract.observation import OpenTodo
from llm_loop.memory.markdown_text import ended, newline_of, outside_fences

_TASK = re.compile(
    r"(?P<lead>\s*[-*+]\s+)"
    r"(?:\[(?P<box>[ xX]?)\](?=\s|$)\s*)?"
    r"(?:\[(?P<id>C\d{4,}-[WM]\d{2,}|P\d{2,})\]\s*)?"
    r"(?P<text>(?:.*\S)?)(?P<tail>\s*)"
)
_LETTER = re.compile(r"[^\W\d_]")
_AUTHOR = re.compile(r"[^:]{1,40}: ")
_RESOLVED_KEPT = 30
_RESOLVED = re.compile(r" \(resolved by [^()]*\)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Hold one task line and where it stands. ``box`` is None for a plain bullet, ``id`` for a line without one."""

    index: int
    lead: str
    box: str | None
    id: str | None
    text: str
    tail: str

    @property
    def is_open(self) -> bool:
        """Whether its box is not ticked."""
        return self.box not in ("x", "X")

    def line(self) -> str:
        """Return the line as it is written; ``text`` and ``tail`` letter for letter."""
        return f"{self.lead}[{(self.box or ' ')}] [{self.id}] {self.text}{self.tail}"


@lru_cache(maxsize=2)
def open_todos(text: str) -> tuple[OpenTodo, ...]:
    """Return every open entry of the whole file, in its order, each id once.

    A person's line without an id counts, under the id that ``numbered`` will give it. The author's
    name in front of the loop's own lines is left out.
    """
    found: dict[str, OpenTodo] = {}
    for task in tasks(numbered(text)):
        if task.is_open and task.id is not None and task.id not in found:
            found[task.id] = OpenTodo(id=task.id, text=bare_text(task))
    return tuple(found.values())


def tasks(text: str) -> Iterator[Task]:
    """Yield the task lines outside code fences.

    A task is a bullet with a box or an id, or one at the margin that has words: so a person may just
    write ``- try a cosine schedule``. Indented plain bullets are remarks.
    """
    lines = text.split("\n")
    for index, (line, outside) in enumerate(zip(lines, outside_fences(lines), strict=True)):
        match = _TASK.fullmatch(line) if outside else None
        if match is None or not _LETTER.search(match["text"]):
            continue
        if match["box"] is None and match["id"] is None and match["lead"][0].isspace():
            continue
        yield Task(index=index, **match.groupdict())


def numbered(text: str) -> str:
    """Return ``text`` with an id (``P01``, ``P02``, ...) put before each open task that has none.

    So has a second line with an id that is taken, when it says something else: its text, the old id
    included, stays behind the new one.
    """
    lines = text.split("\n")
    said: dict[str, str] = {}
    number = max((int(task.id[1:]) for task in tasks(text) if task.id and task.id[0] == "P"), default=0)
    for task in tasks(text):
        if task.id is not None and _same(said.setdefault(task.id, task.text), task.text):
            continue
        if task.is_open:
            number += 1
            old = f"[{task.id}] " if task.id else ""
            lines[task.index] = replace(task, id=f"P{number:02d}", text=old + task.text).line()
    return "\n".join(lines)


def ticked(text: str, ids: set[str], by: str, cycle: int) -> str:
    """Return ``text`` with the open tasks of ``ids`` ticked, saying who resolved them and in which cycle."""
    lines = text.split("\n")
    for task in tasks(text):
        if task.is_open and task.id in ids:
            note = f" (resolved by {by} C{cycle:04d})"
            lines[task.index] = replace(task, box="x", text=_RESOLVED.sub("", task.text) + note).line()
    return "\n".join(lines)


def with_lines(text: str, new_lines: list[str]) -> str:
    """Return ``text`` with lines put behind the last numbered task and its indented remarks, or at the end."""
    if not new_lines:
        return text
    end = newline_of(text)
    lines = ended(text).split("\n")[:-1]
    place = max((task.index + 1 for task in tasks(text) if task.id), default=None)
    if place is None:
        place = len(lines)
        new_lines = [""] * bool(lines and lines[-1].strip()) + new_lines
    while place < len(lines) and lines[place].strip() and lines[place][0].isspace():
        place += 1
    lines[place:place] = [line + end[:-1] for line in new_lines]
    return "".join(f"{line}\n" for line in lines)


def older_resolved(lines: list[str]) -> list[int]:
    """Return where the ticked entries of the agents stand, but for the last 30; those with remarks below stay too.

    A person's stay, whose numbers go on rising by those that are there.
    """
    found = [task.index for task in tasks("\n".join(lines)) if task.id and task.id[0] == "C" and not task.is_open]
    return [place for place in found[:-_RESOLVED_KEPT] if not _has_remarks(lines, place)]


def _has_remarks(lines: list[str], place: int) -> bool:
    below = lines[place + 1] if place + 1 < len(lines) else ""
    return bool(below.strip()) and below[0].isspace()


def bare_text(task: Task) -> str:
    """Return what a task says, without what the loop wrote around it: the author's name, who resolved it."""
    text = _RESOLVED.sub("", task.text)
    return _AUTHOR.sub("", text, count=1) if task.id and task.id[0] == "C" else text


def _same(first: str, second: str) -> bool:
    return _RESOLVED.sub("", first).strip() == _RESOLVED.sub("", second).strip()
