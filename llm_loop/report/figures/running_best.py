"""The best so far over the time at work, with every run as a point."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from llm_loop.memory.leaderboard import Leaderboard
from llm_loop.report.figures.axes import Frame, Scale, without_outliers
from llm_loop.report.figures.emptiness import empty_figure
from llm_loop.report.figures.figure import Figure
from llm_loop.report.figures.svg import Drawing, Place, legend, width_of
from llm_loop.report.search import Point, Search, TurningPoint
from llm_loop.report.work_time import WorkTime
from llm_loop.views.untrusted import clean
from llm_loop.views.wording import better, number

NAME, TITLE = "running_best", "The best so far, and every run"
_WIDTH, _HEIGHT = 860, 382
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 840, 62, 330
_MOST_HINTS = 800
_RADII = ((300, 3.5), (1_500, 2.4))  # up to so many runs, so large a point
_SMALL = 1.6
_HOURS_IN_MINUTES = 2.0


def running_best(board: Leaderboard | None, search: Search, work_time: WorkTime) -> Figure:
    """Return the figure. Runs whose points fall on one another are drawn once."""
    ranked = [point for point in search.points if point.value is not None]
    if board is None or not ranked:
        return empty_figure(NAME, TITLE, "no run has a result yet")
    metric = clean(board.metric, 60)
    frame, unit = _frame(ranked, search.turning_points, work_time, f"{metric} ({better(board.direction)})")
    drawing = Drawing(NAME, _WIDTH, _HEIGHT, TITLE, _description(search, metric))
    others = [point for point in search.points if point.value is None]
    frame.draw(drawing)
    for seam in work_time.seams():
        drawing.line((frame.x.at(seam * unit), _TOP), (frame.x.at(seam * unit), _BOTTOM), "seam")
    off_scale = _draw_runs(drawing, frame, ranked, unit)
    _draw_failed(drawing, frame, others, unit)
    _draw_best(drawing, frame, search, unit)
    legend(drawing, (_LEFT, 22), _legend(bool(others), bool(off_scale)))
    return Figure(name=NAME, title=TITLE, caption=_caption(ranked, others, off_scale, work_time), picture=drawing)


def _legend(has_failed: bool, has_off_scale: bool) -> list[tuple[str, str]]:
    entries = [("s1", "best so far"), ("f0 faint", "a run")]
    entries += [("f3", "outside of the scale")] if has_off_scale else []
    return entries + ([("cross", "failed, or ended without a result")] if has_failed else [])


def _frame(
    ranked: Sequence[Point], turns: Sequence[TurningPoint], work_time: WorkTime, y_name: str
) -> tuple[Frame, float]:
    """Return the frame and how many units of its time axis an hour has: short nights are told in minutes."""
    hours = max([work_time.hours, *(point.hours for point in ranked)])
    unit, word = (60.0, "minutes") if hours < _HOURS_IN_MINUTES else (1.0, "hours")
    low, high = without_outliers([point.value for point in ranked if point.value is not None], [turns[-1].value])
    frame = Frame(
        x=Scale(low=0.0, high=max(hours * unit * 1.01, 1e-3), start=_LEFT, end=_RIGHT),
        y=Scale(low=low, high=high, start=_BOTTOM, end=_TOP),
        x_name=f"{word} at work" + (" (a dotted line: another start of the loop)" if work_time.seams() else ""),
        y_name=y_name,
    )
    return frame, unit


def _draw_runs(drawing: Drawing, frame: Frame, ranked: Sequence[Point], unit: float) -> int:
    """Draw the ranked runs; return how many lie outside of the scale, on its border."""
    off_scale, drawn = 0, set[Place]()
    radius = next((radius for most, radius in _RADII if len(ranked) <= most), _SMALL)
    for point in ranked:
        value = point.value or 0.0
        is_off = not frame.y.low <= value <= frame.y.high
        off_scale += is_off
        x, y = frame.place(point.hours * unit, value)
        place = round(x), round(y)
        if place not in drawn:
            drawn.add(place)
            hint = f"{point.run_id} {clean(point.label, 60)}: {number(value)}" if len(drawn) <= _MOST_HINTS else ""
            drawing.circle((x, y), radius, "f3" if is_off else "f0 faint", hint)
    return off_scale


def _draw_failed(drawing: Drawing, frame: Frame, others: Sequence[Point], unit: float) -> None:
    drawn = set[int]()
    for point in others:
        x = frame.x.at(point.hours * unit)
        if round(x / 3) not in drawn:
            drawn.add(round(x / 3))
            drawing.cross((x, _BOTTOM - 8), 4, f"{point.run_id} {clean(point.label, 60)}: {clean(point.state, 40)}")


def _draw_best(drawing: Drawing, frame: Frame, search: Search, unit: float) -> None:
    """Draw the steps of the best so far, with the run at each step where there is room for its name."""
    places = [frame.place(turn.hours * unit, turn.value) for turn in search.turning_points]
    steps = [places[0]]
    for before, place in itertools.pairwise(places):
        steps += [(place[0], before[1]), place]
    drawing.polyline([*steps, (_RIGHT, places[-1][1])], "s1")
    next_steps = [*(x for x, _ in places[1:]), float(_RIGHT)]
    for turn, (x, y), next_x in zip(search.turning_points, places, next_steps, strict=True):
        drawing.circle((x, y), 4.5, "f1", f"{turn.row.run_id} {clean(turn.row.label, 60)}: {number(turn.value)}")
        if x + 10 + width_of(turn.row.run_id) < next_x:
            drawing.text((x + 6, y - 8), turn.row.run_id, "halo")


def _description(search: Search, metric: str) -> str:
    first, last = search.turning_points[0], search.turning_points[-1]
    return (
        f"{len(search.points)} runs; the best so far goes from {metric} {number(first.value)} ({first.row.run_id}) to "
        f"{number(last.value)} ({last.row.run_id}) in {len(search.turning_points) - 1} steps."
    )


def _caption(ranked: Sequence[Point], others: Sequence[Point], off_scale: int, work_time: WorkTime) -> str:
    parts = [f"{len(ranked)} ranked runs at the moment they ended"]
    if others:
        parts.append(f"{len(others)} that failed, were ended or do not rank, marked by a cross below")
    if off_scale:
        parts.append(f"{off_scale} far outside of the others, drawn on the border")
    seams = "; the time between daemons is left out" if work_time.seams() else ""
    return (
        "; ".join(parts)
        + seams
        + ". A new best may be luck: the table of turning points says which of them are more than noise."
    )
