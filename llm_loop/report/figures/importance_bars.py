"""How much each parameter went along with the score, as bars."""

from __future__ import annotations

from llm_loop.report.figures.axes import Scale, shown, ticks
from llm_loop.report.figures.emptiness import empty_figure
from llm_loop.report.figures.figure import Figure
from llm_loop.report.figures.svg import Drawing
from llm_loop.report.importance import METHOD, Importance, ImportanceStudy
from llm_loop.views.untrusted import clean

NAME, TITLE = "parameter_importance", "What went along with the score"
_WIDTH, _LEFT, _RIGHT, _TOP, _ROW = 860, 250, 640, 44, 26
_MOST_BARS = 12


def importance_bars(study: ImportanceStudy) -> Figure:
    """Return the figure of the first twelve parameters."""
    if study.too_little is not None:
        return empty_figure(NAME, TITLE, study.too_little)
    bars = study.found[:_MOST_BARS]
    bottom = _TOP + _ROW * len(bars)
    drawing = Drawing(NAME, _WIDTH, bottom + 50, TITLE, _description(study))
    scale = Scale(low=0.0, high=max(0.05, study.chance * 1.1, bars[0].share * 1.05), start=_LEFT, end=_RIGHT)
    marks = ticks(scale.low, scale.high)
    for value in marks:
        drawing.line((scale.at(value), _TOP - 6), (scale.at(value), bottom), "rule")
        drawing.text((scale.at(value), bottom + 18), shown(value, marks[1] - marks[0]), "soft", "middle")
    for place, one in enumerate(bars):
        _bar(drawing, scale, _TOP + _ROW * place, one, study.chance)
    chance_x = scale.at(study.chance)
    drawing.line((chance_x, _TOP - 12), (chance_x, bottom), "seam")
    drawing.text((chance_x, _TOP - 18), "what chance gives", "soft", "middle")
    drawing.text(((_LEFT + _RIGHT) / 2, bottom + 38), "share of the score's rank variance", "soft", "middle")
    return Figure(name=NAME, title=TITLE, caption=_caption(study), picture=drawing)


def _bar(drawing: Drawing, scale: Scale, y: float, one: Importance, chance: float) -> None:
    drawing.text((_LEFT - 10, y + 15), clean(one.name, 34), "", "end")
    kind = "f0" if one.share > chance else "f0 faint"
    drawing.rect((_LEFT, y + 4), (max(1.0, scale.at(one.share) - _LEFT), 15), kind, f"{one.share:.3f}")
    drawing.text((_RIGHT + 12, y + 15), f"{one.share:.2f}{_trend(one)}", "soft")


def _trend(one: Importance) -> str:
    """Say which way a number was better, where one way explains at least half of its share."""
    if one.trend is None or one.share == 0:
        return ""
    if one.trend**2 < one.share / 2:
        return ", no single direction"
    return ", larger was better" if one.trend > 0 else ", smaller was better"


def _description(study: ImportanceStudy) -> str:
    ahead = [f"{clean(one.name, 40)} {one.share:.2f}" for one in study.found if one.share > study.chance]
    return f"Above what chance gives: {', '.join(ahead)}." if ahead else "No parameter stands out from chance."


def _caption(study: ImportanceStudy) -> str:
    left_out = len(study.found) - _MOST_BARS
    rest = f" {left_out} more parameters have smaller shares." if left_out > 0 else ""
    return (
        f"{METHOD} n = {study.configs} configurations, seeds of one taken together. The dotted line is what the "
        "luckiest of these parameters reaches in 1 of 20 random shuffles of the scores; paler bars do not pass it. A "
        f"search changes several parameters at once, so no bar is a cause.{rest}"
    )
