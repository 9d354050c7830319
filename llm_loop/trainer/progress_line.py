"""The line in a terminal that is written anew as an epoch goes on."""

from __future__ import annotations

import shutil
import time
from typing import TextIO

_WIDTH = 24
_PAUSE_S = 0.1


class ProgressLine:
    """Show how far an epoch is, where ``stream`` is a terminal; elsewhere do nothing."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown = False
        self._next_s = 0.0
        self._is_terminal = stream.isatty()

    def step(self, epoch: int, epochs: int, step: int, steps: int) -> None:
        """Show that ``step`` of ``steps`` is done; at most ten times a second."""
        if not self._is_terminal or (time.monotonic() < self._next_s and step < steps):
            return
        self._next_s = time.monotonic() + _PAUSE_S
        line = told(epoch, epochs, step, steps)
        self._stream.write("\r" + line[: shutil.get_terminal_size().columns - 1])
        self._stream.flush()
        self._shown = True

    def clear(self) -> None:
        """Take the line away, so that another can be printed in its place."""
        if self._shown:
            self._stream.write("\r" + " " * (shutil.get_terminal_size().columns - 1) + "\r")
            self._stream.flush()
            self._shown = False


def told(epoch: int, epochs: int, step: int, steps: int) -> str:
    """Return the line, such as "epoch 3/20 [######......] 8/16"; a full bar says that evaluation is at hand."""
    done = _WIDTH * step // steps
    bar = "#" * done + "." * (_WIDTH - done)
    words = " evaluating" if step == steps else ""
    return f"epoch {epoch}/{epochs} [{bar}] {step}/{steps}{words}"
