"""The terminal: a console for the screen, printed once or drawn live over itself."""

from __future__ import annotations

import os
import sys
from datetime import datetime
from types import TracebackType
from typing import IO, Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from llm_loop.views.page import cut
from llm_loop.views.screen import draw
from llm_loop.views.snapshot import Snapshot
from llm_loop.views.untrusted import clean
from llm_loop.views.wording import ASCII, UNICODE, Glyphs

_PIPE_WIDTH = 120


class ScreenConsole(Console):
    """A console that lets a closed pipe be the caller's business."""

    def on_broken_pipe(self) -> None:
        """Raise the BrokenPipeError that is being handled."""
        raise


def screen_console(file: IO[str] | None = None) -> ScreenConsole:
    """Return a console on standard output (or ``file``); where that is no terminal and COLUMNS is not set, 120 wide."""
    console = ScreenConsole(file=file, markup=False, highlight=False, emoji=False)
    if not console.is_terminal and not os.environ.get("COLUMNS", "").isdigit():
        console.width = _PIPE_WIDTH
    return console


def glyphs_of(console: Console) -> Glyphs:
    """Return the drawing characters that the console can show."""
    return ASCII if console.legacy_windows or not console.encoding.lower().startswith("utf") else UNICODE


def can_redraw(console: Console) -> bool:
    """Tell whether the output is a terminal on which a picture can be replaced."""
    return console.is_terminal and not console.is_dumb_terminal and sys.stdout.isatty()


def print_screen(console: Console, snapshot: Snapshot, *, fresh: bool = False, last_line: str | None = None) -> None:
    """Print one view; ``fresh`` clears the terminal first and fits the view to its height, ``last_line`` below it."""
    if fresh:
        console.clear()
    room = console.height - (1 if last_line is None else 2)
    lines = draw(snapshot, console.width, room if fresh else None, glyphs_of(console))
    if last_line is not None:
        lines = [*lines, cut(Text(clean(last_line, 400), style="dim"), console.width, glyphs_of(console))]
    console.print(Group(*lines))


class LiveScreen:
    """Hold a live view that is drawn over itself for a ``with`` block; its last picture stays."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(
            console=console, auto_refresh=False, screen=False, redirect_stdout=False, redirect_stderr=False
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, snapshot: Snapshot, now: datetime, now_s: float) -> None:
        """Draw the view anew, no higher than the terminal."""
        self._draw(draw(snapshot, self._console.width, self._console.height - 2, glyphs_of(self._console)))

    def say(self, text: str) -> None:
        """Draw one line instead of the view."""
        self._draw([cut(Text(clean(text, 1000)), self._console.width, glyphs_of(self._console))])

    def close(self, snapshot: Snapshot) -> None:
        """Draw the last picture, whole: it may be higher than the terminal, and scrolls."""
        self._draw(draw(snapshot, self._console.width, None, glyphs_of(self._console)))

    def _draw(self, lines: list[Text]) -> None:
        self._live.update(Group(*lines, Text()), refresh=True)  # an empty line for the ^C that a terminal shows
