"""The ledger: write an event, fold it into the state, project it into the files that people read."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from llm_loop.config import Config
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.run import RunState
from llm_loop.errors import CorruptFileError, FileWriteError
from llm_loop.memory import folding
from llm_loop.memory.history import last_seq
from llm_loop.memory.journal import Event, Journal, last_events
from llm_loop.memory.state import SCHEMA_VERSION, LoopState, load
from llm_loop.system import files
from llm_loop.system.clock import Clock, utc_stamp
from llm_loop.system.presence import is_of_the_drive

Projector = Callable[[Event, LoopState], None]

# A journaled state: what a start without state.json begins from, also where a person moved older parts away.
SNAPSHOT = "snapshot"
JOURNAL, STATE = "journal", "state"
_SNAPSHOT_EVERY = 500
_NO_FIT = (AttributeError, IndexError, KeyError, TypeError, ValueError)
_MB = 1_000_000


@dataclass(kw_only=True)
class _Queue:
    """Hold what one projector has still to see."""

    projector: Projector
    waiting: deque[Event] = field(default_factory=deque)
    complained: bool = False


class Ledger:
    """Hold journal and state of one workspace.

    Each of ``projectors`` is called with each event and the state as it is by then; it must change nothing
    when it is called again with the same event. A file that one cannot write is tried again at later saves,
    oldest event first, and the journal says so once; the other projectors go on meanwhile. What a daemon
    before this one may not have projected waits for ``catch_up``, ``record`` or ``save``.
    """

    def __init__(self, paths: WorkspacePaths, clock: Clock, *projectors: Projector) -> None:
        self._paths = paths
        self._clock = clock
        self._queues = [_Queue(projector=projector) for projector in projectors]
        self._saved_seq = -1
        self._refused: dict[str, FileWriteError] = {}
        self._snapshot_seq = 0
        self.journal = Journal(paths.events, clock)
        self.state = self._load()

    def use(self, config: Config) -> None:
        """Follow the configuration: from the next event on, the journal goes on in a new file at its size."""
        self.journal.rotate_bytes = config.journal_rotate_mb * _MB

    @property
    def trouble(self) -> FileWriteError | None:
        """What refused the last write of the journal, or the drive's refusal of the state; None for nothing.

        A state that only a reader holds on to is written at a later save, and keeps nothing from going on.
        """
        state = self._refused.get(STATE)
        return self._refused.get(JOURNAL) or (state if state is not None and is_of_the_drive(state.cause) else None)

    @contextmanager
    def _noting(self, what: str) -> Iterator[None]:
        """Keep in mind whether a file of ours can be written."""
        try:
            yield
        except FileWriteError as error:
            self._refused[what] = error
            raise
        self._refused.pop(what, None)

    @property
    def is_behind(self) -> bool:
        """Whether an event waits for being projected."""
        return any(queue.waiting for queue in self._queues)

    def record(self, kind: str, **fields: Any) -> Event:
        """Journal one event, then let state and files follow. Raises FileWriteError; then nothing happened."""
        event = self.note(kind, **fields)
        self.catch_up()
        return event

    def catch_up(self) -> None:
        """Project what is not projected yet. A defect of ours is raised once, its event passed over then."""
        for queue in self._queues:
            self._project(queue)

    def save(self) -> None:
        """Write ``state.json`` when something changed and everything is projected. Raises FileWriteError.

        Every 500 events, and in each new part of the journal, the state is journaled as well.
        """
        self.catch_up()
        if not self.is_behind and self._snapshot_is_due():
            with suppress(FileWriteError):  # a later save tries again; a replay only takes longer meanwhile
                self._snapshot_seq = self.record(SNAPSHOT, state=self.state.to_json())["seq"]
        if not self.is_behind and self._saved_seq != self.state.seq:
            self.save_state()

    def save_state(self) -> None:
        """Write ``state.json``. Raises FileWriteError."""
        seq = self.state.seq
        # not fsynced: a snapshot that a power cut spoils is rebuilt from the journal
        with self._noting(STATE):
            files.replace_json(self._paths.state, snapshot(self.state, self._paths), durable=False, make_folder=False)
        self._saved_seq = seq

    def note(self, kind: str, **fields: Any) -> Event:
        """Journal one event; the files follow with the next one, or at a save. Raises FileWriteError."""
        with self._noting(JOURNAL):
            event = self.journal.append(kind, **fields)
        self.state = folding.apply(self.state, event)
        self._await(event)
        return event

    def _snapshot_is_due(self) -> bool:
        first = self.journal.first_seq
        is_new_part = first is not None and first > max(1, self._snapshot_seq)
        return is_new_part or self.state.seq // _SNAPSHOT_EVERY > self._snapshot_seq // _SNAPSHOT_EVERY

    def _await(self, event: Event) -> None:
        for queue in self._queues:
            queue.waiting.append(event)

    def _project(self, queue: _Queue) -> None:
        while queue.waiting:
            event = queue.waiting.popleft()  # first: one that meets a defect of ours is not met for ever
            try:
                queue.projector(event, self.state)
            except FileWriteError as error:
                queue.waiting.appendleft(event)
                self._complain(queue, error)
                return
            queue.complained = False

    def _complain(self, queue: _Queue, error: FileWriteError) -> None:
        """Journal once what cannot be written; where the journal cannot either, a later save says it."""
        if queue.complained:
            return
        with suppress(FileWriteError):
            self.note("file_not_written", path=str(error.path), why=str(error))
            queue.complained = True

    def _fold(self, event: Event) -> LoopState:
        """Return the state after a journaled event. Raises CorruptFileError when it does not fit what stands before."""
        try:
            return folding.apply(self.state, event)
        except _NO_FIT as error:
            why = f"event {event['seq']} does not fit what stands before it ({type(error).__name__}: {error})"
            raise CorruptFileError(self._paths.events, f"{why}; move the file away to start anew") from error

    def _load(self) -> LoopState:
        """Return the state that the journal's end stands for, from the snapshot where it is good."""
        notes: list[dict[str, str]] = []
        try:
            state = load(self._paths.state)
        except CorruptFileError as error:
            aside = files.set_aside(self._paths.state, utc_stamp(self._clock.utc_now()))
            notes.append({"what": str(error), "set_aside": str(aside)})
            state = None
        if state is not None and state.seq > self.journal.seq and not self._live_file_is_gone():
            notes.append({"what": "state.json is ahead of the journal, which was cut or moved", "set_aside": ""})
            state = None
        if self.journal.repaired is not None:
            notes.append({"what": "the journal's last line was torn", "set_aside": str(self.journal.repaired)})
        events = [] if state is None else self.journal.after(state.seq)
        if state is not None and _has_gap(state.seq, events):
            notes.append({"what": f"events after {state.seq} were moved out of the journal", "set_aside": ""})
            state = None
        if state is None:
            state, events = self._from_journal()
        self.state = state
        self._snapshot_seq = max((event["seq"] for event in events if event["event"] == SNAPSHOT), default=state.seq)
        for event in events:
            self.state = self._fold(event)
            self._await(event)
        notes += self._go_on_behind_what_was_here()
        for note in notes:
            self.note("repaired", **note)
        return self.state

    def _live_file_is_gone(self) -> bool:
        """Tell whether there are older parts alone: then the last state is that of a file which was moved away."""
        return self.journal.first_seq is None and self.journal.seq > 0

    def _go_on_behind_what_was_here(self) -> list[dict[str, str]]:
        """Use no number of an event twice that was moved away: files that follow the journal know how far it went.

        The state is journaled at once, for nobody can fold what is not there any more.
        """
        known, last = max(self.state.seq, _last_followed(self._paths)), self.journal.seq
        if known <= last:
            return []
        self.journal.go_on_behind(known)
        self.state = replace(self.state, seq=known)
        self._snapshot_seq = self.note(SNAPSHOT, state=self.state.to_json())["seq"]
        return [{"what": f"events {last + 1} to {known} were moved out of the journal", "set_aside": ""}]

    def _from_journal(self) -> tuple[LoopState, list[Event]]:
        """Return a journaled state and the events behind it, or the very first state and all events.

        Not from the last snapshot but the one before: of the pages that were written just before a power cut, which
        spoils ``state.json`` too, nobody knows that they lie on the disk. A history that is missing is written anew.
        """
        if self._paths.history.exists() and (found := _start_within(self.journal.back_to(SNAPSHOT, 2))) is not None:
            return found
        events = self.journal.after(0)
        return _start_within(events) or (LoopState(), events)


