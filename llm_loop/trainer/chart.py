"""Draw lines over the epochs into a PNG, with Pillow alone: a plotting library would cost a short training a second."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

_WIDTH, _HEIGHT = 420, 320
_LEFT, _TOP, _RIGHT, _BOTTOM = 70, 34, 14, 34
_TICKS = 4
_BLUE, _GREY, _LIGHT, _BLACK = (31, 98, 166), (130, 130, 130), (225, 225, 225), (20, 20, 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Hold one line: a value an epoch from 1 on, None where there is none; ``marked`` is an epoch to point at."""

    title: str
    values: Sequence[float | None]
    marked: int | None = None


def chart(panels: Sequence[Panel]) -> bytes:
    """Return a PNG of the panels side by side."""
    image = Image.new("RGB", (_WIDTH * len(panels), _HEIGHT), "white")
    draw = ImageDraw.Draw(image)
    for number, panel in enumerate(panels):
        _draw_panel(draw, panel, number * _WIDTH)
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def ticks(low: float, high: float) -> list[float]:
    """Return round numbers from ``low`` or below to ``high`` or above, about five of them."""
    if not high > low:
        low, high = low - (abs(low) or 1.0) / 2, low + (abs(low) or 1.0) / 2
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, last + 1)]


def _draw_panel(draw: ImageDraw.ImageDraw, panel: Panel, x0: int) -> None:
    known = [value for value in panel.values if value is not None and math.isfinite(value)]
    scale = ticks(min(known), max(known)) if known else [0.0, 1.0]
    left, right, top, bottom = x0 + _LEFT, x0 + _WIDTH - _RIGHT, _TOP, _HEIGHT - _BOTTOM

    def x_of(epoch: int) -> float:
        return left + (right - left) * (epoch - 0.5) / max(1, len(panel.values))

    def y_of(value: float) -> float:
        return bottom - (bottom - top) * (value - scale[0]) / (scale[-1] - scale[0])

    for tick in scale:
        draw.line([(left, y_of(tick)), (right, y_of(tick))], fill=_LIGHT)
        draw.text((left - 6, y_of(tick)), f"{tick:.4g}", fill=_GREY, anchor="rm")
    for epoch in sorted({1, (len(panel.values) + 1) // 2, len(panel.values)} - {0}):
        draw.text((x_of(epoch), bottom + 6), str(epoch), fill=_GREY, anchor="ma")
    draw.rectangle([left, top, right, bottom], outline=_GREY)
    title = panel.title if panel.marked is None else f"{panel.title}, best in epoch {panel.marked}"
    draw.text(((left + right) / 2, 16), title, fill=_BLACK, anchor="mm")
    draw.text(((left + right) / 2, _HEIGHT - 8), "epoch", fill=_GREY, anchor="mm")
    if panel.marked:
        draw.line([(x_of(panel.marked), top), (x_of(panel.marked), bottom)], fill=_GREY)
    _draw_line(
        draw, [None if v is None or not math.isfinite(v) else (x_of(e), y_of(v)) for e, v in enumerate(panel.values, 1)]
    )


def _draw_line(draw: ImageDraw.ImageDraw, points: Sequence[tuple[float, float] | None]) -> None:
    """Join neighbours; a value that is missing leaves a gap."""
    for before, after in itertools.pairwise(points):
        if before is not None and after is not None:
            draw.line([before, after], fill=_BLUE, width=2)
    for point in points:
        if point is not None:
            draw.ellipse([point[0] - 2, point[1] - 2, point[0] + 2, point[1] + 2], fill=_BLUE)
