"""Signals between 0 and 1: what raises them, and what must not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llm_loop.contract.context import Movement, Priorities, Streaks, Trend
from llm_loop.contract.decision import IdeaCategory
from llm_loop.contract.result import Direction
from llm_loop.memory.exploration import category_uses, is_drifting
from llm_loop.memory.history import HistoryRow
from llm_loop.memory.history_index import HistoryIndex
from llm_loop.memory.signals import dominant_model, priorities_of, trend_of, trouble_is_high
from llm_loop.memory.state import LoopState
from tests.stages.long_campaign import history_row


def rows_of(*values: float | None, **fields: object) -> list[HistoryRow]:
    """Return one run a value; None is a failed one."""
    rows = []
    for number, value in enumerate(values, 1):
        row = history_row(number, **fields)
        assert row.result is not None
        ended = (
            replace(row, state="failed", result=None, metrics=None)
            if value is None
            else replace(row, result=replace(row.result, value=value, best_val_score=-value))
        )
        rows.append(ended)
    return rows


def trend(rows: list[HistoryRow], **state: int) -> Trend:
    return trend_of(HistoryIndex("val_log_loss", Direction.MIN, rows), rows, LoopState(**state))


def priorities(streaks: Streaks = Streaks(), *, flat: int = 0, **fields: object) -> Priorities:  # noqa: B008
    given = {"open_todo_count": 0, "cycles_closed": 0, "can_search_web": True, "rows": [], **fields}
    rows = given.pop("rows")
    return priorities_of(streaks, Trend(runs_without_gain=flat), rows, **given)  # type: ignore[arg-type]


def test_trend() -> None:
    assert trend([]).movement is Movement.TOO_SHORT
    assert trend(rows_of(0.5, None)).movement is Movement.TOO_SHORT
    told = trend(rows_of(0.5, 0.4, None))
    assert (told.movement, told.best_run_id, told.last_value) == (Movement.IMPROVING, "R0002", 0.4)
    assert (told.runs_without_gain, told.consecutive_failures) == (0, 1)
    assert told.states == {"completed": 2, "failed": 1}
    assert trend(rows_of(0.4, 0.5, 0.6, 0.5)).movement is Movement.FLAT


def test_waits_do_not_make_the_search_flat() -> None:
    rows = rows_of(0.5, 0.4)
    assert trend(rows, waits_in_a_row=50).runs_without_gain == trend(rows).runs_without_gain == 0
    waiting = priorities_of(
        Streaks(), trend(rows, waits_in_a_row=50), rows, open_todo_count=0, cycles_closed=52, can_search_web=True
    )
    assert (waiting.research_priority, waiting.non_training_priority) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("told", "is_high"),
    [
        (Trend(), False),
        (Trend(consecutive_failures=3), True),
        (Trend(runs_without_gain=5), True),
        (Trend(waits_in_a_row=3), True),
    ],
)
def test_trouble(told: Trend, is_high: bool) -> None:
    assert trouble_is_high(told) is is_high


def test_the_formulas() -> None:
    streaks = Streaks(trainings_in_a_row=3, cycles_without_web_search=2, unmet_searches=1, challenges_in_a_row=2)
    rows = rows_of(*[0.5] * 14, idea_category=IdeaCategory.LOSS)
    told = priorities(streaks, flat=2, rows=rows, open_todo_count=4, cycles_closed=8)
    assert told.research_priority == round(0.14 * 2 + 0.12 * 2 + 0.10 + 0.08 * 2 + 0.06 * 0.5, 3)
    assert told.non_training_priority == round(0.16 * 3 + 0.08 * 2 + 0.12 + 0.06 * 0.5, 3)
    assert told.breakout_priority == round(0.28 + 0.06 * 2 + 0.20 + 0.18 + 0.05 * 2, 3)
    assert (told.todo_pressure, told.is_drifting, told.dominant_model) == (0.5, True, "small_cnn")


def test_every_priority_lies_between_0_and_1() -> None:
    most = priorities(
        Streaks(trainings_in_a_row=999, cycles_without_web_search=999, unmet_searches=999, challenges_in_a_row=999),
        flat=999,
        open_todo_count=999,
        cycles_closed=999,
    )
    assert most.research_priority == most.non_training_priority == most.breakout_priority == most.todo_pressure == 1.0
    assert priorities().breakout_priority == 0.0


@pytest.mark.parametrize("streaks", [Streaks(cycles_without_web_search=999), Streaks(unmet_searches=999)])
def test_searches_alone_never_become_critical(streaks: Streaks) -> None:
    assert priorities(streaks).research_priority < 0.9


def test_where_the_web_cannot_be_searched_nobody_is_blamed_for_it() -> None:
    streaks = Streaks(cycles_without_web_search=9, unmet_searches=9, trainings_in_a_row=1)
    assert priorities(streaks, can_search_web=False).research_priority == 0.14


def test_a_search_ends_the_row_of_trainings_that_research_looks_at() -> None:
    streaks = Streaks(trainings_in_a_row=8, cycles_without_web_search=0)
    told = priorities(streaks)
    assert (told.research_priority, told.non_training_priority) == (0.0, 1.0)


def test_drift_and_dominance_want_enough_runs() -> None:
    narrow = rows_of(*[0.5] * 5, idea_category=IdeaCategory.OPTIMIZATION)
    assert not is_drifting(narrow)
    assert is_drifting([*narrow, *narrow[:1]])
    broad = rows_of(*[0.5] * 3, idea_category=IdeaCategory.MODEL_ARCH)
    assert not is_drifting([*narrow, *narrow[:1], *broad])
    assert dominant_model(rows_of(*[0.5] * 7)) is None
    assert dominant_model(rows_of(*[0.5] * 8)) == "small_cnn"


def test_categories_and_how_they_paid() -> None:
    rows = [
        *rows_of(0.5, 0.3, idea_category=IdeaCategory.LOSS),
        replace(rows_of(None)[0], run_id="R0009", idea_category=IdeaCategory.MODEL_ARCH),
    ]
    uses = category_uses(HistoryIndex("val_log_loss", Direction.MIN, rows), rows)
    first, second = uses[:2]
    assert (first.category, first.tried, first.ranked, first.improved, first.best) == ("loss", 2, 2, 1, 0.3)
    assert first.gain == pytest.approx(0.2)
    assert (second.category, second.tried, second.ranked, second.recent) == ("model_arch", 1, 0, 1)
    assert len(uses) == 7, "what was never tried is told, `other` is not"
