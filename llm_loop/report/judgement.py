"""Compare two places of one leaderboard and say honestly whether they differ by more than the noise."""

from __future__ import annotations

from llm_loop.contract.result import Direction, higher_is_better
from llm_loop.memory.comparison import Comparison
from llm_loop.memory.leaderboard import Entry, Leaderboard, measured_of
from llm_loop.memory.noise import TieBasis, spread_of, tied

MORE, TIE, UNKNOWN = "more than the noise", "a tie: inside the noise", "may be noise"


class Judge:
    """Compare the entries of a leaderboard that holds every configuration."""

    def __init__(self, board: Leaderboard) -> None:
        repeated = [(entry.sd, entry.seeds - 1) for entry in board.entries if entry.sd is not None]
        self._direction: Direction = board.direction
        self._pooled = spread_of(sum(sd**2 * free for sd, free in repeated), sum(free for _, free in repeated))

    def compare(self, first: Entry, second: Entry) -> Comparison:
        """Return how the second does against the first, as ``llm-loop diff`` says it."""
        gain = higher_is_better(second.value, self._direction) - higher_is_better(first.value, self._direction)
        better, worse = (second, first) if gain > 0 else (first, second)
        is_tied, basis = tied(measured_of(better), measured_of(worse), self._pooled)
        is_same = first.run_ids == second.run_ids
        return Comparison(first=first, second=second, gain=gain, tied=is_tied, tie_basis=basis, is_same=is_same)


def in_words(found: Comparison) -> str:
    """Say whether a difference is more than the noise."""
    return {False: MORE, True: TIE, None: UNKNOWN}[found.tied]


def judged_by(found: Comparison) -> str:
    """Say by what it was judged."""
    return {
        TieBasis.SEEDS: "judged by the spread over seeds, at 95 %",
        TieBasis.INTERVAL: "judged by the 95 % interval of a single run, which does not hold what another seed changes",
        TieBasis.UNKNOWN: "neither several seeds nor an interval is known",
    }[found.tie_basis]