def _start_within(events: list[Event]) -> tuple[LoopState, list[Event]] | None:
    """Return a state to begin from and the events behind it, as many as there are without a gap; None for none."""
    for place in range(len(events) - 1, 0, -1):
        if events[place]["seq"] != events[place - 1]["seq"] + 1:
            events = events[place:]
            break
    if not events or events[0]["seq"] == 1:
        return LoopState(), events
    for place, event in enumerate(events):
        if event["event"] == SNAPSHOT and (state := _journaled_state(event)) is not None:
            return state, events[place:]
    return None


def _journaled_state(event: Event) -> LoopState | None:
    """Return the state of a snapshot, None for one of another version."""
    try:
        state = LoopState.from_json(event["state"])
    except _NO_FIT:
        return None
    return state if state.seq == event["seq"] - 1 else None


def _last_followed(paths: WorkspacePaths) -> int:
    """Return the number of the last event that the history or the summaries of the cycles hold; 0 for none."""
    try:
        summaries = last_events(paths.cycle_summaries, 1)
        return max(0, last_seq(paths.history), *(int(line["seq"]) for line in summaries))
    except (OSError, *_NO_FIT):  # somebody else's line
        return 0


def _has_gap(seq: int, events: list[Event]) -> bool:
    return any(event["seq"] != expected for expected, event in enumerate(events, seq + 1))


def snapshot(state: LoopState, paths: WorkspacePaths) -> dict[str, Any]:
    """Return what ``state.json`` holds: the keys that people know, and the whole state under ``loop``."""
    active = [
        {
            "run_id": run.run_id,
            "run_label": run.label,
            "state": run.state.value,
            "attempt": run.last_attempt.number,
            "pid": run.last_attempt.pid,
            "command": run.decision["command"],
            "started_utc": run.last_attempt.started_utc,
            "stdout_log": str(paths.logs / f"{run.last_attempt.log_tag}.stdout.log"),
            "stderr_log": str(paths.logs / f"{run.last_attempt.log_tag}.stderr.log"),
            "run_dir": str(paths.attempt(run.run_id, run.last_attempt.number)),
        }
        for run in state.in_state(RunState.RUNNING)
    ]
    return {
        "schema_version": SCHEMA_VERSION,
        "active_run": active[0] if active else None,
        "active_runs": active,
        "last_completed_run": state.last_completed_run,
        "bootstrap_attempts": state.bootstrap_attempts,
        "bootstrap_successful": state.bootstrap_successful,
        "needs_human": bool(state.interventions.reasons),
        "human_intervention_reasons": state.interventions.to_json(),
        "loop": state.to_json(),
    }
