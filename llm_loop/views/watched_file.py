"""A file that is read again only when it changed, by somebody who neither locks nor owns it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from llm_loop.errors import LoopError

T = TypeVar("T")
_NO_FIT = (LoopError, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)


class WatchedFile(Generic[T]):
    """Hold the last good look at one file.

    ``problem`` is one line about a file that is there and cannot be read, or None. ``changed_ns`` is the
    file's time of change at the last look, None when there is no file.
    """

    def __init__(self, path: Path, parse: Callable[[Path], T]) -> None:
        self.path = path
        self.problem: str | None = None
        self.changed_ns: int | None = None
        self._parse = parse
        self._seen: tuple[int, int, int] | None = None
        self._value: T | None = None

    def look(self) -> T | None:
        """Return what the file holds; None when it is missing or cannot be read. Raises nothing."""
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            self._forget()
            return None
        except OSError as error:
            self._forget(f"{self.path}: cannot be read: {error.strerror or error}")
            return None
        seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)  # replaced within one tick of the clock: another inode
        self.changed_ns = stat.st_mtime_ns
        if seen != self._seen:
            self._read(seen)
        return self._value

    def _read(self, seen: tuple[int, int, int]) -> None:
        try:
            self._value = self._parse(self.path)
            self._seen, self.problem = seen, None
        except FileNotFoundError:
            self._forget()
        except PermissionError as error:  # Windows, while it is being replaced: the last look stands
            if self._value is None:
                self.problem = f"{self.path}: cannot be read: {error.strerror or error}"
        except _NO_FIT as error:
            self._value, self._seen = None, seen
            named = isinstance(error, LoopError)  # such an error names the file itself
            self.problem = str(error) if named else f"{self.path}: {type(error).__name__}: {error}"

    def _forget(self, problem: str | None = None) -> None:
        self._value = self._seen = self.changed_ns = None
        self.problem = problem
