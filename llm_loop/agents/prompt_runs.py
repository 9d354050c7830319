"""Runs, curves and ranking in lines of text, for a prompt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llm_loop.agents.prompt_text import line_of
from llm_loop.agents.wording import number_text
from llm_loop.contract.context import CategoryUse, Curve, Place
from llm_loop.contract.diagnosis import Cause
from llm_loop.contract.observation import KnownRun, Observation

ENDED_RUNS = 10
OPEN_RUNS = 4
MOST_CHANGES = 5
FAILURES_IN_FULL = 3
_LABEL, _CAUSE, _VALUE, _LINE = 60, 300, 40, 240  # a cause may be a person's note
_ABSENT: Any = object()


def run_lines(observation: Observation) -> str:
    """Return the best run's configuration, running and waiting runs, and the last ended ones, newest first."""
    best = best_run(observation)
    reference = None if best is None else best.params
    open_runs = [*observation.active_runs[:OPEN_RUNS], *observation.staged_runs[:OPEN_RUNS]]
    latest = observation.history[-ENDED_RUNS:][::-1]
    shown = [*open_runs, *latest]
    told = [run.run_id for run in shown if run.diagnosis is not None][:FAILURES_IN_FULL]
    metric = observation.domain.selection_metric
    lines = [_run_line(run, metric, reference, is_full=run.run_id in told) for run in shown]
    if best is not None and best.params:
        lines.insert(0, f"best run {best.run_id} in full: {params_text(best.params)}")
    return "\n".join(lines)


def best_run(observation: Observation) -> KnownRun | None:
    """Return the best run, as far as it is among those that are shown."""
    wanted = observation.context.trend.best_run_id
    return next((run for run in observation.history if run.run_id == wanted), None)


def params_text(params: Mapping[str, Any]) -> str:
    """Return a flat configuration on one line."""
    return ", ".join(f"{line_of(key, _LABEL)}={_value_text(value)}" for key, value in params.items())


def curve_lines(curves: tuple[Curve, ...], metric: str) -> str:
    """Return one line a curve."""
    return "\n".join(_curve_line(curve, metric) for curve in curves)


def place_lines(observation: Observation) -> str:
    """Return one line a place of the leaderboard."""
    return "\n".join(_place_line(place) for place in observation.context.leaderboard.places)


def category_lines(uses: tuple[CategoryUse, ...]) -> str:
    """Return one line a category that was tried, and one for the others."""
    tried = [_category_line(use) for use in uses if use.tried]
    untried = [use.category for use in uses if not use.tried]
    return "\n".join([*tried, *([f"never tried: {', '.join(untried)}"] if untried else [])])


def _run_line(run: KnownRun, metric: str, reference: Mapping[str, Any] | None, *, is_full: bool) -> str:
    parts = [
        f"{run.run_id} {line_of(run.label, _LABEL)}",
        run.state + (", stopped early" if run.stopped_early else ""),
        "" if run.value is None else f"{metric} {number_text(run.value)}",
        "" if run.cause is None else f"cause: {line_of(run.cause, _CAUSE)}",
        *_failure_texts(run, is_full=is_full),
        run.idea_category,
        "" if run.seed is None else f"seed {run.seed}",
        "" if run.run_seconds is None else f"{run.run_seconds:.0f} s",
        f"by {line_of(run.proposer, _VALUE)}",
        "with changed code" if run.has_own_code else "",
        _changes_text(run, reference),
    ]
    return " | ".join(filter(None, parts))


def _failure_texts(run: KnownRun, *, is_full: bool) -> Iterator[str]:
    """Say why a run failed: of the latest ones the line that tells it, and what was done about it."""
    if run.diagnosis is not None and run.diagnosis not in (run.cause, Cause.UNKNOWN):
        yield f"diagnosed: {line_of(run.diagnosis, _VALUE)}"
    if is_full and run.evidence_line is not None:
        yield f"evidence: {line_of(run.evidence_line, _LINE)}"
    if is_full and run.tried is not None:
        yield f"tried: {line_of(run.tried, _LINE)}"


def _changes_text(run: KnownRun, reference: Mapping[str, Any] | None) -> str:
    """Say in what a run's configuration differs from the best run's, the seed left out."""
    if not run.params or not reference or run.params is reference:
        return ""
    changes = list(_changes(run.params, reference))
    if not changes:
        return "configuration of the best run"
    more = f", and {len(changes) - MOST_CHANGES} more" if len(changes) > MOST_CHANGES else ""
    return f"vs best: {', '.join(changes[:MOST_CHANGES])}{more}"


def _changes(params: Mapping[str, Any], reference: Mapping[str, Any]) -> Iterator[str]:
    for key, value in params.items():
        if key.rpartition(".")[2] != "seed" and reference.get(key, _ABSENT) != value:
            yield f"{line_of(key, _LABEL)}={_value_text(value)}"


def _value_text(value: Any) -> str:
    if isinstance(value, float):
        return number_text(value)
    return line_of(str(value), _VALUE)


def _curve_line(curve: Curve, metric: str) -> str:
    epochs = f"epoch {curve.epochs_seen}" + (f" of {curve.epochs}" if curve.epochs is not None else "")
    numbers = [
        _named("first", curve.first),
        _named("best", curve.best) + ("" if curve.best_epoch is None else f" (epoch {curve.best_epoch})"),
        _named("last", curve.last),
        _named("train loss", curve.train_loss),
    ]
    state = "running" if curve.is_active else "ended"
    sampled = "; beginning and end of it only" if curve.is_sampled else ""
    words = ", ".join(filter(None, numbers))
    return f"{curve.run_id} {state}: {epochs}; {metric} {words}; {curve.movement.value.replace('_', ' ')}{sampled}"


def _named(name: str, value: float | None) -> str:
    return "" if value is None else f"{name} {number_text(value)}"


def _place_line(place: Place) -> str:
    spread = "" if place.sd is None else f" ± {place.sd:.2g}"
    tie = (
        "best" if place.rank == 1 else {None: "tie not known", True: "tied with best", False: ""}[place.tied_with_best]
    )
    parts = [
        f"{place.rank}. {number_text(place.value)}{spread}",
        f"{place.seeds} seed{'' if place.seeds == 1 else 's'}",
        tie,
        line_of(place.label, _LABEL),
        " ".join(place.run_ids),
        "" if place.model is None else line_of(place.model, _VALUE),
        "" if place.run_seconds is None else f"{place.run_seconds:.0f} s",
    ]
    return " | ".join(filter(None, parts))


def _category_line(use: CategoryUse) -> str:
    best = "" if use.best is None else f", best {number_text(use.best)}"
    gain = f" (gain {number_text(use.gain)} in all)" if use.improved else ""
    return (
        f"{use.category}: {use.tried} tried, {use.ranked} with a result, {use.improved} beat the best before"
        f"{gain}{best}, {use.recent} of the last 8"
    )
