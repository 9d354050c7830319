"""The keyboard of a terminal on Linux: keys as they are pressed, not line by line."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from typing import Any

assert sys.platform != "win32"


def begin(descriptor: int) -> list[Any] | None:
    """Have keys come one by one and unseen; return what ``end`` needs, None where it is no terminal of ours."""
    try:
        before = termios.tcgetattr(descriptor)
        if os.tcgetpgrp(descriptor) != os.getpgrp():  # in the background a read would stop us
            return None
        tty.setcbreak(descriptor, termios.TCSANOW)
    except (OSError, termios.error):
        return None
    return before


def end(descriptor: int, before: list[Any]) -> None:
    """Put the terminal back as it was."""
    termios.tcsetattr(descriptor, termios.TCSANOW, before)


def wait(descriptor: int, seconds: float) -> str | None:
    """Return the next key, waiting for it at most so long; None for none, "" when the terminal is gone."""
    ready, _, _ = select.select([descriptor], [], [], max(0.0, seconds))
    if not ready:
        return None
    try:
        return os.read(descriptor, 32).decode("utf-8", "replace")[:1]
    except OSError:
        return ""
