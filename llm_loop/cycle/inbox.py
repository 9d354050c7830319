"""The inbox: take what others ask of the loop, file by file, and answer each request once, in the journal.

The answer is one event, ``request_answered``, and has the whole effect with it: runs to stage, or what is wanted of a
run. Its file is removed behind it; one that still lies there after a crash has an id that the state knows, and is
removed without being obeyed again. What is no request is set aside and told, and holds nobody else up.
"""

from __future__ import annotations

import heapq
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_loop.contract.request import LONGEST_NOTE, Request, RequestKind, read_request
from llm_loop.contract.run import Approval, Run, RunState
from llm_loop.contract.stop_reasons import CANCELLED, REJECTED
from llm_loop.cycle.calls_for_people import close_resolved, meant_by, not_open
from llm_loop.cycle.code_jobs import CodeJobs
from llm_loop.cycle.context import Context
from llm_loop.cycle.judging import Judge
from llm_loop.cycle.queueing import Queueing
from llm_loop.cycle.staging import stage
from llm_loop.errors import ContractError, FileWriteError
from llm_loop.memory.queue import is_withdrawn
from llm_loop.stages.observe import withdrawn_run
from llm_loop.system import files
from llm_loop.system.clock import utc_stamp
from llm_loop.views.untrusted import clean

