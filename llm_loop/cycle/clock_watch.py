"""See when the wall clock jumps and when the machine has slept, and journal it once.

Nothing here has to be mended: durations are taken from seconds awake, and nothing is ordered by the wall clock. But
who reads times in the journal should know that they jumped.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from llm_loop.cycle.ledger import Ledger
from llm_loop.system.clock import Clock, Every

JUMP_S = 5.0
_LOOK_S = 1.0
_SLOW_LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class _Reading:
    """Hold one look at all three clocks; the last two in seconds."""

    wall: datetime
    awake_s: float
    slept_s: float


class ClockWatch:
    """Compare the clocks of one machine, about once a second."""

    def __init__(self, clock: Clock, ledger: Ledger) -> None:
        self._clock, self._ledger = clock, ledger
        self._due = Every(_LOOK_S)
        self._last: _Reading | None = None
        self._untold: deque[tuple[str, dict[str, Any]]] = deque(maxlen=100)

    def tick(self, now_s: float) -> None:
        """Journal what has happened to the clocks since the last look. Raises FileWriteError; it is told later then."""
        if not self._due.due(now_s):
            return
        reading = self._read()
        if reading is None:
            return
        if self._last is not None:
            self._compare(self._last, reading)
        self._last = reading
        while self._untold:
            kind, fields = self._untold[0]
            self._ledger.record(kind, **fields)
            self._untold.popleft()

    def _read(self) -> _Reading | None:
        """Read the clocks; None when the machine was so slow about it that they do not belong together."""
        before_s = self._clock.monotonic()
        reading = _Reading(self._clock.utc_now(), before_s, self._clock.slept())
        return reading if self._clock.monotonic() - before_s < _SLOW_LOOK_S else None

    def _compare(self, last: _Reading, now: _Reading) -> None:
        slept_s = now.slept_s - last.slept_s
        by_s = (now.wall - last.wall).total_seconds() - (now.awake_s - last.awake_s) - slept_s
        if slept_s > JUMP_S:
            self._untold.append(("machine_slept", {"seconds": round(slept_s)}))
        if abs(by_s) > JUMP_S:
            self._untold.append(("clock_jumped", {"by_s": round(by_s)}))
