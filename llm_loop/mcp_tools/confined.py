"""A folder that may be read, and nothing besides it.

A path that a model names may climb, be absolute, lead through a link, a device, a stream; and the folder
may change while it is read, because the model's own commands write there. So a path is first judged as text, then
resolved, and the resolved one, which has no link in it, is opened step by step without following any.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from llm_loop.mcp_tools.refusal import Refused
from llm_loop.system.links import is_link

HIDDEN = frozenset({".git", ".llm_loop", ".llm_loop_archive", ".llm_loop_sealed", "codex_home"})
_LONGEST = 1_024
_DRIVE = re.compile(r"[A-Za-z]:")
_STEP = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_LAST = _STEP | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_FOLDER = _STEP | getattr(os, "O_DIRECTORY", 0)
_BY_STEPS = os.open in os.supports_dir_fd
_WINDOWS = os.name == "nt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Hold one thing of the folder: its path from there with ``/``, what it is, its size in bytes."""

    path: str
    is_folder: bool
    is_link: bool
    size: int


class Confined:
    """Read below ``root``, but never what lies in one of ``keep_out`` or has a hidden name.

    Raises Refused when ``root`` is no folder, or lies in one that is kept out.
    """

    def __init__(self, root: Path, keep_out: Sequence[Path] = ()) -> None:
        try:
            self.root = root.resolve(strict=True)
        except (OSError, ValueError) as error:
            raise Refused(f"the folder {root} cannot be read") from error
        self._keep_out = [folder for folder in map(_resolved, keep_out) if not self.root.is_relative_to(folder)]
        if len(self._keep_out) < len(keep_out) or not self.root.is_dir():
            raise Refused(f"the folder {root} may not be read")

    def parts(self, path: str) -> tuple[str, ...]:
        """Return the steps from the root to what ``path`` names, links resolved. Raises Refused."""
        _judge_text(path)
        try:
            real = (self.root / path.replace("\\", "/")).resolve(strict=True)
        except (OSError, ValueError, RuntimeError) as error:
            raise Refused(f"{path!r}: no such file or folder in the checkout") from error
        if not real.is_relative_to(self.root):
            raise Refused(f"{path!r} leads out of the checkout")
        steps = real.relative_to(self.root).parts
        if self._is_hidden(steps):
            raise Refused(f"{path!r} may not be read")
        return steps

    def open(self, path: str) -> IO[bytes]:
        """Open a regular file. Raises Refused."""
        return self.open_parts(self.parts(path), path)

    def open_parts(self, parts: Sequence[str], name: str) -> IO[bytes]:
        """Open the regular file at the end of resolved steps; ``name`` is for the refusal. Raises Refused."""
        try:
            handle = self._open_by_steps(parts) if _BY_STEPS else self._open_whole(parts)
        except OSError as error:
            raise Refused(f"{name!r} cannot be read: {error.strerror or error}") from error
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:  # a second name may be that of a sealed row
            os.close(handle)
            raise Refused(f"{name!r} is not a regular file, or one with a name elsewhere too")
        return os.fdopen(handle, "rb")

    def walk(self, path: str, depth: int) -> Iterator[Entry]:
        """Yield what lies below a folder by name, or a file itself; links are named, not entered. Raises Refused."""
        yield from self._walk(self.parts(path), depth)

    def _walk(self, steps: tuple[str, ...], depth: int) -> Iterator[Entry]:
        folder = self.root.joinpath(*steps)
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except NotADirectoryError:
            yield Entry(path="/".join(steps), is_folder=False, is_link=False, size=folder.lstat().st_size)
            return
        except OSError:
            return
        for entry in entries:
            inner = (*steps, entry.name)
            if self._is_hidden(inner):
                continue
            thing = _entry_of(entry, "/".join(inner))
            yield thing
            if thing.is_folder and depth > 1:
                yield from self._walk(inner, depth - 1)

    def _is_hidden(self, steps: Sequence[str]) -> bool:
        """Tell whether resolved steps lead into what is kept out; Windows ignores case, and blanks or dots at ends."""
        if any(step.rstrip(" .").casefold() in HIDDEN for step in steps):
            return True
        real = self.root.joinpath(*steps)
        return any(real.is_relative_to(folder) for folder in self._keep_out)

    def _open_by_steps(self, parts: Sequence[str]) -> int:
        handle = os.open(self.root, _FOLDER)
        for place, part in enumerate(parts, 1):
            try:
                inner = os.open(part, _LAST if place == len(parts) else _FOLDER, dir_fd=handle)
            finally:
                os.close(handle)
            handle = inner
        return handle

    def _open_whole(self, parts: Sequence[str]) -> int:
        """Open where no folder can be held open: what was opened must still be what the path means."""
        path = self.root.joinpath(*parts)
        handle = os.open(path, _LAST)
        try:
            same = path.resolve(strict=True) == path and os.path.samestat(os.fstat(handle), path.stat())
        except OSError:
            same = False
        if not same:
            os.close(handle)
            raise OSError(errno.ELOOP, "it was replaced by a link")
        return handle


def _judge_text(path: str) -> None:
    """Refuse what is no plain relative path, before the system sees it."""
    plain = path.replace("\\", "/")
    if not path or len(path) > _LONGEST or any(ord(char) < 32 or 0xD800 <= ord(char) <= 0xDFFF for char in path):
        raise Refused("a path is a relative path of at most 1,024 characters, without control characters")
    if plain.startswith(("/", "~")) or _DRIVE.match(plain) or (_WINDOWS and ":" in plain):
        raise Refused(f"{path!r}: give the path relative to the checkout")
    if ".." in plain.split("/"):
        raise Refused(f"{path!r}: a path may not climb with `..`")


def _resolved(folder: Path) -> Path:
    """Return a folder without links, as far as it exists."""
    try:
        return folder.resolve()
    except (OSError, RuntimeError):
        return folder.absolute()


def _entry_of(entry: os.DirEntry[str], path: str) -> Entry:
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return Entry(path=path, is_folder=False, is_link=False, size=0)
    link = is_link(status)
    return Entry(path=path, is_folder=stat.S_ISDIR(status.st_mode) and not link, is_link=link, size=status.st_size)
