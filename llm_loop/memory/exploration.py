"""Which idea categories were tried, and how they paid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from llm_loop.contract.context import CategoryUse
from llm_loop.contract.decision import IdeaCategory
from llm_loop.memory.history import HistoryRow
from llm_loop.memory.history_index import CategoryRecord, HistoryIndex

RECENT_RUNS = 8
DRIFT_LEAST_RUNS = 6
_NARROW = frozenset({IdeaCategory.EVALUATION, IdeaCategory.OPTIMIZATION, IdeaCategory.LOSS, IdeaCategory.DATA_SAMPLING})
_BROAD = frozenset({IdeaCategory.MODEL_ARCH, IdeaCategory.PREPROCESSING, IdeaCategory.AUGMENTATION})


def category_uses(index: HistoryIndex, rows: Sequence[HistoryRow]) -> tuple[CategoryUse, ...]:
    """Return one entry a category, the most tried first; those never tried are there too, with zeros.

    ``other`` is left out as long as nobody used it. ``rows`` are ended runs, oldest first.
    """
    recent = Counter(row.idea_category for row in _of_ideas(rows)[-RECENT_RUNS:])
    records = index.categories
    wanted = [category for category in IdeaCategory if category in records or category is not IdeaCategory.OTHER]
    uses = [_use(category, records.get(category, CategoryRecord()), recent[category]) for category in wanted]
    return tuple(sorted(uses, key=lambda use: -use.tried))


def is_drifting(rows: Sequence[HistoryRow]) -> bool:
    """Tell whether the latest runs keep to details.

    So it is when of the last 8 runs (6 at least) 6 or more are about evaluation, optimisation, loss or sampling, and at
    most 2 about architecture, preprocessing or augmentation.
    """
    latest = [row.idea_category for row in _of_ideas(rows)[-RECENT_RUNS:]]
    narrow = sum(category in _NARROW for category in latest)
    broad = sum(category in _BROAD for category in latest)
    return len(latest) >= DRIFT_LEAST_RUNS and narrow >= DRIFT_LEAST_RUNS and broad <= 2


def _of_ideas(rows: Sequence[HistoryRow]) -> list[HistoryRow]:
    """Return the runs that say something of what was tried: a missing package does not."""
    return [row for row in rows if row.tells_of_idea]


def _use(category: IdeaCategory, record: CategoryRecord, recent: int) -> CategoryUse:
    return CategoryUse(
        category=category.value,
        tried=record.tried,
        ranked=record.ranked,
        improved=record.improved,
        gain=record.gain,
        best=record.best,
        recent=recent,
    )
