"""The figure that has nothing to show, and says why."""

from __future__ import annotations

from llm_loop.report.figures.figure import Figure
from llm_loop.report.figures.svg import Drawing

_WIDTH, _HEIGHT = 860, 120


def empty_figure(name: str, title: str, why: str) -> Figure:
    """Return a figure with the reason in the place of a plot."""
    drawing = Drawing(name, _WIDTH, _HEIGHT, title, why)
    drawing.rect((8, 8), (_WIDTH - 16, _HEIGHT - 16), "empty")
    drawing.text((_WIDTH / 2, _HEIGHT / 2 + 4), why, "soft", "middle")
    return Figure(name=name, title=title, caption=f"Nothing is drawn: {why}.", picture=drawing)
