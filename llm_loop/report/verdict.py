"""Who won, by how much against the first run and against the second place, and whether that is more than the noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from llm_loop.memory.comparison import Comparer, Comparison
from llm_loop.memory.history import HistoryRow
from llm_loop.memory.leaderboard import Entry, Leaderboard
from llm_loop.report.facts import best_row


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Hold the winner and what it is compared with.

    ``run`` is the run that stands for the winning configuration. ``against_first`` compares the configuration of the
    first run that ranks with the winner, None where the winner is that one itself; ``against_second`` the second place,
    None where there is one configuration alone. ``tied`` are the other places inside the noise.
    """

    best: Entry
    run: HistoryRow
    first: HistoryRow
    against_first: Comparison | None
    against_second: Comparison | None
    tied: tuple[Entry, ...]

    @property
    def second_is_first(self) -> bool:
        """Whether the second place is the configuration of the first run, so that one comparison says both."""
        return self.against_second is not None and self.first.run_id in self.against_second.first.run_ids

    @property
    def comparisons(self) -> tuple[tuple[Comparison, str], ...]:
        """What the winner is compared with, each once, and how it is called."""
        second = "the second place, the first run" if self.second_is_first else "the second place"
        both = (None if self.second_is_first else self.against_first, "the first run"), (self.against_second, second)
        return tuple((found, name) for found, name in both if found is not None)


def judge_winner(board: Leaderboard, by_id: Mapping[str, HistoryRow]) -> Verdict | None:
    """Return the verdict on a leaderboard that holds every configuration, None while nothing ranks."""
    best = board.best
    if best is None:
        return None
    comparer = Comparer(board)
    baseline = min(board.entries, key=lambda entry: min(_age(by_id[run_id]) for run_id in entry.run_ids))
    return Verdict(
        best=best,
        run=best_row(best, by_id, board),
        first=min((by_id[run_id] for run_id in baseline.run_ids), key=_age),
        against_first=None if baseline is best else comparer.compare(baseline, best),
        against_second=comparer.compare(board.entries[1], best) if len(board.entries) > 1 else None,
        tied=tuple(entry for entry in board.entries[1:] if entry.tied_with_best),
    )


def _age(row: HistoryRow) -> tuple[int, int]:
    return row.cycle, row.seq
