"""The mark of a reset that is under way: an empty file in ``.llm_loop`` whose name tells its archive.

Its name alone says all, so that it needs no room on a disk that is full. While it lies there, what is in ``.llm_loop``
is a part of a night: nothing may begin on it but another `clean`, which goes on.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.errors import LoopError
from llm_loop.system import files
from llm_loop.views.wording import typed

_MARK = re.compile(r"CLEANING\.(\d{8}T\d{6}Z(?:-\d{1,6})?)")


def is_mark(name: str) -> bool:
    """Tell whether an entry of ``.llm_loop`` of that name is such a mark."""
    return _MARK.fullmatch(name) is not None


def unfinished(paths: WorkspacePaths) -> str | None:
    """Return the name of the archive of a reset that was cut short, None where there was none."""
    return min((found[1] for name in _names(paths.loop) if (found := _MARK.fullmatch(name))), default=None)


def refuse_unfinished(paths: WorkspacePaths) -> None:
    """Raise LoopError where a reset was cut short: what is left is a part of a night, and no loop may begin on it."""
    if unfinished(paths) is not None:
        raise LoopError(f"a `clean` of {paths.root} was cut short: `{typed('clean')}` again finishes it")


def mark(paths: WorkspacePaths, name: str) -> None:
    """Leave the mark of a reset whose archive has that name. Raises FileWriteError."""
    files.replace_bytes(paths.loop / f"CLEANING.{name}", b"", make_folder=False)


def unmark(paths: WorkspacePaths) -> None:
    """Take every mark away: the reset is done. Raises FileWriteError."""
    for name in _names(paths.loop):
        if is_mark(name):
            files.remove(paths.loop / name)


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - names, not paths
    except (FileNotFoundError, NotADirectoryError):
        return []
