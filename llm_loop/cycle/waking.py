"""What wakes the worker amid a run: its numbers, its course, its own wish, a person; once a run for each reason.

A healthy run costs no model call: the next decision is staged, and the worker sleeps until one of these.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from llm_loop.contract.run import Run
from llm_loop.stages.monitor import Progress

NOT_FINITE, PLATEAU, SILENCE, MONITOR_SECONDS, TODO_EDITED = (
    "not_finite",
    "plateau",
    "silence",
    "monitor_seconds",
    "todo_edited",
)


@dataclass(frozen=True, slots=True)
class Wake:
    """Hold one reason; ``run_id`` is None for what a person did."""

    run_id: str | None
    reason: str


def wakes_of(run: Run, progress: Progress, stall_seconds: float | None, now_s: float) -> Iterator[Wake]:
    """Yield the reasons that a running run gives for the first time. ``now_s`` is monotonic."""
    silent_s = now_s - progress.last_output_s
    told = (
        (NOT_FINITE, not progress.is_finite),
        (PLATEAU, progress.is_flat),
        (SILENCE, stall_seconds is not None and silent_s > stall_seconds / 2),
        (MONITOR_SECONDS, now_s - progress.started_s >= run.monitor_seconds),
    )
    yield from (Wake(run.run_id, reason) for reason, holds in told if holds and reason not in run.wakes)
