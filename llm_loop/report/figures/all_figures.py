"""All figures of a report, in the order in which they are shown."""

from __future__ import annotations

from dataclasses import dataclass

from llm_loop.report.facts import Facts
from llm_loop.report.figures.curves import leading_curves
from llm_loop.report.figures.figure import Figure
from llm_loop.report.figures.importance_bars import importance_bars
from llm_loop.report.figures.predictions import predictions_sheet
from llm_loop.report.figures.running_best import running_best
from llm_loop.report.figures.slot_timeline import slot_timeline
from llm_loop.report.study import Findings
from llm_loop.views.untrusted import dict_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Hold the figures; ``predictions`` is None where the best run left no sheet."""

    running_best: Figure
    curves: Figure
    importance: Figure
    slots: Figure
    predictions: Figure | None

    def drawn(self) -> tuple[Figure, ...]:
        """Return those that there are."""
        found = (self.running_best, self.curves, self.importance, self.slots, self.predictions)
        return tuple(figure for figure in found if figure is not None)


def draw_figures(facts: Facts, findings: Findings) -> Figures:
    """Draw all figures. Raises nothing: what runs left may be anything."""
    return Figures(
        running_best=running_best(facts.board, findings.search, facts.night.work_time),
        curves=leading_curves(facts, findings),
        importance=importance_bars(findings.importance),
        slots=slot_timeline(facts.night),
        predictions=_predictions(facts, findings),
    )


def _predictions(facts: Facts, findings: Findings) -> Figure | None:
    if findings.verdict is None:
        return None
    run = findings.verdict.run
    task = dict_of(None if run.result is None else run.result.params).get("task")
    has_masks = task in ("segmentation", "dual_head")
    return predictions_sheet(facts.attempt_folder(run.run_id), run.run_id, run.label, has_masks=has_masks)
