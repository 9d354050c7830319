"""What a reset does with each entry of ``.llm_loop``: archived, removed or kept, said before anything is done.

Only what the loop itself makes is taken away; what else lies there is somebody's own, and stays.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from llm_loop.agents.sandbox_choice import STORE
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.resetting.places import Spared, lies_in
from llm_loop.resetting.size import Size, size_of
from llm_loop.resetting.unfinished import is_mark
from llm_loop.system.links import is_link

_LOGIN = "codex_home"
_OF_THE_MACHINE = {STORE: "which sandbox works on this machine", "autostart_task.xml": "what autostart has set up"}
_LEFTOVER = re.compile(r"\.(.+)\.[0-9a-f]{12}\.tmp|(.+)\.(?:corrupt|torn)-.+")
_SCRATCH = "dry_decision-"
_MADE_AGAIN = frozenset({"checkouts", "jobs"})
_ORDER = {"checkouts": 0, "jobs": 1, _LOGIN: 7, "logs": 9}
"""Checkouts first, for what runs left in them goes into the runs' folders; the journal last: without it, whatever
else is still there belongs to nothing."""


class Fate(StrEnum):
    """What becomes of an entry."""

    ARCHIVED = "archived"
    REMOVED = "removed"
    KEPT = "kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Hold one entry: where it lies, what becomes of it, how much it is, and why where that is no matter of course."""

    path: Path
    fate: Fate
    size: Size
    why: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """Hold what a person chose."""

    keep_login: bool = False
    archive: bool = True


def parts_of(paths: WorkspacePaths, wishes: Wishes, spared: tuple[Spared, ...]) -> tuple[Part, ...]:
    """Return what becomes of each entry of ``.llm_loop``, in the order in which it is done.

    Raises OSError where the folder cannot be listed.
    """
    found = []
    for entry in _entries(paths.loop):
        if entry.name == paths.instance_lock.name or is_mark(entry.name):
            continue
        fate, why = _fate(entry, wishes)
        found += [(_ORDER.get(entry.name, 5), part) for part in _parts(entry, fate, why, spared)]
    return tuple(part for _, part in sorted(found, key=lambda one: (one[0], one[1].path)))


def is_login(name: str) -> bool:
    """Tell whether an entry of ``.llm_loop`` holds a login, or a copy of one that somebody made beside it."""
    return name.casefold().startswith(_LOGIN)


def _fate(entry: Path, wishes: Wishes) -> tuple[Fate, str | None]:
    name = entry.name
    if is_login(name):
        return (Fate.KEPT if wishes.keep_login else Fate.REMOVED), "the Codex login"
    if name in _OF_THE_MACHINE:
        return Fate.KEPT, _OF_THE_MACHINE[name]
    if name in _MADE_AGAIN or name.startswith(_SCRATCH):
        return Fate.REMOVED, "made again where it is needed"
    leftover = _LEFTOVER.fullmatch(name)
    made = name if leftover is None else leftover[1] or leftover[2]
    if made not in _made_by_the_loop() and not is_mark(made):
        return Fate.KEPT, "not made by the loop"
    return (Fate.ARCHIVED if wishes.archive else Fate.REMOVED), None


@cache
def _made_by_the_loop() -> frozenset[str]:
    """Return the names in ``.llm_loop`` of all that has a path of its own."""
    paths = WorkspacePaths(Path("root"))
    values = [getattr(paths, name) for name, kind in vars(WorkspacePaths).items() if isinstance(kind, property)]
    inside = [value.relative_to(paths.loop) for value in values if value.is_relative_to(paths.loop)]
    return frozenset(path.parts[0] for path in inside if path.parts)


def _parts(entry: Path, fate: Fate, why: str | None, spared: tuple[Spared, ...]) -> Iterator[Part]:
    """Yield an entry as one part, or its contents where a spared place lies deeper in it."""
    inside = [place for place in spared if lies_in(place.path, entry)]
    if fate is Fate.KEPT or not inside:
        yield Part(path=entry, fate=fate, size=size_of(entry), why=why)
        return
    status = entry.lstat()
    if is_link(status) or any(lies_in(entry, place.path) for place in inside):
        what = " and ".join(sorted({place.what for place in inside}))
        yield Part(path=entry, fate=Fate.KEPT, size=size_of(entry), why=what)
        return
    for child in _entries(entry):
        yield from _parts(child, fate, why, spared)


def _entries(folder: Path) -> list[Path]:
    try:
        return [folder / name for name in sorted(os.listdir(folder))]  # noqa: PTH208 - names of any bytes
    except FileNotFoundError:
        return []
