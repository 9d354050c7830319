"""One set-up at a time in a checkout, by a lock of the operating system that ends with its holder."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_WAIT_S = 3600.0
_FAR_BYTE = 4096  # Windows locks bytes: one beyond the text, so that others can still read who holds it


if sys.platform == "win32":
    import msvcrt

    def _try(descriptor: int) -> bool:
        os.lseek(descriptor, _FAR_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _try(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


@contextmanager
def only_one(file: Path, say: Callable[[str], None], wait_s: float = _WAIT_S) -> Iterator[None]:
    """Hold the lock on `file` while the body runs; wait up to `wait_s` seconds for another holder.

    On POSIX systems a pip that outlives its killed set-up holds the lock on, because it inherits the descriptor.
    Raises TimeoutError when the other is still at it, OSError when the file cannot be made.
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _wait(descriptor, file, say, wait_s)
        os.set_inheritable(descriptor, sys.platform != "win32")
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.truncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)


def _wait(descriptor: int, file: Path, say: Callable[[str], None], wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    told = False
    while not _try(descriptor):
        if not told:
            say(f"Another set-up is at work here (process {holder(file)}); waiting for it")
            told = True
        if time.monotonic() > deadline:
            raise TimeoutError(f"the set-up of process {holder(file)} is still at work")
        time.sleep(0.2)


def holder(file: Path) -> str:
    """Return the process id that the holder wrote down, "unknown" where it cannot be read."""
    try:
        return file.read_text(encoding="utf-8").strip() or "unknown"
    except OSError:
        return "unknown"
