"""Compare the configurations of two runs: which is ahead, by how much, and whether that is more than noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llm_loop.contract.result import Direction, higher_is_better
from llm_loop.memory import leaderboard
from llm_loop.memory.history import HistoryRow
from llm_loop.memory.leaderboard import Entry, group_of
from llm_loop.memory.noise import PooledSpread, TieBasis, pooled_spread, tied


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Hold how two configurations compare.

    ``first`` and ``second`` are their places in the ranking; ``gain`` is how much better the second is, negative where
    it is worse. ``tied`` is None when no noise is known. For runs of one configuration ``is_same`` is true: whatever
    differs between them is the seed's and the machine's doing.
    """

    first: Entry
    second: Entry
    gain: float
    tied: bool | None
    tie_basis: TieBasis
    is_same: bool


def compare(
    rows: Sequence[HistoryRow], metric: str, direction: Direction, first: str, second: str
) -> Comparison | None:
    """Compare two runs, named by id, with every seed of their configurations; None where one of them does not rank."""
    board = leaderboard.build(rows, metric, direction, len(rows))
    entries = {run_id: entry for entry in board.entries for run_id in entry.run_ids}
    if first not in entries or second not in entries:
        return None
    one, other = entries[first], entries[second]
    gain = higher_is_better(other.value, direction) - higher_is_better(one.value, direction)
    better, worse = (other, one) if gain > 0 else (one, other)
    is_tied, basis = tied(
        leaderboard.measured_of(better), leaderboard.measured_of(worse), _spread(rows, metric, board.entries)
    )
    return Comparison(first=one, second=other, gain=gain, tied=is_tied, tie_basis=basis, is_same=one is other)


def _spread(rows: Sequence[HistoryRow], metric: str, entries: Sequence[Entry]) -> PooledSpread | None:
    """Return the spread over seeds, pooled over all configurations that were repeated."""
    ranked = {run_id for entry in entries for run_id in entry.run_ids}
    groups: dict[tuple[str, bool], list[HistoryRow]] = {}
    for row in rows:
        if row.run_id in ranked:
            groups.setdefault(group_of(row), []).append(row)
    return pooled_spread(leaderboard.values_by_seed(group, metric) for group in groups.values())
