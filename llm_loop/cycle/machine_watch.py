"""Watch the machine that the loop lives on: its clocks, its drives, whether files can be written."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from llm_loop.cycle.clock_watch import ClockWatch
from llm_loop.cycle.context import Context
from llm_loop.cycle.disk_watch import DiskWatch
from llm_loop.cycle.home_watch import HomeWatch, Presence
from llm_loop.cycle.write_watch import WriteWatch
from llm_loop.errors import FileWriteError
from llm_loop.system.clock import Every
from llm_loop.system.instance_lock import InstanceLock

_IN_NEED_S = 1.0


class MachineWatch:
    """Bundle the watches of one daemon; what they find holds launches, and goes by itself where it can."""

    def __init__(self, context: Context, lock: InstanceLock | None = None) -> None:
        self._context = context
        self._home = HomeWatch(context.paths, say, lock)
        self._writing = WriteWatch(context, say)
        self._clocks = ClockWatch(context.clock, context.ledger)
        self._disk = DiskWatch(context)
        self._in_need = Every(_IN_NEED_S)

    @property
    def is_home_away(self) -> bool:
        """Whether the drive of the loop's own folder was away at the last look."""
        return self._home.is_away

    def look_at_home(self, now_s: float) -> str | None:
        """Return why the loop has to end, because its folder is another one or none; None for nothing."""
        presence = self._home.look(now_s)
        if presence in (Presence.REMOVED, Presence.REPLACED):
            return f"{self._context.paths.loop} was removed or replaced while the loop ran"
        return None

    def acts(self) -> tuple[Callable[[float], None], ...]:
        """Return the looks that are taken at each tick while the folder is there; each may raise."""
        return self._tell_absence, self.watch_writing, self._watch_clocks, self._watch_disk, self._watch_places

    def _tell_absence(self, now_s: float) -> None:
        """Journal for how long the drive was away, once it can be written."""
        if self._home.was_away_s is not None:
            for_s, path = round(self._home.was_away_s), str(self._context.paths.loop)
            self._context.ledger.record("drive_away", path=path, for_s=for_s)
            self._home.was_away_s = None

    def watch_writing(self, now_s: float) -> None:
        """See whether files can be written, and hold what would begin while they cannot."""
        self._writing.tick(now_s)

    def _watch_clocks(self, now_s: float) -> None:
        self._clocks.tick(now_s)

    def _watch_disk(self, now_s: float) -> None:
        self._disk.tick(now_s)

    def _watch_places(self, now_s: float) -> None:
        self._context.places.tick(now_s)

    def take_beat(self, error: FileWriteError | None) -> None:
        """Take what refused the last heartbeat, None for nothing."""
        self._writing.take_beat(error)

    def lets_work(self, now_s: float) -> bool:
        """Tell whether the cycle shall be advanced: once a second only while nothing can be written."""
        return self._writing.reason is None or self._in_need.due(now_s)

    def to_json(self) -> dict[str, Any]:
        """Return what the heartbeat says of the calls for a person."""
        reasons = self._context.ledger.state.interventions.reasons
        reasons += () if self._writing.reason is None else (self._writing.reason,)
        return {
            "needs_human": bool(reasons),
            "human_intervention_reasons": [reason.to_json() for reason in reasons],
        }


def say(text: str) -> None:
    """Say a sentence on standard error, where that can be: it may be a file on the very drive that has gone."""
    with suppress(OSError, ValueError):
        print(f"llm_loop: {text}", file=sys.stderr, flush=True)
