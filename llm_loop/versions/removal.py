"""The one remover: it takes away what the loop made, and never enters a link or junction.

A tree is emptied one folder deep: whatever folder lies in it is first moved to its top, under a short
name. So neither a path's length nor its depth stops it, and nothing is followed on the way down.
"""

from __future__ import annotations

import os
import stat
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path

from llm_loop.errors import FileWriteError
from llm_loop.system.links import is_link
from llm_loop.versions.refusal import CodeRefused

_PAUSES_S = (0.01, 0.02, 0.05, 0.1, 0.2) if os.name == "nt" else ()


def remove_tree(folder: Path, within: Path) -> None:
    """Remove ``folder`` with all that is in it; a missing one is fine.

    Raises CodeRefused unless it lies in ``within``, by its real path; FileWriteError when something in it stays.
    """
    lies, root = Path(os.path.realpath(folder.parent)) / folder.name, Path(os.path.realpath(within))
    if folder.name in ("", "..") or lies == root or not lies.is_relative_to(root):
        raise CodeRefused(f"{folder} does not lie in {within}: it is not removed")
    try:
        _remove(lies)
    except OSError as error:
        raise FileWriteError(folder, "remove", error) from error


def remove_entry(path: Path) -> None:
    """Remove one entry of a tree of the loop's own: a file, a link (itself), or a folder with all in it.

    Raises FileWriteError.
    """
    try:
        _remove(path)
    except OSError as error:
        raise FileWriteError(path, "remove", error) from error


def _remove(path: Path) -> None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(status.st_mode) or is_link(status):
        _unlink(path)
        return
    waiting = [path]
    while waiting:
        folder = waiting[-1]
        moved = _empty(folder, top=path)
        waiting.extend(moved)
        if not moved:
            waiting.pop()
            _patiently(folder.rmdir)


def _empty(folder: Path, top: Path) -> list[Path]:
    """Take away what lies in ``folder``, its folders moved into ``top`` (where they are, when it is ``top``)."""
    folders: list[Path] = []
    for name in _listed(folder):
        entry = folder / name
        status = entry.lstat()
        if is_link(status) or not stat.S_ISDIR(status.st_mode):
            _unlink(entry)
        elif folder == top:
            folders.append(entry)
        else:
            place = top / uuid.uuid4().hex
            _patiently(partial(os.rename, entry, place))
            folders.append(place)
    return folders


def _listed(folder: Path) -> list[str]:
    """Return the names in a folder, made readable and writable first: it is a real one, and to be removed."""
    if os.name != "nt" and not is_link(folder.lstat()):
        folder.chmod(0o700)
    return os.listdir(folder)  # noqa: PTH208 - names that are no text must pass too


def _unlink(path: Path) -> None:
    try:
        _patiently(path.unlink)
    except PermissionError:
        status = path.lstat()
        if is_link(status) or not stat.S_ISREG(status.st_mode):
            raise
        path.chmod(0o600)  # Windows keeps a file that is marked read-only
        path.unlink()


def _patiently(act: Callable[[], None]) -> None:
    """Do ``act``, again after a while where Windows says that somebody has the file open."""
    for pause_s in _PAUSES_S:
        try:
            return act()
        except PermissionError:
            time.sleep(pause_s)
    return act()
