"""Links of the file system: symbolic links everywhere, on Windows junctions for folders.

A junction needs no privilege, a symbolic link on Windows does. What is a link is asked of an entry's
own status, never of what it leads to; a folder of a cloud drive that is merely not loaded is no link.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

_NAME_SURROGATE = 0x20000000  # the bit of a reparse tag that says "another name", winnt.h


def is_link(status: os.stat_result) -> bool:
    """Tell whether an entry is a link or junction; ``status`` is its own, as ``os.lstat`` gives it."""
    if stat.S_ISLNK(status.st_mode):
        return True
    if sys.platform == "win32":
        return bool(status.st_reparse_tag & _NAME_SURROGATE)
    return False


def make_folder_link(link: Path, target: Path) -> None:
    """Make ``link`` lead to the folder ``target``, an absolute path. Raises OSError where that cannot be."""
    if sys.platform == "win32":
        import _winapi

        _winapi.CreateJunction(str(target), str(link))
        if not is_link(os.lstat(link)):
            raise OSError(f"no junction was made at {link}")
    else:
        link.symlink_to(target, target_is_directory=True)


def make_file_link(link: Path, target: Path) -> None:
    """Make ``link`` another name of the file ``target``, an absolute path. Raises OSError where that cannot be.

    On Windows, where a symbolic link needs a privilege, it is a hard link.
    """
    try:
        link.symlink_to(target)
    except OSError:
        if sys.platform != "win32":
            raise
        os.link(target, link)


def remove_link(link: Path) -> None:
    """Remove a link or junction itself, never what it leads to. Raises OSError, also when it is none."""
    if not is_link(os.lstat(link)):
        raise OSError(f"{link} is no link")
    link.unlink()  # a junction too: os.unlink takes it for the link that it is
