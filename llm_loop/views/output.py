"""Write to standard output while somebody may close it: a pager that was left, a window that is gone."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from llm_loop.errors import LoopError

_GONE = (errno.EPIPE, errno.EINVAL, errno.EIO, errno.ENXIO, errno.EBADF)


@contextmanager
def until_closed() -> Iterator[None]:
    """End the block quietly when standard output is closed.

    Raises LoopError, in one line, for any other failure to read or write.
    """
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        if error.filename is not None or error.errno not in _GONE:
            where = f"{error.filename}: " if error.filename else ""
            raise LoopError(f"{where}{error.strerror or error}") from error
        _silence()


def _silence() -> None:
    """Send what is still buffered to nowhere, so that the interpreter's own last flush finds no closed pipe."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
