"""A checkout as it lies on disk: looked at without following anything, and made equal to a version."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from llm_loop.errors import FileWriteError
from llm_loop.system.folders import make_folder
from llm_loop.system.links import is_link, make_folder_link
from llm_loop.versions.removal import remove_entry
from llm_loop.versions.store import FileEntry, Known, Signature, Version, VersionStore, known_entry, signature

_DEEPEST = 40
_CLOCK_STEP_S = 0.02  # the coarsest step of a file system's clock on Linux is 10 ms


@dataclass(slots=True)
class Tree:
    """Hold what lies in a folder. ``odd`` maps what is no plain file or folder to what is wrong with it.

    ``swept`` are the folders that were not entered; ``overflow`` tells that there was too much to look at all.
    """

    files: dict[str, os.stat_result] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    odd: dict[str, str] = field(default_factory=dict)
    swept: list[str] = field(default_factory=list)
    overflow: bool = False


def look(folder: Path, most: int, sweeps: Callable[[str], bool] = lambda path: False) -> Tree:
    """Walk ``folder``, at most about ``most`` entries of it; ``sweeps`` says which folders are passed by."""
    tree = Tree()
    waiting = [""]
    seen = 0
    while waiting:
        place = waiting.pop()
        try:
            with os.scandir(f"{folder}/{place}") as entries:
                for entry in entries:
                    seen += 1
                    if seen > most:
                        tree.overflow = True
                        return tree
                    _note(tree, f"{place}{entry.name}", entry, waiting, sweeps)
        except OSError as error:
            tree.odd[place or "."] = f"a folder that cannot be read ({error.strerror})"
    return tree


def _note(tree: Tree, path: str, entry: os.DirEntry[str], waiting: list[str], sweeps: Callable[[str], bool]) -> None:
    # a listing of Windows knows neither how many names a file has, nor its inode
    status = os.lstat(entry.path) if os.name == "nt" else entry.stat(follow_symlinks=False)
    if not entry.name.isascii() and not _is_text(entry.name):
        tree.odd[path] = "an entry whose name is no text"
    elif is_link(status):
        tree.links.append(path)
    elif stat.S_ISREG(status.st_mode):
        tree.files[path] = status
    elif not stat.S_ISDIR(status.st_mode):
        tree.odd[path] = "a pipe, socket or device"
    elif path.count("/") >= _DEEPEST:
        tree.odd[path] = f"nested more than {_DEEPEST} folders deep"
    elif sweeps(path):
        tree.swept.append(path)
    else:
        tree.folders.append(path)
        waiting.append(f"{path}/")


def make_equal(folder: Path, version: Version, store: VersionStore, known: Known, tree: Tree) -> Known:
    """Make ``folder``, in which ``tree`` lies, hold exactly a version; return what is known of it then.

    A file that ``known`` shows to be right is left alone. Raises CodeRefused, FileWriteError.
    """
    for path in (*tree.odd, *tree.swept, *(one for one in tree.links if not _is_right(folder, one, version))):
        remove_entry(folder / path)
    right = {p: e for p, s in tree.files.items() if p in version.files and (e := known_entry(known, p, s)) is not None}
    right = {path: entry for path, entry in right.items() if entry == version.files[path]}
    for path in tree.files:
        if path not in right:
            remove_entry(folder / path)
    wanted = _folders(version)
    for path in sorted(tree.folders):
        if path not in wanted:
            remove_entry(folder / path)
    now: dict[str, tuple[Signature, FileEntry]] = {path: known[path] for path in right}
    now |= _write(folder, version, store, [path for path in version.files if path not in right], wanted)
    restore_links(folder, version)
    time.sleep(_CLOCK_STEP_S)  # whatever is written from here on has a later time than all of this
    return now


def restore_links(folder: Path, version: Version) -> tuple[str, ...]:
    """Make those links of a version that are not there; return those that this machine cannot make."""
    failed: list[str] = []
    for path, target in version.links.items():
        link = folder / path
        if os.path.lexists(link):
            continue
        try:
            make_folder(link.parent)
            if os.name == "nt":
                make_folder_link(link, folder / target)
            else:
                link.symlink_to(os.path.relpath(folder / target, link.parent))
        except OSError:
            failed.append(path)
    return tuple(failed)


def _write(
    folder: Path, version: Version, store: VersionStore, paths: list[str], folders: set[str]
) -> dict[str, tuple[Signature, FileEntry]]:
    written: dict[str, tuple[Signature, FileEntry]] = {}
    try:
        for path in sorted({"", *folders} if paths else {""}):
            with suppress(FileExistsError):
                os.mkdir(f"{folder}/{path}")  # noqa: PTH102 - thousands: texts, not paths
        for path in paths:
            entry = version.files[path]
            written[path] = (_write_file(f"{folder}/{path}", store.content(entry), entry), entry)
    except OSError as error:
        raise FileWriteError(folder, "write a checkout into", error) from error
    return written


def _write_file(place: str, data: bytes, entry: FileEntry) -> Signature:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(place, flags, 0o755 if entry.executable else 0o644)
    try:
        if os.write(descriptor, data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return signature(os.fstat(descriptor))
    finally:
        os.close(descriptor)


def _folders(version: Version) -> set[str]:
    found: set[str] = set()
    for path in (*version.files, *version.links):
        above = path.rpartition("/")[0]
        while above and above not in found:
            found.add(above)
            above = above.rpartition("/")[0]
    return found


def _is_right(folder: Path, path: str, version: Version) -> bool:
    target = version.links.get(path)
    if target is None:
        return False
    return os.path.normpath(os.path.join(folder, path, "..", os.readlink(folder / path))) == str(folder / target)  # noqa: PTH115, PTH118


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