_SUFFIX = ".json"
_MOST_LOOKED_AT = 200
_REASON_CHARACTERS = 400
_MOST_REASONS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Hold what a request comes to: taken or not, ``why`` not, and the fields of its effect in the event."""

    accepted: bool
    why: tuple[str, ...] = ()
    run_ids: tuple[str, ...] = ()
    effect: dict[str, Any] = field(default_factory=dict)


class Inbox:
    """Take the requests that lie in ``.llm_loop/inbox``, by their names, one step of one request a tick."""

    def __init__(self, context: Context, code_jobs: CodeJobs, judge: Judge) -> None:
        self._context = context
        self._queueing = Queueing(context, code_jobs, judge)
        self._open: tuple[Path, tuple[int, int] | None, Request] | None = None
        self._left_alone: dict[str, tuple[int, int] | None] = {}

    def tick(self, now_s: float) -> bool:
        """Take the next step; tell whether a request was answered. ``now_s`` is monotonic. Raises FileWriteError."""
        self._follow_up()
        for path in self._files():
            if path.stem in self._context.ledger.state.queue.answered:
                self._remove(path)  # obeyed before; a crash, or somebody who holds it open, has kept it there
            elif (request := self._read(path)) is not None:
                return self._answer(path, request, now_s)
        self._open = None
        return False

    def _follow_up(self) -> None:
        """Stage what was accepted and close what was resolved: at once, or after a crash."""
        for run in self._context.ledger.state.queue.to_stage:
            stage(self._context, Run.from_json(run))
        close_resolved(self._context.ledger)

    # ------------------------------------------------------------ files

    def _files(self) -> list[Path]:
        """Return the requests that lie there, in the order of their names; those that cannot be touched are left."""
        folder = self._context.paths.inbox
        try:
            names = {name for name in os.listdir(folder) if _may_be_request(name)}  # noqa: PTH208 - names
        except OSError:
            return []
        self._left_alone = {name: seen for name, seen in self._left_alone.items() if name in names}
        wanted = (name for name in names if not self._is_left_alone(name))  # first: many of these hide nobody else
        return [folder / name for name in heapq.nsmallest(_MOST_LOOKED_AT, wanted)]

    def _is_left_alone(self, name: str) -> bool:
        return name in self._left_alone and self._left_alone[name] == files.signature(self._context.paths.inbox / name)

    def _read(self, path: Path) -> Request | None:
        """Return the request in a file, None when it holds none; then it is out of the way."""
        signature = files.signature(path)
        if self._open is not None and self._open[:2] == (path, signature):
            return self._open[2]
        try:
            request = read_request(path)
        except FileNotFoundError:  # taken back
            return None
        except ContractError as error:
            self._set_aside(path, "; ".join(error.violations)[:_REASON_CHARACTERS])
            return None
        self._open = path, signature, request
        return request

    def _set_aside(self, path: Path, why: str) -> None:
        try:
            aside = files.set_aside(path, utc_stamp(self._context.clock.utc_now())).name
        except FileWriteError as error:
            aside, why = None, f"{why} ({error})"
            self._left_alone[path.name] = files.signature(path)
        self._context.ledger.record("request_unreadable", file=path.name[:200], why=why, set_aside=aside)

    def _remove(self, path: Path) -> None:
        """Remove an answered request; a file that is held open is tried again with the next tick."""
        with suppress(FileWriteError):
            files.remove(path)

    # ------------------------------------------------------------ answers

    def _answer(self, path: Path, request: Request, now_s: float) -> bool:
        answer = self._answer_to(request, now_s)
        if answer is None:
            return False
        self._context.ledger.record(
            "request_answered",
            id=request.id,
            request=request.kind.value,
            accepted=answer.accepted,
            why=[text[:_REASON_CHARACTERS] for text in answer.why[:_MOST_REASONS]],
            run_ids=list(answer.run_ids),
            **answer.effect,
        )
        self._open = None
        self._follow_up()
        self._remove(path)
        return True

    def _answer_to(self, request: Request, now_s: float) -> Answer | None:
        """Return the answer, None while something has to be found out for it."""
        if request.kind is RequestKind.QUEUE_ADD:
            added = self._queueing.take(request, now_s)
            if added is None:
                return None
            ids = tuple(run.run_id for run in added.runs)
            effect = {"runs": [run.to_json() for run in added.runs]}
            return Answer(accepted=not added.why, why=added.why, run_ids=ids, effect=effect)
        if request.kind is RequestKind.RESOLVE:
            return self._resolved(request)
        run = self._run(request.run or "")
        if run is None or run.state.is_final:
            return Answer(accepted=False, why=(self._no_such_run(request.run or ""),))
        if request.kind is RequestKind.CANCEL:
            return _withdrawn(run, CANCELLED)
        if run.state is not RunState.STAGED or run.approval is not Approval.WAITING or is_withdrawn(run):
            return Answer(accepted=False, why=(f"{run.run_id} ({run.label}) waits for no approval: {_where(run)}",))
        if request.kind is RequestKind.APPROVE:
            return Answer(accepted=True, run_ids=(run.run_id,))
        note = _note(request)
        return _withdrawn(run, f"{REJECTED}: {note}" if note else REJECTED)

    def _resolved(self, request: Request) -> Answer:
        """Return what a person's word on reasons comes to: they are marked by the answer, and closed behind it."""
        wanted, known = request.reason or "", self._context.ledger.state.interventions
        reasons = meant_by(wanted, known)
        if not reasons:
            return Answer(accepted=False, why=not_open(wanted, known))
        return Answer(accepted=True, effect={"reasons": [one.id for one in reasons], "note": _note(request)})

    def _run(self, wanted: str) -> Run | None:
        """Return the open run of that id, or of that label, which no other run has."""
        runs = self._context.ledger.state.runs
        return runs.get(wanted.upper()) or next((run for run in runs.values() if run.label == wanted), None)

    def _no_such_run(self, wanted: str) -> str:
        memory = self._context.memory
        if memory.has_ended(wanted.upper()) or memory.label_is_taken(wanted):
            return f"{wanted[:80]} has ended already"
        return f"no run {wanted[:80]!r} is open here; `llm-loop queue` lists those that are"


def _may_be_request(name: str) -> bool:
    return name.endswith(_SUFFIX) and not name.startswith(".")


def _withdrawn(run: Run, reason: str) -> Answer:
    if is_withdrawn(run):  # said before, and that is how it ends
        return Answer(accepted=True, run_ids=(run.run_id,), effect={"stop_reason": run.stop_reason})
    known = None if run.attempts else withdrawn_run(run, reason)
    return Answer(accepted=True, run_ids=(run.run_id,), effect={"stop_reason": reason, "withdrawn": known})


def _note(request: Request) -> str | None:
    return clean(request.note or "", LONGEST_NOTE) or None


def _where(run: Run) -> str:
    if is_withdrawn(run):
        return f"it is {run.stop_reason}"
    return "it was approved" if run.approval is Approval.APPROVED else f"it is {run.state.value}"
