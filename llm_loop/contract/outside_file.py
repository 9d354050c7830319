"""Open what an outsider wrote: a run, an agent, a person.

Such a path may be anything by now. A pipe would make its reader wait for ever, a device never ends, a
folder is no file: only regular files are opened, and no more is read than was asked for.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import IO

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOCTTY", 0)


def open_outside(path: Path) -> IO[bytes]:
    """Open a regular file for reading, never waiting. Raises OSError for anything else."""
    descriptor = os.open(path, _FLAGS)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return os.fdopen(descriptor, "rb")


def tail_outside(path: Path, max_bytes: int) -> bytes:
    """Return the last ``max_bytes`` of a regular file; b"" for what is none or cannot be read."""
    try:
        with open_outside(path) as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - max_bytes))
            return stream.read(max_bytes)
    except OSError:
        return b""


def read_outside(path: Path, max_bytes: int) -> bytes:
    """Return a whole regular file. Raises OSError, also for a file of more than ``max_bytes``."""
    with open_outside(path) as stream:
        data = stream.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise OSError(errno.EFBIG, f"larger than {max_bytes:,} bytes", str(path))
    return data
