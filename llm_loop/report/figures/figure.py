"""A figure: a picture with its title and caption, as a file of its own and within a page."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from html import escape

from llm_loop.report.figures.svg import Drawing


@dataclass(frozen=True, slots=True, kw_only=True)
class Png:
    """Hold a picture that a training has left. ``data`` is checked to begin as a PNG of ``width`` x ``height``."""

    data: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Hold one figure. ``name`` is its file's stem; ``caption`` says what is drawn and what it does not show."""

    name: str
    title: str
    caption: str
    picture: Drawing | Png

    @property
    def file_name(self) -> str:
        """The name of its file."""
        return f"{self.name}.{'png' if isinstance(self.picture, Png) else 'svg'}"

    def content(self) -> bytes:
        """Return the bytes of its file."""
        if isinstance(self.picture, Png):
            return self.picture.data
        return (self.picture.markup(alone=True) + "\n").encode("utf-8", "backslashreplace")

    def embedded(self) -> str:
        """Return the element that shows it within a page, whole."""
        if isinstance(self.picture, Drawing):
            return self.picture.markup(alone=False)
        data = base64.b64encode(self.picture.data).decode("ascii")
        size = f'width="{self.picture.width}" height="{self.picture.height}"'
        return f'<img alt="{escape(self.title)}" {size} src="data:image/png;base64,{data}">'
