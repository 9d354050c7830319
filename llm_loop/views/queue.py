"""The queue as a person sees it: what runs, what waits and for what, and which requests nobody has taken up yet."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.request import read_request
from llm_loop.errors import ContractError
from llm_loop.system.clock import Clock
from llm_loop.views.procedure_status import mended_words
from llm_loop.views.reading import SnapshotReader
from llm_loop.views.snapshot import RunStatus, Snapshot, WaitingRun
from llm_loop.views.untrusted import clean, plain
from llm_loop.views.wording import condition_of, progress_of, waiting_words

SCHEMA_VERSION = 1
_MOST_REQUESTS = 50
_BEHIND = {"repairing": 1, "staged": 2}  # the other ones get the next slot


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueEntry:
    """Hold one open run.

    ``state`` is a run state; ``approval`` is waiting or approved, None where no person's word is needed; ``waits_for``
    says what keeps it, ``progress`` how far a running one has come.
    """

    run_id: str
    label: str
    state: str
    cycle: int
    idea_category: str | None
    proposer: str | None
    approval: str | None
    waits_for: str | None
    builds_on: tuple[str, ...]
    progress: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingRequest:
    """Hold one file of the inbox; ``kind`` is None for one that is no request."""

    file: str
    kind: str | None
    about: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStatus:
    """Hold the queue of one workspace at ``taken_utc``.

    ``runs`` are those in a slot, ``waiting`` those that wait for one, in the order in which they get it; ``holds`` say
    why nothing is launched at present; ``inbox`` are requests that nobody has taken up yet.
    """

    workspace: str
    taken_utc: str
    condition: str
    condition_words: str
    holds: dict[str, str]
    paused: bool
    runs: tuple[QueueEntry, ...]
    waiting: tuple[QueueEntry, ...]
    inbox: tuple[WaitingRequest, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the form of ``queue --json``: the fields above by their names, fit for strict JSON."""
        return {"schema_version": SCHEMA_VERSION, **plain(asdict(self))}


def read_queue(paths: WorkspacePaths, clock: Clock, environ: Mapping[str, str]) -> QueueStatus:
    """Return the queue now, from files alone. Raises OSError where the folder may not be looked into."""
    snapshot = SnapshotReader(paths, clock, environ).take()
    in_order = sorted(snapshot.waiting, key=lambda run: _BEHIND.get(run.state, 0))
    return QueueStatus(
        workspace=snapshot.workspace,
        taken_utc=snapshot.taken_utc,
        condition=snapshot.daemon.condition.value,
        condition_words=condition_of(snapshot),
        holds=dict(snapshot.daemon.holds or {}) if snapshot.daemon.lives else {},
        paused=snapshot.paused,
        runs=tuple(_in_slot(run, snapshot) for run in snapshot.runs),
        waiting=tuple(_waiting(run) for run in in_order),
        inbox=tuple(_requests(paths)),
        notes=snapshot.notes,
    )


def queue_lines(queue: QueueStatus) -> Iterator[str]:
    """Yield the queue as lines of text."""
    yield f"Loop: {queue.condition_words}"
    for source, reason in queue.holds.items():
        yield f"holding ({source}): {reason}"
    if queue.paused and "pause" not in queue.holds:
        yield "the PAUSE flag lies here: nothing new is launched"
    for run in (*queue.runs, *queue.waiting):
        about = ", ".join(filter(None, [run.idea_category, f"by {run.proposer}" if run.proposer else None]))
        extra = ", ".join(
            filter(None, [run.progress, f"after {', '.join(run.builds_on[:4])}" if run.builds_on else ""])
        )
        yield (
            f"{run.run_id}  {run.state:<11} {run.label}"
            + (f" ({about})" if about else "")
            + (f"  {extra}" if extra else "")
        )
        if run.waits_for is not None:
            yield f"       {waiting_words(run.state, run.waits_for)}"
    if not queue.runs and not queue.waiting:
        yield "No run is open."
    for request in queue.inbox:
        yield f"in the inbox, not taken up yet: {request.file} ({request.about or request.kind or 'no request'})"
    for note in queue.notes:
        yield f"cannot be read: {note}"


def _in_slot(run: RunStatus, snapshot: Snapshot) -> QueueEntry:
    end = None if run.stop_reason is None else f"asked to end: {run.stop_reason}"
    left = None if snapshot.daemon.lives else "the next start takes it over"
    return QueueEntry(
        run_id=run.run_id,
        label=run.label,
        state=run.state,
        cycle=run.cycle,
        idea_category=run.idea_category,
        proposer=None,
        approval=None,
        waits_for=None,
        builds_on=(),
        progress="; ".join(filter(None, [progress_of(run.epoch, run.epochs), mended_words(run.mends), end, left])),
    )


def _waiting(run: WaitingRun) -> QueueEntry:
    return QueueEntry(
        run_id=run.run_id,
        label=run.label,
        state=run.state,
        cycle=run.cycle,
        idea_category=run.idea_category,
        proposer=run.proposer,
        approval=run.approval,
        waits_for=run.waits_for,
        builds_on=run.builds_on,
        progress=None,
    )


def _requests(paths: WorkspacePaths) -> Iterator[WaitingRequest]:
    try:
        names = [name for name in os.listdir(paths.inbox) if name.endswith(".json") and name[:1] != "."]  # noqa: PTH208
    except OSError:
        return
    for name in heapq.nsmallest(_MOST_REQUESTS, names):
        try:
            request = read_request(paths.inbox / name)
        except FileNotFoundError:
            continue
        except ContractError:
            yield WaitingRequest(file=clean(name, 80), kind=None, about=None)
            continue
        count, subject = len(request.decisions or ()), request.run or request.reason
        about = f"add {count} run{'' if count == 1 else 's'}" if count else f"{request.kind.value} {subject}"
        yield WaitingRequest(file=clean(name, 80), kind=request.kind.value, about=clean(about, 120))
