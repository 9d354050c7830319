"""What a reset is going to do, as one value, and in the words that people and programs read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_loop.config import Config
from llm_loop.config.data_link import LINK, own_link
from llm_loop.contract.finish_up import LEAST_MINUTES, WishDefaults, read_wish
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.errors import ContractError, LoopError
from llm_loop.resetting.archive import FOLDER, check_place
from llm_loop.resetting.carrying_out import Done
from llm_loop.resetting.places import Spared, lies_in
from llm_loop.resetting.plan import Fate, Part, Wishes, parts_of
from llm_loop.resetting.size import Size, size_of, size_text
from llm_loop.resetting.unfinished import unfinished
from llm_loop.system.clock import SystemClock
from llm_loop.system.links import is_link
from llm_loop.views.untrusted import clean

_TITLES = {Fate.ARCHIVED: f"Moved to {FOLDER}:", Fate.REMOVED: "Removed:", Fate.KEPT: "Kept:"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DataLink:
    """Hold ``data`` in the training repository: whether it goes, why, and where it leads ("" for no link)."""

    path: Path
    leads_to: str
    goes: bool
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """Hold what is going to be done; ``goes_on``: an earlier go was cut short."""

    root: Path
    parts: tuple[Part, ...]
    link: DataLink | None
    goes_on: bool

    @property
    def does_nothing(self) -> bool:
        """Whether there is nothing to do."""
        return all(part.fate is Fate.KEPT for part in self.parts) and self.link_to_remove is None and not self.goes_on

    @property
    def link_to_remove(self) -> Path | None:
        """The link to the data where it goes."""
        return self.link.path if self.link is not None and self.link.goes else None


def outlook_of(
    paths: WorkspacePaths, config: Config | None, spared: tuple[Spared, ...], wishes: Wishes, *, keep_link: bool
) -> Outlook:
    """Look at what there is; without a configuration nothing is known of a link to the data, and it stays.

    Raises ArchiveError where what has to be archived cannot be, LoopError where a drive is mounted in what goes.
    """
    parts = parts_of(paths, wishes, spared)
    if config is not None and (wish := _control_file(config, paths)) is not None:
        fate = Fate.ARCHIVED if wishes.archive else Fate.REMOVED
        parts = (Part(path=wish, fate=fate, size=size_of(wish), why="the wish to finish up"), *parts)
    for part in parts:
        if part.fate is not Fate.KEPT and not (part.size.is_one_drive and _is_beside(part.path, paths.loop)):
            raise LoopError(f"another drive is mounted in {part.path}: unmount it first; nothing was changed")
    check_place(paths, [part.path for part in parts if part.fate is Fate.ARCHIVED])
    link = None if config is None else _link(config, keep=keep_link)
    return Outlook(root=paths.root, parts=parts, link=link, goes_on=unfinished(paths) is not None)


def _control_file(config: Config, paths: WorkspacePaths) -> Path | None:
    """Return the control file of a finish-up that lies elsewhere than the night; None where there is no wish in it."""
    path = config.finishup_control_file
    if lies_in(path, paths.loop) or not lies_in(path, paths.root) or path.is_symlink():
        return None
    try:
        read_wish(path, WishDefaults(minutes=LEAST_MINUTES, top_k=1, now=SystemClock().utc_now()))
    except (OSError, ContractError):  # somebody else's, or a broken one that its writer shall see
        return None
    return path


def _is_beside(path: Path, folder: Path) -> bool:
    return not os.path.lexists(path) or path.lstat().st_dev == folder.stat().st_dev


def _link(config: Config, *, keep: bool) -> DataLink | None:
    """Return what becomes of ``data`` in the training repository; None where nothing lies there."""
    path = config.training_repo_root / LINK
    if not os.path.lexists(path):
        return None
    if not is_link(path.lstat()):
        return DataLink(path=path, leads_to="", goes=False, why="no link, and never touched")
    leads_to = os.path.realpath(path)
    if own_link(config) is None:
        return DataLink(path=path, leads_to=leads_to, goes=False, why="your own: not to data_source_root")
    return DataLink(path=path, leads_to=leads_to, goes=not keep, why="as you wish" if keep else "the link alone")


def lines_of(outlook: Outlook) -> Iterator[str]:
    """Yield what is going to be done as lines for people, with sizes."""
    if outlook.goes_on:
        yield "An earlier clean was cut short; this one finishes it."
    for fate, title in _TITLES.items():
        parts = [part for part in outlook.parts if part.fate is fate]
        lines = [_line(part, outlook.root) for part in parts]
        link = outlook.link
        if link is not None and fate is (Fate.REMOVED if link.goes else Fate.KEPT):
            leads = f", leads to {clean(link.leads_to, 200)}" if link.leads_to else ""
            lines.append(f"  {_shown(link.path, outlook.root)}  ({link.why}{leads})")
        if lines:
            yield f"{title} {size_text(sum((part.size for part in parts), Size()))}" if len(parts) > 1 else title
            yield from lines
    if outlook.does_nothing:
        yield "Nothing to clean."


def outcome_line(outlook: Outlook, done: Done) -> str:
    """Say how it ended."""
    where = "" if done.archive is None else f" The old night lies in {_shown(done.archive, outlook.root)}."
    return f"The next `start` begins afresh.{where}"


def to_json(outlook: Outlook, done: Done | None) -> dict[str, Any]:
    """Return the outlook for programs, and what came of it; ``done`` is None where it was only shown."""
    link = outlook.link
    return {
        "schema_version": 1,
        "workspace": str(outlook.root),
        "what_if": done is None,
        "goes_on": outlook.goes_on,
        "archive": None if done is None or done.archive is None else str(done.archive),
        "entries": [_entry(part, outlook.root) for part in (outlook.parts if done is None else done.parts)],
        "data_link": None
        if link is None
        else {"path": str(link.path), "leads_to": link.leads_to or None, "removed": link.goes, "why": link.why},
    }


def _entry(part: Part, root: Path) -> dict[str, Any]:
    return {
        "path": _shown(part.path, root),
        "fate": part.fate.value,
        "bytes": part.size.size_bytes,
        "files": part.size.files,
        "is_whole": part.size.is_whole,
        "why": part.why,
    }


def _line(part: Part, root: Path) -> str:
    why = f"  ({part.why})" if part.why else ""
    return f"  {_shown(part.path, root)}  {size_text(part.size)}{why}"


def _shown(path: Path, root: Path) -> str:
    return clean((path.relative_to(root) if path.is_relative_to(root) else path).as_posix(), 300)
