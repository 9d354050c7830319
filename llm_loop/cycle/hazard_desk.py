"""Look at memory and disk while runs train; ask one run at a time to end before the machine breaks them all."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from llm_loop.contract.run import Run, RunState
from llm_loop.contract.stop_reasons import HOST_MEMORY
from llm_loop.stages.hazards import (
    Candidate,
    LastLooks,
    Look,
    hazards_of,
    is_memory_nearly_full,
    to_be_ended,
)
from llm_loop.system import files
from llm_loop.system.clock import Every
from llm_loop.system.memory import host_memory, tree_bytes

if TYPE_CHECKING:
    from llm_loop.cycle.context import Context

HOLD = "memory"
_LOOK_S = 1.0


class HazardDesk:
    """Watch one machine. ``request_stop`` asks a run to end; ``look`` looks at the machine, a test gives its own."""

    def __init__(
        self, context: Context, request_stop: Callable[[Run, str], None], look: Callable[[], Look] | None = None
    ) -> None:
        self._context = context
        self._request_stop = request_stop
        self._look = look or self._look_at_machine
        self._due = Every(_LOOK_S)
        self._last = LastLooks()
        self._first_seen_s: dict[str, float] = {}

    def tick(self, now_s: float) -> None:
        """Take a look when it is due, hold launches while memory is nearly full, end a run when it stays so.

        While a run that was asked to end is still there nothing more is asked: its memory comes back first. Raises
        FileWriteError.
        """
        if not self._due.due(now_s):
            return
        running = self._context.ledger.state.in_state(RunState.RUNNING)
        self._first_seen_s = {run.run_id: self._first_seen_s.get(run.run_id, now_s) for run in running}
        look = self._look()
        self._hold_while_full(look)
        self._last.add(look)
        cause = hazards_of(self._last.looks, self._context.config.min_free_disk_mb)
        if cause is None or not running or any(run.stop_reason is not None for run in running):
            return
        chosen = to_be_ended(cause, [self._candidate(run, cause, now_s) for run in running])
        self._request_stop(next(run for run in running if run.run_id == chosen), cause)
        self._last.begin_anew()

    def _hold_while_full(self, look: Look) -> None:
        holds, ledger = self._context.holds, self._context.ledger
        if is_memory_nearly_full(look.memory):
            assert look.memory is not None
            free_mb = look.memory.available_bytes // 1_000_000
            is_news = HOLD not in holds
            holds[HOLD] = f"only {free_mb} MB of this machine's memory are free: nothing new starts"
            if is_news:
                ledger.record("memory_short", free_mb=free_mb)
        elif holds.pop(HOLD, None) is not None:
            free = None if look.memory is None else look.memory.available_bytes // 1_000_000
            ledger.record("memory_free_again", free_mb=free)

    def _candidate(self, run: Run, cause: str, now_s: float) -> Candidate:
        pid = run.last_attempt.pid
        held = tree_bytes(pid) if cause == HOST_MEMORY and pid is not None else None
        return Candidate(run_id=run.run_id, memory_bytes=held, age_s=now_s - self._first_seen_s[run.run_id])

    def _look_at_machine(self) -> Look:
        try:
            free: int | None = files.free_bytes(self._context.paths.loop)
        except OSError:  # a drive that went away; whoever writes there says so
            free = None
        return Look(memory=host_memory(), disk_free_bytes=free)
