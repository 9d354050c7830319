"""What each run uses of its device at most, as far as it was seen: readings of whole cards, runs that are alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llm_loop.runs.devices import Card


class DevicePeaks:
    """Collect the most that each running run was seen to use of its card, in bytes.

    A reading counts for a run that had the card for itself, of the loop's runs, when it was asked for and when it
    came. What the card held before it is not the run's.
    """

    def __init__(self) -> None:
        self._before: dict[str, int] = {}
        self._peaks: dict[str, int] = {}
        self._asked: Mapping[str, frozenset[str]] = {}

    def asked(self, runs_by_card: Mapping[str, Sequence[str]]) -> None:
        """Note which runs are on which card (by UUID) as a reading is asked for."""
        self._asked = {uuid: frozenset(runs) for uuid, runs in runs_by_card.items()}

    def take(self, cards: Sequence[Card], runs_by_card: Mapping[str, Sequence[str]]) -> None:
        """Take a reading."""
        for card in cards:
            used, now = card.memory_used_bytes, frozenset(runs_by_card.get(card.uuid, ()))
            if used is None or now != self._asked.get(card.uuid, frozenset()):
                continue
            if not now:
                self._before[card.uuid] = used
            elif len(now) == 1:
                (run_id,) = now
                own = max(0, used - self._before.get(card.uuid, 0))
                self._peaks[run_id] = max(own, self._peaks.get(run_id, 0))

    def of(self, run_id: str) -> int | None:
        """Return the most that a run was seen to use; None when it was never seen alone, or used nothing."""
        return self._peaks.get(run_id) or None

    def forget(self, run_id: str) -> None:
        """Drop what is known of a run that has ended."""
        self._peaks.pop(run_id, None)
