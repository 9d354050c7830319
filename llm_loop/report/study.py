"""What the facts come to: verdict, course of the search, categories, parameters, failures, data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llm_loop.memory.history import HistoryRow
from llm_loop.memory.leaderboard import Entry, Leaderboard
from llm_loop.report.categories import CategoryOutcome, outcomes_by_category
from llm_loop.report.data_facts import DataFacts, data_facts
from llm_loop.report.facts import Facts
from llm_loop.report.failures import Failures, failures_of
from llm_loop.report.importance import ImportanceStudy, study_importance
from llm_loop.report.search import Search, course_of
from llm_loop.report.verdict import Verdict, judge_winner
from llm_loop.views.untrusted import dict_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Hold what a night came to. Without a ranked run ``verdict`` and ``data`` are None and the course is empty."""

    by_id: Mapping[str, HistoryRow]
    verdict: Verdict | None
    search: Search
    categories: tuple[CategoryOutcome, ...]
    importance: ImportanceStudy
    failures: Failures
    data: DataFacts | None


def study(facts: Facts) -> Findings:
    """Return what the facts come to; the same facts give the same findings."""
    by_id = {row.run_id: row for row in facts.rows}
    board = facts.board
    verdict = None if board is None else judge_winner(board, by_id)
    search = Search() if board is None else course_of(facts.rows, board, facts.night.work_time)
    return Findings(
        by_id=by_id,
        verdict=verdict,
        search=search,
        categories=() if board is None else outcomes_by_category(facts.rows, board, search),
        importance=_importance(board, by_id),
        failures=failures_of(facts.rows, facts.night),
        data=None if verdict is None else _data(facts, verdict),
    )


def _importance(board: Leaderboard | None, by_id: Mapping[str, HistoryRow]) -> ImportanceStudy:
    if board is None:
        return ImportanceStudy(configs=0, too_little="too few runs: none has a result yet")
    return study_importance([(_params(entry, by_id), entry.value) for entry in board.entries], board.direction)


def _params(entry: Entry, by_id: Mapping[str, HistoryRow]) -> Mapping[str, Any]:
    row = by_id[entry.run_ids[0]]
    return dict_of(None if row.result is None else row.result.params) or dict_of(row.params)


def _data(facts: Facts, verdict: Verdict) -> DataFacts:
    return data_facts(verdict.run, facts.attempt_folder(verdict.run.run_id), facts.config)
