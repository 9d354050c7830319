"""What each slot did over the time at work: training, idle, kept empty by an install or a person."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from llm_loop.report.figures.axes import Scale, shown, ticks
from llm_loop.report.figures.emptiness import empty_figure
from llm_loop.report.figures.figure import Figure
from llm_loop.report.figures.svg import Drawing, legend
from llm_loop.report.night import Night, Span
from llm_loop.report.work_time import WorkTime

NAME, TITLE = "slot_use", "What the slots did"
_WIDTH, _LEFT, _RIGHT, _TOP = 860, 76, 730, 44
_ROW, _BAR = 34, 22
_MOST_SLOTS = 16
_HOURS_IN_MINUTES = 2.0
_JOINED_PX = 0.35


def slot_timeline(night: Night) -> Figure:
    """Return the figure of the first sixteen slots."""
    used = sorted({stay.slot for stay in night.stays})
    if not used or night.work_time.hours <= 0:
        return empty_figure(NAME, TITLE, "no run was launched yet")
    slots = used[:_MOST_SLOTS]
    bottom = _TOP + _ROW * len(slots)
    drawing = Drawing(NAME, _WIDTH, bottom + 44, TITLE, _description(night))
    unit, word = (60.0, "minutes") if night.work_time.hours < _HOURS_IN_MINUTES else (1.0, "hours")
    scale = Scale(low=0.0, high=night.work_time.hours * unit, start=_LEFT, end=_RIGHT)
    names = [("box f0", "a run has the slot"), ("box empty", "idle"), ("box f4", "packages are installed")]
    legend(drawing, (_LEFT, 22), [*names, *([("box f3", "paused by a person")] if night.pauses else [])])
    for place, slot in enumerate(slots):
        _row(drawing, scale, _TOP + _ROW * place, slot, night, unit)
    marks = ticks(scale.low, scale.high)
    for value in marks:
        drawing.line((scale.at(value), bottom), (scale.at(value), bottom + 5), "axis")
        drawing.text((scale.at(value), bottom + 20), shown(value, marks[1] - marks[0]), "soft", "middle")
    drawing.text(((_LEFT + _RIGHT) / 2, bottom + 38), f"{word} at work", "soft", "middle")
    return Figure(name=NAME, title=TITLE, caption=_caption(night, len(used) - len(slots)), picture=drawing)


def _row(drawing: Drawing, scale: Scale, y: float, slot: int, night: Night, unit: float) -> None:
    drawing.text((_LEFT - 10, y + 16), f"slot {slot}", "soft", "end")
    drawing.rect((_LEFT, y), (_RIGHT - _LEFT, _BAR), "empty")
    stays = [stay.span for stay in night.stays if stay.slot == slot]
    for spans, kind in ((night.pauses, "f3"), (night.installs, "f4"), (stays, "f0")):
        for start, end in _joined(spans, scale, night.work_time, unit):
            drawing.rect((start, y), (max(0.3, end - start), _BAR), kind)
    figures = next((one for one in night.slot_use.figures() if one.slot == slot), None)
    if figures is not None:
        drawing.text((_RIGHT + 12, y + 16), f"idle {figures.idle_fraction:.1%}", "soft")


def _joined(spans: Iterable[Span], scale: Scale, time: WorkTime, unit: float) -> Sequence[tuple[float, float]]:
    """Return the spans in pixels; what no eye could part is joined, so thousands of runs stay a small picture."""

    def pixel(moment: datetime) -> float:
        return scale.at(time.hours_at(moment) * unit)

    found: list[tuple[float, float]] = []
    for start, end in sorted((pixel(span.start), pixel(span.end)) for span in spans):
        if found and start - found[-1][1] < _JOINED_PX:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


def _description(night: Night) -> str:
    idle = night.slot_use.idle_fraction()
    share = "not known yet" if idle is None else f"{idle:.1%}"
    return f"{len(night.stays)} attempts in {len({stay.slot for stay in night.stays})} slots; idle share {share}."


def _caption(night: Night, left_out: int) -> str:
    idle = night.slot_use.idle_fraction()
    share = "" if idle is None else f" Idle share of all slots, from the first launch to the last end: {idle:.1%}."
    rest = f" {left_out} more slots are left out." if left_out else ""
    return (
        f"{len(night.stays)} attempts by the wall clock; gaps under a third of a pixel are drawn over.{share} Installs "
        f"and a person's pauses count neither as idle nor as use.{rest}"
    )
