"""Hold launches while the disk is short, and call a person; both end by themselves."""

from __future__ import annotations

from pathlib import Path

from llm_loop.cycle.calls_for_people import call_a_person, call_no_longer
from llm_loop.cycle.context import Context
from llm_loop.system import files
from llm_loop.system.clock import Every

PHASE, SHORT = "disk", "short"
LOOKS_TO_BE_SURE = 3
_LOOK_S = 1.0
_MB = 1_000_000


class DiskWatch:
    """Watch the free space of the workspace's drive, once a second."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._due = Every(_LOOK_S)
        self._enough = LOOKS_TO_BE_SURE

    def tick(self, now_s: float) -> None:
        """Take a look when it is due. Raises OSError where the drive cannot be asked, FileWriteError when it is full.

        What was not journaled then is at a later look.
        """
        if not self._due.due(now_s):
            return
        folder, wanted = self._context.paths.loop, self._context.config.min_free_disk_mb
        free_mb = files.free_bytes(folder) // _MB
        self._enough = self._enough + 1 if free_mb >= wanted else 0
        if self._enough == 0:
            self._hold(folder, free_mb, wanted)
        elif self._enough >= LOOKS_TO_BE_SURE:  # a disk at the edge does not fill the journal
            self._context.holds.pop(PHASE, None)
            call_no_longer(self._context.ledger, PHASE, SHORT, f"{free_mb} MB are free again")

    def _hold(self, folder: Path, free_mb: int, wanted: int) -> None:
        why = f"only {free_mb} MB of disk are free, {wanted} MB are wanted"
        to_do = f"free {wanted - free_mb} MB or more on the drive of {folder}"
        self._context.holds[PHASE] = f"{why}: {to_do}"
        call_a_person(self._context.ledger, phase=PHASE, cause=SHORT, why=why, what_to_do=to_do, is_global=True)
