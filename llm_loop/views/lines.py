"""Plain lines for an output that is no terminal: one for each thing that happened, as the journal tells it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.memory.journal import Event
from llm_loop.views.condition import Condition
from llm_loop.views.event_lines import EventLines
from llm_loop.views.journal_tail import JournalTail
from llm_loop.views.snapshot import RunStatus, Snapshot
from llm_loop.views.wording import (
    UNICODE,
    Glyphs,
    better,
    condition_of,
    duration,
    local_offset,
    local_time,
    number,
    places_of,
    planner_notice,
    progress_of,
)

EPOCH_EVERY_S = 2.0
_SHOWN_AT_FIRST = 12
_UNTOLD = ("ending", Condition.NOT_RESPONDING.value, Condition.DEAD.value)


class PlainLines:
    """Write a line for each thing that happened since the last look.

    ``attached`` is the pid of the daemon whose life is told from its start; without it the last few
    lines of the past come first. ``write`` takes one line.
    """

    def __init__(
        self, paths: WorkspacePaths, write: Callable[[str], None], attached: int | None = None, glyphs: Glyphs = UNICODE
    ) -> None:
        self._journal = JournalTail(paths.events)
        self._write = write
        self._attached = attached
        self._glyphs = glyphs
        self._tell = EventLines()
        self._first = True
        self._notes: tuple[str, ...] = ()
        self._condition = Condition.RUNNING.value
        self._epochs: dict[str, tuple[int, float]] = {}

    def show(self, snapshot: Snapshot, now: datetime, now_s: float) -> None:
        """Write what is new; ``now_s`` is monotonic."""
        if self._first:
            self._open(snapshot, now)
        for line in self._happened():
            self._write(line)
        for run in snapshot.runs:
            self._tell_epoch(run, snapshot, now_s)
        for note in snapshot.notes:
            if note not in self._notes:
                self._write(f"{local_time(snapshot.taken_utc)} cannot be read: {note}")
        self._notes = snapshot.notes
        self._tell_condition(snapshot)
        self._first = False

    def say(self, text: str) -> None:
        """Write one line of the view's own."""
        self._write(text)

    def close(self, snapshot: Snapshot) -> None:
        """Write how things stand at the end."""
        board = snapshot.leaderboard
        if board is not None and board.entries:
            self._write(f"Leaderboard: {board.metric}, {better(board.direction)}; {board.ranked_runs} ranked runs")
            for rank, value, seeds, tie, label in places_of(board, self._glyphs):
                self._write(f"  {rank}. {value}  {seeds}  {label}" + (f"  {tie}" if tie else ""))

    def _open(self, snapshot: Snapshot, now: datetime) -> None:
        self._write(f"Workspace {snapshot.workspace}; times are local ({local_offset(now)}), files hold UTC.")
        if (notice := planner_notice(snapshot)) is not None:
            self._write(notice)

    def _happened(self) -> list[str]:
        events = self._journal.new_events()
        if self._first and self._attached is not None:
            events = self._of_this_life(events)
        lines = [line for event in events for line in self._tell.of(event)]
        return lines[-_SHOWN_AT_FIRST:] if self._first and self._attached is None else lines

    def _of_this_life(self, events: list[Event]) -> list[Event]:
        mine = [
            place
            for place, event in enumerate(events)
            if event["event"] == "daemon_started" and event.get("pid") == self._attached
        ]
        return events[mine[-1] :] if mine else []

    def _tell_epoch(self, run: RunStatus, snapshot: Snapshot, now_s: float) -> None:
        epoch, said_s = self._epochs.get(run.run_id, (0, float("-inf")))
        if run.epoch is None or run.epoch == epoch or now_s - said_s < EPOCH_EVERY_S:
            return
        self._epochs[run.run_id] = (run.epoch, now_s)
        parts = [progress_of(run.epoch, run.epochs)]
        parts += [] if run.loss is None else [f"loss {number(run.loss)}"]
        if run.value is not None:
            best = "" if run.best is None else f" (best {number(run.best)})"
            parts.append(f"{snapshot.metric or 'metric'} {number(run.value)}{best}")
        parts += [] if run.eta_s is None else [f"{duration(run.eta_s)} left"]
        self._write(f"{local_time(snapshot.taken_utc)} {run.run_id} {run.label} {', '.join(parts)}")

    def _tell_condition(self, snapshot: Snapshot) -> None:
        """Tell a change that the journal does not tell."""
        before, now = self._condition, snapshot.daemon.condition.value
        now = "ending" if snapshot.daemon.ending and snapshot.daemon.lives else now
        self._condition = now
        is_news = now != before and (now in _UNTOLD or before == Condition.NOT_RESPONDING)
        if is_news or (self._first and self._attached is None):
            self._write(f"{local_time(snapshot.taken_utc)} loop {condition_of(snapshot)}")
