"""How many calls were made within the last hour: counted by minute, so that any number fits in 61 pairs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

_MINUTES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRate:
    """Hold (minute since 1970, calls) for each minute of the last hour with a call, oldest first.

    A call counts until the end of the minute 60 minutes later, so the count of any hour is never short.
    """

    minutes: tuple[tuple[int, int], ...] = ()

    def with_call(self, at: datetime, calls: int = 1) -> Self:
        """Return the rate with ``calls`` more in the minute of ``at``; -1 takes one back."""
        minute = _minute(at)
        counts = dict(self.minutes)
        counts[minute] = max(0, counts.get(minute, 0) + calls)
        kept = ((one, count) for one, count in sorted(counts.items()) if count and abs(minute - one) <= _MINUTES)
        return replace(self, minutes=tuple(kept)[-_MINUTES - 1 :])

    def in_hour(self, now: datetime) -> int:
        """Return the calls within the hour before ``now``.

        Those of a future that a clock set back has made count for as long.
        """
        return sum(count for minute, count in self.minutes if abs(_minute(now) - minute) <= _MINUTES)

    def falls_below(self, limit: int, now: datetime) -> int | None:
        """Return the seconds from ``now`` until the hour holds fewer than ``limit`` calls; None for never."""
        left = self.in_hour(now)
        if left < limit:
            return 0
        for minute, count in self.minutes:
            left -= count if abs(_minute(now) - minute) <= _MINUTES else 0
            if left < limit:
                return max(0, (minute + _MINUTES + 1) * 60 - int(now.timestamp()))
        return None

    def to_json(self) -> list[list[int]]:
        """Return the snapshot's form."""
        return [list(pair) for pair in self.minutes]

    @classmethod
    def from_json(cls, value: list[Any]) -> Self:
        """Build the value from a snapshot. Raises TypeError or ValueError when it is not one."""
        return cls(minutes=tuple((int(minute), int(count)) for minute, count in value))


def _minute(moment: datetime) -> int:
    return int(moment.timestamp() // 60)
