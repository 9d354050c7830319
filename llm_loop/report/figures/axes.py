"""Scales from values to pixels, round ticks, and the frame of a plot with both axes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from llm_loop.report.figures.svg import Drawing, Place

_ROUND_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_ABOUT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Map the values ``low`` to ``high`` onto the pixels ``start`` to ``end``, straight."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Return the pixel of a value; one outside is set onto the border."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Return round values within the scale, some five."""
        return ticks(self.low, self.high)


def ticks(low: float, high: float) -> list[float]:
    """Return some five round values from ``low`` to ``high``."""
    raw = (high - low) / _ABOUT
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(unit * size for size in _ROUND_STEPS if unit * size >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(count * step, 12) for count in range(first, last + 1)]


def padded(values: Iterable[float], *, least: float = 1e-9) -> tuple[float, float]:
    """Return the range of ``values`` with a little room on both sides; never empty."""
    found = list(values)
    low, high = min(found), max(found)
    room = max((high - low) * 0.06, abs(high) * 1e-3 if high == low else 0.0, least)
    return low - room, high + room


def without_outliers(values: Sequence[float], always: Iterable[float] = ()) -> tuple[float, float]:
    """Return a range in which nearly all values lie, so that one that diverged does not flatten the rest.

    It reaches three quartile ranges beyond the quartiles (J. Tukey's outer fences, 1977), no further than the values
    do, and holds those of ``always``.
    """
    order = sorted(values)
    low, high = order[len(order) // 4], order[(3 * len(order)) // 4]
    reach = 3 * (high - low) or math.inf
    kept = [value for value in order if low - reach <= value <= high + reach]
    return padded([*kept, *always])


def shown(value: float, step: float) -> str:
    """Write a tick's value with the digits that its step needs."""
    if value == 0:
        return "0"
    if not 1e-4 <= abs(value) < 1e5:
        return f"{value:.3g}"
    digits = max(0, -math.floor(math.log10(step) + 1e-9) + (0 if _is_decade(step) else 1))
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Hold where a plot lies in its drawing and what its axes mean."""

    x: Scale
    y: Scale
    x_name: str
    y_name: str

    def place(self, x: float, y: float) -> Place:
        """Return the pixels of two values."""
        return self.x.at(x), self.y.at(y)

    def draw(self, drawing: Drawing) -> None:
        """Draw the axes with their ticks, grid and names."""
        left, right, bottom, top = self.x.start, self.x.end, self.y.start, self.y.end
        for value, text in _named(self.y.ticks()):
            y = self.y.at(value)
            drawing.line((left, y), (right, y), "rule")
            drawing.text((left - 8, y + 4), text, "soft", "end")
        for value, text in _named(self.x.ticks()):
            x = self.x.at(value)
            drawing.line((x, bottom), (x, bottom + 5), "axis")
            drawing.text((x, bottom + 20), text, "soft", "middle")
        drawing.line((left, bottom), (right, bottom), "axis")
        drawing.text(((left + right) / 2, bottom + 40), self.x_name, "soft", "middle")
        drawing.text((left, top - 12), self.y_name, "soft")


def _named(values: Sequence[float]) -> Iterable[tuple[float, str]]:
    step = values[1] - values[0] if len(values) > 1 else abs(values[0]) or 1.0
    return ((value, shown(value, step)) for value in values)


def _is_decade(step: float) -> bool:
    return math.isclose(step, 10.0 ** round(math.log10(step)))
