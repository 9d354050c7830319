"""Hold launches while nothing can be written: a full disk, a read-only drive. Goes on when that has gone.

Meanwhile the loop keeps what it has: runs train on, their keepers have the bytes of their endings reserved, and what
has to be journaled follows from files that lie there. Once a second it is seen whether writing works again.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import suppress

from llm_loop.cycle.context import Context
from llm_loop.errors import FileWriteError
from llm_loop.memory.interventions import Intervention
from llm_loop.system.clock import Every, utc_text
from llm_loop.system.presence import is_of_the_drive

PHASE, REFUSED = "writing", "refused"
_TRY_S = 1.0
_TO_DO = {
    errno.ENOSPC: "free some space on the drive of {folder}",
    errno.EROFS: "make the drive of {folder} writable again",
    errno.EACCES: "let the loop write into {folder} again",
    errno.EPERM: "let the loop write into {folder} again",
}


class WriteWatch:
    """Watch whether journal and state can be written. ``say`` tells a person by another way than files."""

    def __init__(self, context: Context, say: Callable[[str], None]) -> None:
        self._context, self._say = context, say
        self._due = Every(_TRY_S)
        self._since_s = 0.0
        self._beat_refused: FileWriteError | None = None
        self.reason: Intervention | None = None

    def take_beat(self, error: FileWriteError | None) -> None:
        """Take what refused the last heartbeat, None for nothing: where nothing happens, it is all that is written."""
        self._beat_refused = error if error is not None and is_of_the_drive(error.cause) else None

    def tick(self, now_s: float) -> None:
        """Hold while writing is refused; when it works again, journal for how long it did not."""
        trouble = self._context.ledger.trouble or self._beat_refused
        if trouble is not None and self.reason is None:
            self._begin(trouble, now_s)
        if self.reason is not None and self._due.due(now_s):
            self._try_again(now_s)

    def _begin(self, trouble: FileWriteError, now_s: float) -> None:
        folder = self._context.paths.loop
        to_do = _TO_DO.get(trouble.cause.errno or 0, "see to the drive of {folder}").format(folder=folder)
        self.reason = Intervention(
            id=Intervention.NOW,
            phase=PHASE,
            cause=REFUSED,
            why=str(trouble),
            what_to_do=to_do,
            since_utc=utc_text(self._context.clock.utc_now()),
            is_global=True,
        )
        self._since_s = now_s
        self._due = Every(_TRY_S)
        self._context.holds[PHASE] = f"{trouble}: {to_do}"
        self._say(f"a person is needed: {trouble}; {to_do}. Runs train on, nothing new starts, the loop waits.")

    def _try_again(self, now_s: float) -> None:
        assert self.reason is not None
        ledger = self._context.ledger
        with suppress(OSError):
            self._context.paths.logs.mkdir(exist_ok=True)  # somebody may have removed it
        try:
            ledger.save_state()  # first, for it needs most room: what follows is journaled once
            ledger.record("written_again", why=self.reason.why, for_s=round(now_s - self._since_s))
        except FileWriteError:
            return
        self.reason = self._beat_refused = None
        self._context.holds.pop(PHASE, None)
        self._say("files can be written again: the loop goes on.")
