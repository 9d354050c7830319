"""The one reader of clocks: aware UTC for people, monotonic seconds for durations.

The monotonic seconds stand still while the machine sleeps, on Windows too: a laptop that was closed for a night has
not let a run stall, and no deadline has passed.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from typing import Protocol

if sys.platform == "win32":
    from llm_loop.system import platform_windows as platform
else:
    from llm_loop.system import platform_posix as platform


class Clock(Protocol):
    """Tell the time; tests pass one that moves only when told."""

    def utc_now(self) -> datetime:
        """Return the wall clock as an aware UTC time."""

    def monotonic(self) -> float:
        """Return seconds that never step backwards, without those asleep; only differences mean anything."""

    def slept(self) -> float:
        """Return for how many seconds the machine has slept so far; only differences mean anything."""

    def sleep(self, seconds: float) -> None:
        """Wait for ``seconds`` (0 or more)."""


class SystemClock:
    """Tell the machine's time."""

    def utc_now(self) -> datetime:
        """Return the wall clock as an aware UTC time."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the machine's monotonic seconds, without those asleep."""
        return platform.awake_seconds()

    def slept(self) -> float:
        """Return for how many seconds the machine has slept since it was started."""
        return platform.slept_seconds()

    def sleep(self, seconds: float) -> None:
        """Wait for ``seconds``."""
        time.sleep(seconds)


class Every:
    """Tell when something is due that shall happen at most once in ``seconds``; due at first."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next_s: float | None = None

    def due(self, now_s: float) -> bool:
        """Tell whether it is due at ``now_s`` (monotonic seconds), and take note that it happens."""
        if self._next_s is not None and now_s < self._next_s:
            return False
        self._next_s = now_s + self._seconds
        return True


def utc_text(moment: datetime) -> str:
    """Write a moment as ISO 8601 with Z, to the second: ``2026-11-21T22:04:05Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def utc_stamp(moment: datetime) -> str:
    """Write a moment for a file name: ``20261121T220405Z``."""
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def parse_utc(text: str) -> datetime:
    """Read ISO 8601 text; a text without a zone is taken as UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
