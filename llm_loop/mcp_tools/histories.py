"""The ended runs: ``query_history`` and ``show_leaderboard``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from llm_loop.contract.result import Direction, higher_is_better
from llm_loop.mcp_tools.answer import data, fitting
from llm_loop.mcp_tools.refusal import Refused
from llm_loop.mcp_tools.sources import Sources
from llm_loop.memory import history
from llm_loop.memory.history import HistoryRow, latest_of_each
from llm_loop.memory.history_index import usual_direction
from llm_loop.memory.leaderboard_text import header, text_rows
from llm_loop.views.ranking import Ranking
from llm_loop.views.untrusted import clean, plain
from llm_loop.views.whole_leaderboard import whole_leaderboard

_SOURCE = "what runs and roles wrote"


def query_history(sources: Sources, arguments: Mapping[str, Any]) -> str:
    """Return the runs that match, one JSON object a line. Raises OSError."""
    metric, direction = _selection(sources)
    rows = latest_of_each(history.load(sources.paths.history).rows)
    if "metric" in arguments and arguments["metric"] != metric:
        metric = arguments["metric"]
        direction = usual_direction(metric)
    found = [row for row in rows if _matches(row, arguments)]
    order = arguments.get("order", "newest")
    ordered = _ordered(found, order, metric, direction)
    start = arguments.get("offset", 0)
    asked = ordered[start : start + arguments.get("limit", 10)]
    if not asked:
        return f"No run: {len(ordered)} of {len(rows)} ended runs match, {start} left out."
    lines = [_line(row, metric) for row in asked]
    shown = fitting(lines)
    last = start + shown
    head = f"{len(ordered)} of {len(rows)} ended runs match; {start + 1} to {last}, {order} first."
    if last < len(ordered):
        head += f" To read on: offset {last}."
    return data(head, "\n".join(lines[:shown]), _SOURCE)


def show_leaderboard(sources: Sources, arguments: Mapping[str, Any]) -> str:
    """Return the head of the leaderboard as a table. Raises OSError."""
    board = whole_leaderboard(sources.paths, sources.config, arguments.get("top", 10)).board
    if board is None:
        return "No run has ended yet."
    better = "smaller" if board.direction is Direction.MIN else "larger"
    head = (
        f"{board.ranked_configs} configurations from {board.ranked_runs} ranked runs, by {clean(board.metric, 60)} "
        f"({better} is better; best_val_score of a run is always larger-is-better)."
    )
    if board.apart_counts:
        counts = ", ".join(f"{count} {clean(state, 40)}" for state, count in board.apart_counts.items())
        head += f" Not ranked: {counts}."
    lines = [" | ".join(header(board)), *(" | ".join(row) for row in text_rows(board))]
    return data(head, "\n".join(lines[: fitting(lines)]), _SOURCE)


def _selection(sources: Sources) -> tuple[str | None, Direction]:
    """Return the metric that the loop ranks by; None, and any direction, while nothing tells it."""
    ranking = Ranking(sources.paths)
    ranking.look(sources.config)
    return ranking.metric, ranking.direction or Direction.MIN


def _matches(row: HistoryRow, arguments: Mapping[str, Any]) -> bool:
    return (
        arguments.get("category") in (None, row.idea_category.value)
        and arguments.get("state") in (None, row.state)
        and arguments.get("label", "").casefold() in row.label.casefold()
    )


def _ordered(rows: Sequence[HistoryRow], order: str, metric: str | None, direction: Direction) -> Sequence[HistoryRow]:
    if order in ("newest", "oldest"):
        return rows[::-1] if order == "newest" else rows
    if metric is None:
        raise Refused("Nothing tells yet which metric is ranked by; name one.")
    scored = [
        (higher_is_better(value, direction), row)
        for row in rows
        if row.ranks and (value := row.value_of(metric)) is not None
    ]
    scored.sort(key=lambda pair: pair[0], reverse=order == "best")
    return [row for _, row in scored]


def _line(row: HistoryRow, metric: str | None) -> str:
    result = row.result
    value: dict[str, Any] = {
        "run_id": row.run_id,
        "cycle": row.cycle,
        "state": row.state,
        "cause": row.cause,
        "category": row.idea_category.value,
        "label": row.label,
        "proposer": row.proposer,
        "metric": metric,
        "value": None if metric is None else row.value_of(metric),
        "best_epoch": None if result is None else result.best_epoch,
        "epochs_run": None if result is None else result.epochs_run,
        "seed": None if result is None else result.seed,
        "stopped_early": None if result is None else result.stopped_early,
        "seconds": row.run_seconds,
        "ended_utc": row.ended_utc,
        "metrics": row.metrics,
        "params": row.params if result is None or result.params is None else result.params,
        "code_version": row.code_version,
        "command": row.command[:1_000],
    }
    kept = {key: item for key, item in value.items() if item is not None}
    return json.dumps(plain(kept), ensure_ascii=False, allow_nan=False, default=str)
