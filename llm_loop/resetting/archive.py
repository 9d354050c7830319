"""The archive of old nights: ``.llm_loop_archive/<stamp>/``, into which entries are moved by renaming alone.

A rename needs no room, is whole or not at all, and never leaves the drive: what lies on another one is refused before
anything is moved.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.errors import LoopError
from llm_loop.system.files import patiently
from llm_loop.system.links import is_link

FOLDER = ".llm_loop_archive"
_INSTEAD = "`--no-archive` removes the night instead; or move it away yourself"


class ArchiveError(LoopError):
    """Say why a night cannot be moved into the archive, and what to do about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Hold one night's folder in the archive; ``source`` is the loop's folder, whose order it keeps."""

    folder: Path
    source: Path

    def take(self, path: Path) -> Path:
        """Move an entry in; return where it lies now. Raises ArchiveError."""
        target = self.folder / (path.relative_to(self.source) if path.is_relative_to(self.source) else path.name)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target = _free(target)
            _move(path, target)
        except OSError as error:
            raise ArchiveError(_why(path, error)) from error
        return target

    def forget_if_empty(self) -> None:
        """Remove the folder where nothing was moved into it."""
        try:
            self.folder.rmdir()
            self.folder.parent.rmdir()
        except OSError:  # something lies there
            return


def check_place(paths: WorkspacePaths, moved: Iterable[Path]) -> None:
    """Raise ArchiveError unless the archive is, or can be, a real folder on the drive of all that goes into it."""
    root, waiting = paths.root / FOLDER, list(moved)
    if not waiting:
        return
    try:
        status = root.lstat()
    except FileNotFoundError:
        status = paths.root.stat()
    except OSError as error:
        raise ArchiveError(f"{root} cannot be looked at: {error.strerror or error}; {_INSTEAD}") from error
    if is_link(status) or not stat.S_ISDIR(status.st_mode):
        what = "a link" if is_link(status) else "no folder"
        raise ArchiveError(f"{root} is {what}: the archive is a folder of its own here; {_INSTEAD}")
    for path in waiting:
        if os.path.lexists(path) and path.lstat().st_dev != status.st_dev:
            raise ArchiveError(f"{path} lies on another drive than {root}, and nothing is copied; {_INSTEAD}")


def free_name(paths: WorkspacePaths, stamp: str) -> str:
    """Return a name for a night that nothing in the archive has: the stamp, or with a number behind it."""
    names = (stamp if number == 1 else f"{stamp}-{number}" for number in count(1))
    return next(name for name in names if not os.path.lexists(paths.root / FOLDER / name))


def open_archive(paths: WorkspacePaths, name: str) -> Archive:
    """Make the folder of a night, or go on with it. Raises ArchiveError; what is no folder of its own is not taken."""
    folder = paths.root / FOLDER / name
    try:
        folder.parent.mkdir(exist_ok=True)
        folder.mkdir(exist_ok=True)
        if is_link(folder.lstat()):
            raise ArchiveError(f"{folder} is a link: move it away, then clean again")
    except OSError as error:
        raise ArchiveError(f"{folder} cannot be made: {error.strerror or error}; {_INSTEAD}") from error
    return Archive(folder=folder, source=paths.loop)


def _free(target: Path) -> Path:
    """Return a name that nothing has: what was moved before must not be replaced."""
    names = (target if number == 1 else target.with_name(f"{target.name}.{number}") for number in count(1))
    return next(name for name in names if not os.path.lexists(name))


def _move(path: Path, target: Path) -> None:
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode) and os.name != "nt" and not path.readlink().is_absolute():
        target.symlink_to(Path(os.path.realpath(path.parent)) / path.readlink())  # from there it would lead elsewhere
        path.unlink()
        return
    rename = partial(patiently, path, partial(os.rename, path, target))
    try:
        rename()
    except PermissionError:
        if os.name == "nt" or is_link(status) or not stat.S_ISDIR(status.st_mode):
            raise
        mode = stat.S_IMODE(status.st_mode)
        path.chmod(mode | 0o700)  # a folder that its owner may not write in cannot get another parent
        rename()
        target.chmod(mode)


def _why(path: Path, error: OSError) -> str:
    if error.errno in (errno.EXDEV, errno.EBUSY):
        return f"{path} lies on a drive of its own, and nothing is copied; {_INSTEAD}"
    said = f"cannot move {path} into the archive: {error.strerror or error}"
    if sys.platform == "win32" and isinstance(error, PermissionError):
        held = _held_file(path)
        who = f"a program has {held} open" if held else f"a program has something in {path} open"
        return f"{said}; {who}: close it, then clean again, which goes on from here"
    return f"{said}; mend that, then clean again, which goes on from here"


def _held_file(path: Path) -> Path | None:
    """Return a file in ``path`` that another program holds; None where none can be told. Windows only."""
    files = [path] if path.is_file() else (Path(root) / name for root, _, names in os.walk(path) for name in names)
    for file in files:
        try:
            os.rename(file, file)  # noqa: PTH104 - needs the very right that the holder keeps
        except OSError:
            return file
    return None
