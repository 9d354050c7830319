"""How much lies in a folder: links are counted themselves, never what they lead to."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from llm_loop.system.links import is_link

_BLOCK_BYTES = 512  # the unit of st_blocks, whatever the file system's own is
_LONG_BYTES = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Hold bytes on disk and the number of files.

    ``is_whole`` is False where a folder could not be looked into, ``is_one_drive`` where another one is mounted inside.
    """

    size_bytes: int = 0
    files: int = 0
    is_whole: bool = True
    is_one_drive: bool = True

    def __add__(self, other: Size) -> Size:
        return Size(
            size_bytes=self.size_bytes + other.size_bytes,
            files=self.files + other.files,
            is_whole=self.is_whole and other.is_whole,
            is_one_drive=self.is_one_drive and other.is_one_drive,
        )


def size_of(path: Path) -> Size:
    """Return the size of a file, a link, or a folder with all in it. A file of several names counts once."""
    total, files, is_whole = 0, 0, True
    seen: set[tuple[int, int]] = set()
    drives: set[int] = set()
    waiting = [os.fspath(path)]
    while waiting:
        place = waiting.pop()
        try:
            status = os.lstat(place)
            drives.add(status.st_dev)
            if _is_folder(status):
                waiting.extend(entry.path for entry in _listed(place))
                continue
        except FileNotFoundError:
            continue
        except OSError:
            is_whole = False
            continue
        files += 1
        if status.st_nlink > 1 and (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        total += _on_disk(status)
    return Size(size_bytes=total, files=files, is_whole=is_whole, is_one_drive=len(drives) < 2)


def size_text(size: Size) -> str:
    """Write a size for people: ``1.2 GB in 1,234 files``."""
    value, unit = float(size.size_bytes), "bytes"
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    amount = f"{value:.0f} {unit}" if unit == "bytes" or value >= 100 else f"{value:.1f} {unit}"
    least = "" if size.is_whole else "at least "
    return f"{least}{amount} in {size.files:,} file{'' if size.files == 1 else 's'}"


def _listed(folder: str) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return list(entries)


def _is_folder(status: os.stat_result) -> bool:
    return (status.st_mode & 0o170000) == 0o040000 and not is_link(status)


def _on_disk(status: os.stat_result) -> int:
    """Return what a file takes: of a long log whose middle was given back less than its length."""
    blocks = getattr(status, "st_blocks", None)
    if blocks is None or status.st_size < _LONG_BYTES:
        return status.st_size
    return min(status.st_size, int(blocks) * _BLOCK_BYTES)
