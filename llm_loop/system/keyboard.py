"""Keys pressed on a terminal, one by one; where standard input is none, nobody presses any."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self

if sys.platform == "win32":
    from llm_loop.system import platform_windows_keyboard as platform
else:
    from llm_loop.system import platform_posix_keyboard as platform


class Keyboard:
    """Listen to the keys of the terminal for a ``with`` block, and leave it as it was."""

    def __init__(self) -> None:
        self._descriptor = 0
        self._before: Any = None

    def __enter__(self) -> Self:
        try:
            self._descriptor = sys.stdin.fileno()
            is_terminal = sys.stdin.isatty()
        except (AttributeError, OSError, ValueError):  # no standard input at all, or one that is closed
            return self
        if is_terminal:
            self._before = platform.begin(self._descriptor)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            platform.end(self._descriptor, self._before)

    @property
    def is_there(self) -> bool:
        """Whether anybody can press a key."""
        return self._before is not None

    def wait(self, seconds: float) -> str | None:
        """Wait for a key at most so long and return it; None when none was pressed."""
        if self._before is None:
            time.sleep(seconds)
            return None
        key = platform.wait(self._descriptor, seconds)
        if key == "":  # the terminal is gone: whoever asks again would ask without end
            self._before = None
            return None
        return key
