"""Signals of the search: its trend, and what is asked for between 0 and 1. They inform; nothing follows from one.

What they count are ended runs and closed cycles. A wait is no run: it never makes the search look flat.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from llm_loop.contract.context import Movement, Priorities, Streaks, Trend
from llm_loop.memory.exploration import is_drifting
from llm_loop.memory.history import HistoryRow
from llm_loop.memory.history_index import HistoryIndex
from llm_loop.memory.state import LoopState

RESEARCH_MARK, NON_TRAINING_MARK, BREAKOUT_MARK = 0.66, 0.70, 0.70
"""From here on a priority is worth a word; 0.90 is critical."""
FLAT_AFTER_RUNS = 3
LATEST_RUNS = 50
HIGH_FAILURES, HIGH_STALL, HIGH_WAITS = 3, 5, 3
DOMINANCE_RUNS, DOMINANCE_LEAST, DOMINANCE_SHARE = 14, 8, 0.70
MOST_COUNTED = 8
MOST_SEARCHLESS = 5
MOST_UNMET = 3
TODO_FULL = 8
BREAKOUT_AFTER_CYCLES = 8
_NO_SEARCH = frozenset({"disabled", "off", "none"})


def can_search_web(mode: str) -> bool:
    """Tell whether a ``web_search_mode`` lets an agent search."""
    return mode.lower() not in _NO_SEARCH


def trend_of(index: HistoryIndex, rows: Sequence[HistoryRow], state: LoopState) -> Trend:
    """Return how the search is going, by the runs that rank."""
    best = index.best
    values = [value for row in rows[-LATEST_RUNS:] if row.ranks and (value := row.value_of(index.metric)) is not None]
    without_gain = index.runs_since_improvement
    movement = Movement.FLAT if without_gain >= FLAT_AFTER_RUNS else Movement.IMPROVING
    return Trend(
        movement=movement if len(values) > 1 else Movement.TOO_SHORT,
        runs_without_gain=without_gain,
        consecutive_failures=index.consecutive_failures,
        waits_in_a_row=state.waits_in_a_row,
        cycles_since_run=state.cycles_since_run,
        best_run_id=None if best is None else best.run_id,
        best_value=None if best is None else best.value,
        last_value=values[-1] if values else None,
        states=index.states,
    )


def trouble_is_high(trend: Trend) -> bool:
    """Tell whether failures, runs without a gain or waits pile up, so that the story so far is worth its space."""
    return (
        trend.consecutive_failures >= HIGH_FAILURES
        or trend.runs_without_gain >= HIGH_STALL
        or trend.waits_in_a_row >= HIGH_WAITS
    )


def dominant_model(rows: Sequence[HistoryRow]) -> str | None:
    """Return the model of at least 70 % of the last 14 runs whose model is known (8 at least), or None."""
    models = [row.result.model for row in rows[-DOMINANCE_RUNS:] if row.result is not None and row.result.model]
    if len(models) < DOMINANCE_LEAST:
        return None
    model, count = Counter(models).most_common(1)[0]
    return model if count >= DOMINANCE_SHARE * len(models) else None


def priorities_of(
    streaks: Streaks,
    trend: Trend,
    rows: Sequence[HistoryRow],
    *,
    open_todo_count: int,
    cycles_closed: int,
    can_search_web: bool,
) -> Priorities:
    """Return the cadence priorities, each between 0 and 1.

    ``research`` = 0.14 trainings in a row + 0.12 cycles without a web search + 0.08 runs without a gain + 0.10 unmet
    searches + 0.06 TODO pressure; ``non_training`` = 0.16 trainings + 0.08 without gain + 0.12 drift + 0.06 TODO;
    ``breakout`` = 0.28 from 8 cycles on + 0.06 without gain + 0.20 drift + 0.18 when one model dominates + 0.05
    challenges in a row. Runs are counted up to 8, searches up to 5 and 3: none of the latter alone becomes critical.
    Where the web cannot be searched, searches count for nothing; where it can, a search ends the row of trainings
    that research looks at.
    """
    trainings = min(MOST_COUNTED, streaks.trainings_in_a_row)
    flat = min(MOST_COUNTED, trend.runs_without_gain)
    drift = is_drifting(rows)
    pressure = min(1.0, open_todo_count / TODO_FULL)
    model = dominant_model(rows)
    breakout = 0.28 * (cycles_closed >= BREAKOUT_AFTER_CYCLES) + 0.06 * flat + 0.20 * drift
    breakout += 0.18 * (model is not None) + 0.05 * min(MOST_COUNTED, streaks.challenges_in_a_row)
    return Priorities(
        research_priority=_share(_research(streaks, trainings, can_search_web) + 0.08 * flat + 0.06 * pressure),
        non_training_priority=_share(0.16 * trainings + 0.08 * flat + 0.12 * drift + 0.06 * pressure),
        breakout_priority=_share(breakout),
        todo_pressure=_share(pressure),
        is_drifting=drift,
        dominant_model=model,
    )


def _research(streaks: Streaks, trainings: int, can_search_web: bool) -> float:
    if not can_search_web:
        return 0.14 * trainings
    searchless = streaks.cycles_without_web_search
    return (
        0.14 * min(trainings, searchless)
        + 0.12 * min(MOST_SEARCHLESS, searchless)
        + 0.10 * min(MOST_UNMET, streaks.unmet_searches)
    )


def _share(value: float) -> float:
    return round(min(1.0, max(0.0, value)), 3)
