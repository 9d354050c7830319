"""Carry a plan out, one entry after another, so that a second go finishes what a first one could not."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.errors import FileWriteError, LoopError
from llm_loop.resetting.archive import Archive, ArchiveError, check_place, free_name, open_archive
from llm_loop.resetting.plan import Fate, Part
from llm_loop.resetting.unfinished import mark, unfinished, unmark
from llm_loop.system.links import remove_link
from llm_loop.versions.checkout import recorded
from llm_loop.versions.pruning import discard
from llm_loop.versions.refusal import CodeRefused
from llm_loop.versions.removal import remove_tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Hold what was done: the parts as they went, and the archive's folder (None: nothing was moved)."""

    parts: tuple[Part, ...]
    archive: Path | None


def carry_out(paths: WorkspacePaths, parts: Sequence[Part], link: Path | None, stamp: str) -> Done:
    """Move and remove what the parts say, then the link ``link`` itself; what is kept is not touched.

    The caller holds the instance lock. ``stamp`` names the archive unless one was left unfinished. Raises ArchiveError,
    FileWriteError, LoopError: the rest is done by the next go.
    """
    moved = [part.path for part in parts if part.fate is Fate.ARCHIVED]
    archive = _open(paths, moved, stamp)
    if archive is None:
        with suppress(FileWriteError):  # on a full disk: what makes room must not wait for room
            mark(paths, unfinished(paths) or stamp)
    done = [_act(paths, part, archive) for part in parts]
    if link is not None:
        _guarded(link, lambda: remove_link(link))
    unmark(paths)
    if archive is not None:
        archive.forget_if_empty()
    return Done(parts=tuple(done), archive=None if archive is None or not moved else archive.folder)


def _open(paths: WorkspacePaths, moved: Sequence[Path], stamp: str) -> Archive | None:
    """Return the archive's folder, with the mark that a reset is under way; None where nothing goes into it."""
    if not moved:
        return None
    check_place(paths, moved)
    left = unfinished(paths)
    name = left or free_name(paths, stamp)
    mark(paths, name)  # before the folder, so that whoever goes on finds it
    try:
        return open_archive(paths, name)
    except ArchiveError:
        if left is None:
            unmark(paths)
        raise


def _act(paths: WorkspacePaths, part: Part, archive: Archive | None) -> Part:
    """Do one part; return it as it went."""
    if not os.path.lexists(part.path):  # its owner was quicker
        return part
    if part.fate is Fate.ARCHIVED and archive is not None:
        archive.take(part.path)
    elif part.fate is Fate.REMOVED:
        if archive is not None and part.path == paths.checkouts and not _are_empty_of_results(paths):
            archive.take(part.path)
            return replace(part, fate=Fate.ARCHIVED, why="it holds what runs left there")
        within = paths.loop if part.path.is_relative_to(paths.loop) else paths.root
        _guarded(part.path, lambda: remove_tree(part.path, within))
    return part


def _are_empty_of_results(paths: WorkspacePaths) -> bool:
    """Bring what runs left in their checkouts into the runs' own folders; tell whether all could be."""
    try:
        for name in recorded(paths.checkouts):
            discard(paths.checkouts, paths.versions, name)
    except (CodeRefused, FileWriteError, OSError):
        return False
    return True


def _guarded(path: Path, act: Callable[[], None]) -> None:
    try:
        act()
    except FileWriteError as error:
        place = error.cause.filename
        what = f"{error} ({place})" if place and str(place) != str(error.path) else str(error)
        raise LoopError(f"{what}; close what has it open, then clean again, which goes on from here") from error
    except OSError as error:
        raise FileWriteError(path, "remove", error) from error
