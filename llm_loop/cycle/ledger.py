"""The ledger: write an event, fold it into the state, project it into the files that people read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.run import RunState
from llm_loop.errors import CorruptFileError, FileWriteError
from llm_loop.memory import state as states
from llm_loop.memory.journal import Event, Journal
from llm_loop.memory.state import LoopState
from llm_loop.system import files
from llm_loop.system.clock import Clock, utc_stamp

Projector = Callable[[Event, LoopState], None]


class Ledger:
    """Hold journal and state of one workspace.

    ``projector`` is called with each event and the state as it is by then; it must change nothing when
    it is called again with the same event. A file that it cannot write is tried again at later saves,
    oldest event first, and the journal says so once.
    """

    def __init__(self, paths: WorkspacePaths, clock: Clock, projector: Projector) -> None:
        self._paths = paths
        self._clock = clock
        self._projector = projector
        self._waiting: list[Event] = []
        self._saved_seq = -1
        self._complained = False
        self.journal = Journal(paths.events, clock)
        self.state = self._load()

    def record(self, kind: str, **fields: Any) -> Event:
        """Journal one event, then let state and files follow. Raises FileWriteError; then nothing happened."""
        event = self.journal.append(kind, **fields)
        self.state = states.apply(self.state, event)
        self._waiting.append(event)
        self._project()
        return event

    def save(self) -> None:
        """Write ``state.json`` when something changed and everything is projected. Raises FileWriteError."""
        self._project()
        if not self._waiting and self._saved_seq != self.state.seq:
            # not fsynced: a snapshot that a power cut spoils is rebuilt from the journal
            files.replace_json(self._paths.state, snapshot(self.state, self._paths), durable=False)
            self._saved_seq = self.state.seq

    def _project(self) -> None:
        while self._waiting:
            event = self._waiting.pop(0)  # first: one that meets a defect of ours is passed over, not met for ever
            try:
                self._projector(event, self.state)
            except FileWriteError as error:
                self._waiting.insert(0, event)
                self._complain(error)
                return
            self._complained = False

    def _complain(self, error: FileWriteError) -> None:
        """Journal once what cannot be written; where the journal cannot either, a later save says it."""
        if self._complained:
            return
        with suppress(FileWriteError):
            event = self.journal.append("file_not_written", path=str(error.path), why=str(error))
            self._complained = True
            self.state = states.apply(self.state, event)
            self._waiting.append(event)

    def _fold(self, event: Event) -> LoopState:
        """Return the state after a journaled event. Raises CorruptFileError when it does not fit what stands before."""
        try:
            return states.apply(self.state, event)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            why = f"event {event['seq']} does not fit what stands before it ({type(error).__name__}: {error})"
            raise CorruptFileError(self._paths.events, f"{why}; move the file away to start anew") from error

    def _load(self) -> LoopState:
        """Return the state that the journal's end stands for, from the snapshot where it is good."""
        notes: list[dict[str, str]] = []
        try:
            state = states.load(self._paths.state)
        except CorruptFileError as error:
            aside = files.set_aside(self._paths.state, utc_stamp(self._clock.utc_now()))
            notes.append({"what": str(error), "set_aside": str(aside)})
            state = None
        if state is not None and state.seq > self.journal.seq:
            notes.append({"what": "state.json is ahead of the journal, which was cut or moved", "set_aside": ""})
            state = None
        if self.journal.repaired is not None:
            notes.append({"what": "the journal's last line was torn", "set_aside": str(self.journal.repaired)})
        start = state or LoopState()
        self.state = start
        for event in self.journal.after(start.seq):
            self.state = self._fold(event)
            self._waiting.append(event)
        self._project()
        for note in notes:
            self.record("repaired", **note)
        return self.state


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
        "schema_version": states.SCHEMA_VERSION,
        "active_run": active[0] if active else None,
        "active_runs": active,
        "last_completed_run": state.last_completed_run,
        "bootstrap_attempts": state.bootstrap_attempts,
        "bootstrap_successful": state.bootstrap_successful,
        "loop": state.to_json(),
    }
