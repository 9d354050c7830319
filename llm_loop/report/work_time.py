"""The time at which the loop was at work: hours of all daemons in a row, what lies between them left out.

Several nights then fit on one axis without the days between, and a daemon that was dead for a week stretches nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Hold the life of one daemon, as far as the journal tells it. ``end`` is not before ``start``."""

    start: datetime
    end: datetime

    def until(self, moment: datetime) -> Self:
        """Return the session that lasts until ``moment``; a wall clock that was set back shortens none."""
        return replace(self, end=max(self.end, moment))

    @property
    def hours(self) -> float:
        """How long it was."""
        return (self.end - self.start).total_seconds() / _HOUR_S


@dataclass(frozen=True, slots=True)
class WorkTime:
    """Hold the sessions, oldest first."""

    sessions: tuple[Session, ...] = ()

    @property
    def hours(self) -> float:
        """The hours of all sessions together."""
        return sum(session.hours for session in self.sessions)

    def hours_at(self, moment: datetime) -> float:
        """Return the hours at work up to ``moment``; a moment between two sessions stands where they meet."""
        done = 0.0
        for session in self.sessions:
            if moment <= session.start:
                break
            done += (min(moment, session.end) - session.start).total_seconds() / _HOUR_S
        return done

    def seams(self) -> tuple[float, ...]:
        """Return the hours at which one session ends and the next begins."""
        found, done = [], 0.0
        for session in self.sessions[:-1]:
            done += session.hours
            found.append(done)
        return tuple(found)
