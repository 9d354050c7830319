"""Whether a folder that cannot be reached was removed, or lies on a drive that has gone for a while.

Standard library only: the keeper loads this file by path.
"""

from __future__ import annotations

import errno
import os

_GOES_BY = frozenset(
    getattr(errno, name)
    for name in (
        "ENOSPC EDQUOT EROFS EIO ESTALE ENOTCONN ETIMEDOUT EHOSTDOWN EHOSTUNREACH ENETDOWN ENETUNREACH ENODEV ENXIO "
        "EREMOTEIO ECONNRESET ECONNABORTED"
    ).split()
    if hasattr(errno, name)
)
# write protected, not ready, network path and name, disk full, device and network gone
_GOES_BY_ON_WINDOWS = frozenset({19, 21, 51, 53, 54, 55, 59, 64, 67, 112, 121, 433, 1117, 1167, 1231, 1232, 1236})


def device_of(folder: str | os.PathLike[str]) -> int | None:
    """Return the number of the drive that a folder lies on now, None where it is not there."""
    try:
        return os.stat(folder).st_dev  # noqa: PTH116 - pathlib costs the keeper a megabyte
    except OSError:
        return None


def is_away(folder: str | os.PathLike[str], device: int | None) -> bool:
    """Tell whether the drive on which ``folder`` lay is gone; False where it is there, with the folder or without it.

    ``folder`` is a real path (no links in it), ``device`` its ``device_of`` of before. The nearest folder above that
    exists tells: it lies on that drive, or it is where the drive was mounted. A system that answers with anything
    else than "not found" has lost the drive, too.
    """
    place = os.fspath(folder)
    while True:
        try:
            return os.stat(place).st_dev != device  # noqa: PTH116
        except (FileNotFoundError, NotADirectoryError):
            above = os.path.dirname(place)  # noqa: PTH120
            if above == place:  # not even the letter of the drive, or the share
                return True
            place = above
        except OSError:
            return True


def is_of_the_drive(error: OSError) -> bool:
    """Tell whether a drive refused something: it is full, read-only or gone. A missing file may be anything."""
    return error.errno in _GOES_BY or getattr(error, "winerror", None) in _GOES_BY_ON_WINDOWS


def goes_by(error: OSError, folder: str | os.PathLike[str], device: int | None) -> bool:
    """Tell whether what refuses a write in ``folder`` may end by itself: a full, a read-only or an absent drive."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return is_away(folder, device)
    return is_of_the_drive(error)
