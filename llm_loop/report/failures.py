"""Why runs came to nothing, and what repairs did about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from llm_loop.contract.run import FAILED
from llm_loop.memory.history import COMPLETED, HistoryRow
from llm_loop.report.night import Night
from llm_loop.views.untrusted import text_of


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureGroup:
    """Hold the runs that failed for one cause; the last one's line that tells and what was tried stand for all."""

    cause: str
    run_ids: tuple[str, ...]
    line: str | None
    tried: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """Hold how runs ended.

    ``states`` counts all ended runs; ``groups`` are the failures, the most frequent cause first; ``mends`` are repairs
    by rule with how often each was done and in vain; ``rescued`` counts runs that completed after one.
    """

    states: dict[str, int]
    groups: tuple[FailureGroup, ...]
    mends: tuple[tuple[str, int, int], ...]
    rescued: int


def failures_of(rows: Sequence[HistoryRow], night: Night) -> Failures:
    """Return how runs ended and what was mended."""
    groups: dict[str, list[HistoryRow]] = {}
    for row in rows:
        if row.state in FAILED:
            groups.setdefault(_cause(row), []).append(row)
    in_order = sorted(groups.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    completed = {row.run_id for row in rows if row.state == COMPLETED}
    return Failures(
        states=dict(Counter(row.state for row in rows).most_common()),
        groups=tuple(_group(cause, group) for cause, group in in_order),
        mends=tuple((rule, count[True], count[False]) for rule, count in sorted(night.mends.items())),
        rescued=len(night.mended & completed),
    )


def _cause(row: HistoryRow) -> str:
    diagnosed = None if row.failure is None else text_of(row.failure.diagnosis, 80)
    return diagnosed or text_of(row.cause, 120) or "unknown"


def _group(cause: str, rows: Sequence[HistoryRow]) -> FailureGroup:
    last = next((row.failure for row in reversed(rows) if row.failure is not None), None)
    return FailureGroup(
        cause=cause,
        run_ids=tuple(row.run_id for row in rows),
        line=None if last is None else text_of(last.evidence_line, 200),
        tried=None if last is None else text_of(last.tried, 300),
    )
