"""Compare the configurations of two runs: which is ahead, by how much, and whether that is more than noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llm_loop.contract.result import Direction, higher_is_better
from llm_loop.memory import leaderboard
from llm_loop.memory.history import HistoryRow
from llm_loop.memory.leaderboard import Entry, Leaderboard, measured_of
from llm_loop.memory.noise import TieBasis, spread_of, tied


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


class Comparer:
    """Compare the places of a leaderboard that holds every configuration."""

    def __init__(self, board: Leaderboard) -> None:
        repeated = [(entry.sd, entry.seeds - 1) for entry in board.entries if entry.sd is not None]
        self._direction: Direction = board.direction
        self._spread = spread_of(sum(sd**2 * free for sd, free in repeated), sum(free for _, free in repeated))

    def compare(self, first: Entry, second: Entry) -> Comparison:
        """Return how the second place does against the first."""
        gain = higher_is_better(second.value, self._direction) - higher_is_better(first.value, self._direction)
        better, worse = (second, first) if gain > 0 else (first, second)
        is_tied, basis = tied(measured_of(better), measured_of(worse), self._spread)
        is_same = first.run_ids == second.run_ids
        return Comparison(first=first, second=second, gain=gain, tied=is_tied, tie_basis=basis, is_same=is_same)


def compare(
    rows: Sequence[HistoryRow], metric: str, direction: Direction, first: str, second: str
) -> Comparison | None:
    """Compare two runs, named by id, with every seed of their configurations; None where one of them does not rank."""
    board = leaderboard.build(rows, metric, direction, len(rows))
    entries = {run_id: entry for entry in board.entries for run_id in entry.run_ids}
    if first not in entries or second not in entries:
        return None
    return Comparer(board).compare(entries[first], entries[second])
