"""The first places of the leaderboard, for those who only read: from its file, which the loop writes after each run."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from llm_loop.contract.context import LeaderboardHead, Place
from llm_loop.contract.outside_file import read_outside
from llm_loop.contract.result import Direction
from llm_loop.memory import leaderboard
from llm_loop.memory.history import HistoryRow
from llm_loop.system import files

PLACES = 8
RUN_IDS = 3
_MAX_BYTES = 1_000_000


def leaderboard_head(path: Path, rows: list[HistoryRow], metric: str, direction: Direction) -> LeaderboardHead:
    """Return the first 8 places.

    Where ``leaderboard.json`` is missing, damaged or ranks by another metric, ``rows`` are ranked instead.
    """
    head = _of_file(path, files.signature(path), metric, direction.value)
    return head if head is not None else _head(leaderboard.build(rows, metric, direction, PLACES).to_json())


@lru_cache(maxsize=2)
def _of_file(path: Path, signature: tuple[int, int] | None, metric: str, direction: str) -> LeaderboardHead | None:
    """Read the file once for as long as its signature stands."""
    if signature is None:
        return None
    try:
        value = json.loads(read_outside(path, _MAX_BYTES))
        ranked_by = (value["metric"], value["direction"])
        return _head(value) if ranked_by == (metric, direction) else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _head(board: dict[str, Any]) -> LeaderboardHead:
    places = tuple(_place(entry) for entry in board["entries"][:PLACES])
    return LeaderboardHead(
        ranked_configs=int(board["ranked_configs"]), ranked_runs=int(board["ranked_runs"]), places=places
    )


def _place(entry: dict[str, Any]) -> Place:
    sd, seconds, tied = entry["sd"], entry["run_seconds"], entry["tied_with_best"]
    return Place(
        rank=int(entry["rank"]),
        label=str(entry["label"]),
        run_ids=tuple(str(run_id) for run_id in entry["run_ids"][:RUN_IDS]),
        value=float(entry["value"]),
        sd=None if sd is None else float(sd),
        seeds=int(entry["seeds"]),
        tied_with_best=None if tied is None else bool(tied),
        model=None if entry["model"] is None else str(entry["model"]),
        run_seconds=None if seconds is None else float(seconds),
    )
