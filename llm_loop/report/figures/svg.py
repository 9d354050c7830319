"""A drawing: marks at places in pixels, written as SVG that acts on nothing and fetches nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from llm_loop.report.figures.style import FIGURE_CSS

Place = tuple[float, float]
"""Pixels from the left and from the top."""


class Drawing:
    """Collect marks. ``name`` is unique among the figures of a page; all texts are plain."""

    def __init__(self, name: str, width: int, height: int, title: str, description: str) -> None:
        self.name, self.width, self.height = name, width, height
        self._title, self._description = title, description
        self._marks: list[str] = []

    def rect(self, at: Place, size: Place, kind: str, hint: str = "") -> None:
        """Draw a filled box; ``hint`` is shown where a pointer rests on it."""
        (x, y), (width, height) = at, size
        box = f'x="{_px(x)}" y="{_px(y)}" width="{_px(width)}" height="{_px(height)}"'
        self._marks.append(_with_hint(f'rect class="{kind}" {box}', "rect", hint))

    def line(self, start: Place, end: Place, kind: str) -> None:
        """Draw a straight line."""
        (x1, y1), (x2, y2) = start, end
        self._marks.append(f'<line class="{kind}" x1="{_px(x1)}" y1="{_px(y1)}" x2="{_px(x2)}" y2="{_px(y2)}"/>')

    def polyline(self, places: Iterable[Place], kind: str) -> None:
        """Draw a line through places."""
        points = " ".join(f"{_px(x)},{_px(y)}" for x, y in places)
        self._marks.append(f'<polyline class="line {kind}" points="{points}"/>')

    def circle(self, at: Place, radius: float, kind: str, hint: str = "") -> None:
        """Draw a filled circle."""
        mark = f'circle class="{kind}" cx="{_px(at[0])}" cy="{_px(at[1])}" r="{_px(radius)}"'
        self._marks.append(_with_hint(mark, "circle", hint))

    def cross(self, at: Place, reach: float, hint: str = "") -> None:
        """Draw a cross, the mark of what failed."""
        x, y, r = *at, reach
        path = (
            f"M{_px(x - r)} {_px(y - r)}L{_px(x + r)} {_px(y + r)}M{_px(x - r)} {_px(y + r)}L{_px(x + r)} {_px(y - r)}"
        )
        self._marks.append(_with_hint(f'path class="cross" d="{path}"', "path", hint))

    def text(self, at: Place, text: str, kind: str = "", anchor: str = "start", turned: bool = False) -> None:
        """Write a line; ``anchor`` is start, middle or end, ``turned`` writes it upwards."""
        x, y = _px(at[0]), _px(at[1])
        turn = f' transform="rotate(-90 {x} {y})"' if turned else ""
        kinds = f' class="{kind}"' if kind else ""
        self._marks.append(f'<text{kinds} x="{x}" y="{y}" text-anchor="{anchor}"{turn}>{escape(text)}</text>')

    def markup(self, *, alone: bool) -> str:
        """Return the SVG element; ``alone`` holds its own style, else the page around it has it."""
        titles = f'<title id="{self.name}-title">{escape(self._title)}</title>'
        titles += f'<desc id="{self.name}-desc">{escape(self._description)}</desc>'
        style = f"<style>{FIGURE_CSS}</style>" if alone else ""
        space = ' xmlns="http://www.w3.org/2000/svg"' if alone else ""
        size = f'width="{self.width}" height="{self.height}" viewBox="0 0 {self.width} {self.height}"'
        labels = f'role="img" aria-labelledby="{self.name}-title {self.name}-desc"'
        paper = f'<rect class="paper" width="{self.width}" height="{self.height}"/>'
        return "\n".join([f'<svg{space} class="figure" {size} {labels}>{titles}{style}', paper, *self._marks, "</svg>"])


def legend(drawing: Drawing, at: Place, entries: Sequence[tuple[str, str]]) -> None:
    """Write names in a row, each behind the mark that it explains: a line (``s0``), a dot (``f0``), ``cross``."""
    x, y = at
    for kind, name in entries:
        if kind == "cross":
            drawing.cross((x + 7, y - 4), 4)
        elif kind.startswith("box "):
            drawing.rect((x, y - 10), (14, 11), kind.removeprefix("box "))
        elif kind.startswith("f"):
            drawing.circle((x + 7, y - 4), 4, kind)
        else:
            drawing.polyline([(x, y - 4), (x + 14, y - 4)], kind)
        drawing.text((x + 20, y), name, "soft")
        x += 36 + width_of(name)


def width_of(text: str) -> float:
    """Return about how many pixels a text takes."""
    return 6.9 * len(text)


def _px(value: float) -> str:
    text = f"{value:.1f}"
    return text.removesuffix(".0")


def _with_hint(mark: str, name: str, hint: str) -> str:
    return f"<{mark}><title>{escape(hint)}</title></{name}>" if hint else f"<{mark}/>"
