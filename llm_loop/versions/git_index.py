"""What git tracks, read from its index without git.

A tracked file counts as code also where an ignore pattern names it. Format: git's
``Documentation/gitformat-index.txt``, versions 2 to 4; anything else reads as "nothing is known to be
tracked", and then the ignore patterns alone decide.
"""

from __future__ import annotations

import struct
from pathlib import Path

from llm_loop.contract.outside_file import read_outside

_MOST_BYTES = 100_000_000
_STAT_BYTES = 40
_EXTENDED = 0x4000


def git_folders(top: Path) -> tuple[Path, Path] | None:
    """Return git's folder of a work tree and the one it shares with other work trees; None without git."""
    folder = top / ".git"
    if folder.is_file():  # a linked work tree or a submodule names its folder
        said = _text(folder).partition("gitdir:")[2].strip()
        folder = top / said if said else folder
    if not folder.is_dir():
        return None
    shared = _text(folder / "commondir").strip()
    return folder, (folder / shared if shared else folder)


def tracked_paths(top: Path) -> frozenset[str]:
    """Return the paths that git tracks in the work tree ``top``, relative to it, with ``/``."""
    folders = git_folders(top)
    if folders is None:
        return frozenset()
    try:
        data = read_outside(folders[0] / "index", _MOST_BYTES)
        sha256 = "sha256" in _text(folders[1] / "config").lower()
        return frozenset(_names(data, 32 if sha256 else 20))
    except (OSError, ValueError, struct.error, IndexError):
        return frozenset()


def _names(data: bytes, hash_bytes: int) -> list[str]:
    signature, version, count = struct.unpack_from(">4sII", data)
    if signature != b"DIRC" or version not in (2, 3, 4):
        raise ValueError("an index of another format")
    names: list[str] = []
    at, name = 12, b""
    for _ in range(count):
        begin = at
        flags = struct.unpack_from(">H", data, at + _STAT_BYTES + hash_bytes)[0]
        at += _STAT_BYTES + hash_bytes + (4 if version >= 3 and flags & _EXTENDED else 2)
        if version == 4:
            cut, at = _number(data, at)
            kept = name[: len(name) - cut]
        else:
            kept = b""
        end = data.index(b"\0", at)
        name = kept + data[at:end]
        at = end + 1 if version == 4 else begin + ((end - begin) // 8 + 1) * 8
        names.append(name.decode("utf-8", "surrogateescape"))
    return names


def _number(data: bytes, at: int) -> tuple[int, int]:
    """Read a number of variable length, as git's packs write offsets; return it and where it ends."""
    value = data[at] & 127
    while data[at] & 128:
        at += 1
        value = ((value + 1) << 7) | (data[at] & 127)
    return value, at + 1


def _text(path: Path) -> str:
    try:
        return read_outside(path, 100_000).decode("utf-8", "replace")
    except OSError:
        return ""
