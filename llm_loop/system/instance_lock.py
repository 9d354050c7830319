"""One daemon a workspace: an operating-system lock that ends with its holder, however it ends."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from llm_loop.errors import FileWriteError, WorkspaceBusyError

if sys.platform == "win32":
    from llm_loop.system import platform_windows as platform
else:
    from llm_loop.system import platform_posix as platform


class InstanceLock:
    """Hold the lock of a workspace for a ``with`` block.

    Tries for ``patience_s`` seconds, then raises WorkspaceBusyError with ``holder()``'s words.
    """

    def __init__(self, path: Path, holder: str = "another daemon", patience_s: float = 2.0) -> None:
        self._path = path
        self._holder = holder
        self._patience_s = patience_s
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = platform.open_lock_file(self._path)
        except OSError as error:
            raise FileWriteError(self._path, "write", error) from error
        give_up = time.monotonic() + self._patience_s
        while not self._try(descriptor):
            if time.monotonic() >= give_up:
                os.close(descriptor)
                raise WorkspaceBusyError(
                    f"{self._path.parent.parent} is held by {self._holder}; "
                    "end it with `llm-loop stop`, or look at it with `llm-loop status`"
                )
            time.sleep(0.05)
        os.write(descriptor, b"1")
        self._descriptor = descriptor
        return self

    def retake(self) -> bool:
        """Take the lock of the file that lies there now; tell whether it is held.

        For a drive that was away: what was locked before may be out of reach for good. Raises nothing.
        """
        try:
            descriptor = platform.open_lock_file(self._path)
            if not self._try(descriptor):
                os.close(descriptor)
                return False
            os.write(descriptor, b"1")
        except (OSError, FileWriteError):
            return False
        before, self._descriptor = self._descriptor, descriptor
        if before is not None:
            with suppress(OSError):
                os.close(before)
        return True

    def _try(self, descriptor: int) -> bool:
        try:
            return platform.try_lock(descriptor)
        except OSError as error:  # a file system without locks
            os.close(descriptor)
            raise FileWriteError(self._path, "lock", error) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def is_held(path: Path) -> bool:
    """Tell whether a daemon holds the workspace, without taking the lock."""
    return platform.is_locked(path)
