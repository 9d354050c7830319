"""Hold Ctrl-C and its kin back while something is done that must not be cut in two."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # the last one is of Windows


@contextmanager
def as_keyboard_interrupt() -> Iterator[None]:
    """Let a plain kill or a closed terminal raise KeyboardInterrupt too, as Ctrl-C does."""
    with _answered_by(_interrupt):
        yield


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Do the block whole, whatever signal comes; raise KeyboardInterrupt behind it when one came.

    A process that was started is lost when an exception comes between its start and the noting of it.
    """
    came: list[int] = []
    with _answered_by(lambda number, _frame: came.append(number)):
        yield
    if came:
        raise KeyboardInterrupt


@contextmanager
def _answered_by(handler: object) -> Iterator[None]:
    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    before = {number: signal.signal(number, handler) for number in numbers}  # type: ignore[arg-type]
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
