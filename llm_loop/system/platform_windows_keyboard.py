"""The keyboard of a console on Windows: keys as they are pressed, not line by line."""

from __future__ import annotations

import msvcrt
import sys
import time

assert sys.platform == "win32"

_LOOK_S = 0.05
_PREFIXES = ("\x00", "\xe0")
"""Before the code of a key without a character, such as an arrow."""


def begin(descriptor: int) -> list[object] | None:
    """Return what ``end`` needs: a console gives keys one by one as it is."""
    return []


def end(descriptor: int, before: list[object]) -> None:
    """Do nothing: nothing was changed."""


def wait(descriptor: int, seconds: float) -> str | None:
    """Return the next key, waiting for it at most so long; None for none."""
    give_up = time.monotonic() + seconds
    while not msvcrt.kbhit():
        left = give_up - time.monotonic()
        if left <= 0:
            return None
        time.sleep(min(_LOOK_S, left))
    key = msvcrt.getwch()
    if key in _PREFIXES:
        msvcrt.getwch()
        return None
    if key == "\x03":  # getwch takes Ctrl-C as a character
        raise KeyboardInterrupt
    return key
