"""Which of thousands of ended runs are looked at again: the latest ones, and the best of those before."""

from __future__ import annotations

import heapq
from collections import deque
from typing import Any, Self

from llm_loop.memory.history import HistoryRow

LATEST_RUNS = 300
BEST_RUNS = 50


class ShownRuns:
    """Hold where the rows of the latest 300 runs begin, and of the best 50 before them."""

    def __init__(self) -> None:
        self._latest: deque[tuple[int, float | None]] = deque()
        self._best: list[tuple[float, int]] = []  # a heap: score, and minus the offset, for the older one of equals

    def add(self, offset: int, row: HistoryRow) -> None:
        """Take in a run whose row begins at ``offset``."""
        self._latest.append((offset, None if row.result is None else row.result.best_val_score))
        if len(self._latest) <= LATEST_RUNS:
            return
        older, score = self._latest.popleft()
        if score is None:
            return
        heapq.heappush(self._best, (score, -older))
        if len(self._best) > BEST_RUNS:
            heapq.heappop(self._best)

    def offsets(self) -> list[int]:
        """Return where their rows begin, oldest first."""
        return sorted(-place for _, place in self._best) + [offset for offset, _ in self._latest]

    def latest(self, count: int) -> list[int]:
        """Return where the rows of the latest few begin, oldest first."""
        return [offset for offset, _ in list(self._latest)[-count:]]

    def to_json(self) -> dict[str, Any]:
        """Return a form to go on from."""
        return {"latest": list(self._latest), "best": self._best}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Go on from a form of before. Raises KeyError, TypeError, ValueError."""
        shown = cls()
        shown._latest.extend((int(at), None if score is None else float(score)) for at, score in value["latest"])
        shown._best = [(float(score), int(place)) for score, place in value["best"]]
        heapq.heapify(shown._best)
        return shown
