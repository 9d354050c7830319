"""The curves of the leading runs, epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence

from llm_loop.memory.history import HistoryRow
from llm_loop.memory.leaderboard import Leaderboard
from llm_loop.report.facts import Facts, best_row
from llm_loop.report.figures.axes import Frame, Scale, padded, without_outliers
from llm_loop.report.figures.emptiness import empty_figure
from llm_loop.report.figures.figure import Figure
from llm_loop.report.figures.style import SERIES
from llm_loop.report.figures.svg import Drawing
from llm_loop.report.study import Findings
from llm_loop.runs.whole_curves import whole_curve
from llm_loop.views.untrusted import clean
from llm_loop.views.wording import better, number

NAME, TITLE = "curves", "The curves of the leading runs"
_WIDTH, _LEFT, _RIGHT, _TOP = 860, 76, 840, 40
_PLOT, _LEGEND_LINE = 290, 20
_MOST_POINTS = 400
_DASHES = ("", "", "", "dash", "dash", "dots")

_Curve = tuple[HistoryRow, dict[int, float]]


def leading_curves(facts: Facts, findings: Findings) -> Figure:
    """Return the figure of the first six places that left a curve."""
    board = facts.board
    found = [] if board is None else _curves(facts, findings, board)
    if board is None or not found:
        return empty_figure(NAME, TITLE, "no leading run has left its epochs")
    metric = clean(board.metric, 60)
    bottom = _TOP + _PLOT
    drawing = Drawing(NAME, _WIDTH, bottom + 60 + _LEGEND_LINE * len(found), TITLE, _description(found, metric))
    values = [value for _, curve in found for value in curve.values()]
    low, high = without_outliers(values, [row.value_of(board.metric) or 0.0 for row, _ in found])
    first, last = padded((epoch for _, curve in found for epoch in curve), least=0.2)
    frame = Frame(
        x=Scale(low=max(0.0, first), high=last, start=_LEFT, end=_RIGHT),
        y=Scale(low=low, high=high, start=bottom, end=_TOP),
        x_name="epoch",
        y_name=f"{metric} ({better(board.direction)})",
    )
    frame.draw(drawing)
    for place, (row, curve) in enumerate(found):
        _draw(drawing, frame, place, row, curve)
        _name(drawing, place, row, bottom + 62 + _LEGEND_LINE * place, board)
    is_cut = any(not low <= value <= high for value in values)
    caption = (
        f"{metric} on the validation data by epoch, of the best run of each of the first {len(found)} places that left "
        "one. A circle marks the epoch that was taken; it is chosen by this same curve, so it is a little too good."
        f"{' Values far outside of the others are drawn on the border.' if is_cut else ''}"
    )
    return Figure(name=NAME, title=TITLE, caption=caption, picture=drawing)


def _curves(facts: Facts, findings: Findings, board: Leaderboard) -> list[_Curve]:
    found: list[_Curve] = []
    for entry in board.entries[: facts.top_k]:
        row = best_row(entry, findings.by_id, board)
        folder = facts.attempt_folder(row.run_id)
        curve = {} if folder is None else whole_curve(folder, facts.printed(row.run_id), board.metric)
        if curve:
            found.append((row, curve))
        if len(found) == SERIES:
            break
    return found


def _draw(drawing: Drawing, frame: Frame, place: int, row: HistoryRow, curve: dict[int, float]) -> None:
    shown = _thinned(list(curve.items()))
    drawing.polyline((frame.place(epoch, value) for epoch, value in shown), f"s{place} {_DASHES[place]}".rstrip())
    taken = None if row.result is None else row.result.best_epoch
    if taken in curve:
        hint = f"{row.run_id}: epoch {taken}, {number(curve[taken])}"
        drawing.circle(frame.place(taken, curve[taken]), 4.5, f"f{place}", hint)


def _name(drawing: Drawing, place: int, row: HistoryRow, y: float, board: Leaderboard) -> None:
    drawing.polyline([(_LEFT, y - 4), (_LEFT + 24, y - 4)], f"s{place} {_DASHES[place]}".rstrip())
    value = number(row.value_of(board.metric) or 0.0)
    drawing.text((_LEFT + 32, y), f"{row.run_id}  {value}  {clean(row.label, 80)}", "soft")


def _thinned(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Return at most 400 points, evenly spread, the first and the last among them."""
    if len(points) <= _MOST_POINTS:
        return list(points)
    last = len(points) - 1
    return [points[round(step * last / (_MOST_POINTS - 1))] for step in range(_MOST_POINTS)]


def _description(found: Sequence[_Curve], metric: str) -> str:
    ends = ", ".join(f"{row.run_id} ends at {number(list(curve.values())[-1])}" for row, curve in found)
    return f"{metric} by epoch: {ends}."
