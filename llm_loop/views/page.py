"""A page: lines for rich that all fit the width of a terminal, so that nothing wraps."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from rich.text import Text

from llm_loop.views.wording import Glyphs


class Page:
    """Collect lines of at most ``width`` columns in ``lines``."""

    def __init__(self, width: int, glyphs: Glyphs) -> None:
        self.width, self.glyphs = width, glyphs
        self.lines: list[Text] = []

    def line(self, text: Text | str, style: str = "", indent: int = 0) -> None:
        """Add one line, cut to the width."""
        whole = Text(" " * indent).append_text(Text(text, style=style) if isinstance(text, str) else text)
        self.lines.append(cut(whole, self.width, self.glyphs))

    def heading(self, text: str, note: str = "") -> None:
        """Add a blank line and a heading."""
        self.lines.append(Text())
        self.line(Text(text, style="bold").append(f"  {note}" if note else "", style="dim not bold"))

    def paragraph(self, text: str, style: str = "", indent: int = 0, most: int = 2) -> None:
        """Add a text in at most ``most`` lines, what is left over cut."""
        room = max(1, self.width - indent)
        rows = textwrap.wrap(text, room, break_long_words=True, break_on_hyphens=False)
        if len(rows) > most:
            rows = [*rows[: most - 1], " ".join(rows[most - 1 :])]
        for row in rows:
            self.line(row, style, indent)

    def flow(self, pieces: Iterable[tuple[str, str] | None], indent: int = 0) -> None:
        """Add (text, style) pieces in a row, two blanks between them, in as many lines as they need."""
        row = Text(" " * indent)
        for text, style in (piece for piece in pieces if piece is not None):
            piece = Text(text, style=style)
            begun = len(row) > indent
            if begun and row.cell_len + 2 + piece.cell_len > self.width:
                self.line(row)
                row, begun = Text(" " * (indent + 2)), False
            row.append("  " if begun else "").append_text(piece)
        if row.plain.strip():
            self.line(row)


def cut(text: Text, width: int, glyphs: Glyphs) -> Text:
    """Cut ``text`` itself to ``width`` columns, with dots at its end, and return it."""
    text.no_wrap = True
    if text.cell_len > width:
        text.truncate(max(0, width - len(glyphs.dots)), overflow="crop")
        text.append(glyphs.dots)
    return text
