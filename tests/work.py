"""How much a call does, whatever the machine does beside it."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import Any


def calls_of(act: Callable[[], object]) -> int:
    """Return how many functions ``act()`` calls in this thread, Python's own and those written in C."""
    count = 0

    def note(_: Any, event: str, __: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    gc.collect()
    was_on, before = gc.isenabled(), sys.getprofile()
    gc.disable()  # what others left behind would be counted, wherever a collection happens to fall
    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(before)
        if was_on:
            gc.enable()
    return count
