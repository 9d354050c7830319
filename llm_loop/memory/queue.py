"""What people asked of the queue, folded from the journal: requests answered, runs to stage, runs withdrawn.

A request has its effect with one event, ``request_answered``: what follows from it (a run that is staged, ended or
asked to end) follows from the state, also for a daemon that comes after one killed at any instruction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from llm_loop.config import ApprovalRule
from llm_loop.contract.run import PERSON, Approval, Run, RunState
from llm_loop.contract.stop_reasons import CANCELLED, REJECTED
from llm_loop.memory.journal import Event

KEPT_IDS = 256
KEPT_WITHDRAWN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """Hold what is left of people's requests.

    ``answered`` are the last 256 ids: a file with one of them was obeyed. ``to_stage`` are runs (JSON form) that were
    accepted and are not staged yet, a moment's matter. ``withdrawn`` are the last 12 runs that a person cancelled or
    rejected before they were launched (the form of a ``KnownRun``): the history does not hold those.
    """

    answered: tuple[str, ...] = ()
    to_stage: tuple[dict[str, Any], ...] = ()
    withdrawn: tuple[dict[str, Any], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the snapshot's form."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Build the value from a snapshot. Raises TypeError or KeyError when it is not one."""
        return cls(**{name: tuple(value[name]) for name in cls.__slots__})


def apply(queue: QueueState, event: Event) -> QueueState:
    """Return the queue after ``event``: the same one for kinds that do not matter here."""
    change = _CHANGES.get(event["event"])
    return queue if change is None else change(queue, event)


def runs_after(runs: dict[str, Run], event: Event) -> dict[str, Run]:
    """Return the open runs after a ``request_answered``: what was asked of a run stands in it from then on."""
    if not event["accepted"] or event["request"] == "queue_add":
        return runs
    changed = {run_id: _asked(runs[run_id], event) for run_id in event["run_ids"] if run_id in runs}
    return runs | changed


def is_withdrawn(run: Run) -> bool:
    """Tell whether a person wants the run to be over, however far it has come."""
    return (run.stop_reason or "").startswith((CANCELLED, REJECTED))


def needs_approval(run: Run, rule: ApprovalRule) -> bool:
    """Tell whether the configuration wants a person's word on the run; a person's own run needs none."""
    if run.proposer == PERSON or rule is ApprovalRule.NEVER:
        return False
    return rule is ApprovalRule.ALWAYS or bool((run.code.change or {}).get("files"))


def approval_words(run_id: str) -> str:
    """Say what a held run waits for, and what to type."""
    return f"a person's word: `llm-loop approve {run_id}`, or reject"


def held_runs(staged: Iterable[Run], rule: ApprovalRule) -> list[Run]:
    """Return the staged runs that wait for a person's word, and those that build on one of them.

    ``staged`` are in the order of their making.
    """
    held: dict[str, Run] = {}
    for run in staged:
        waits = run.approval is Approval.WAITING and needs_approval(run, rule)
        if run.state is RunState.STAGED and (waits or any(base in held for base in run.builds_on)):
            held[run.run_id] = run
    return list(held.values())


# ---------------------------------------------------------------- changes, one a kind of event


def _asked(run: Run, event: Event) -> Run:
    if event["request"] == "approve":
        return replace(run, approval=Approval.APPROVED)
    return replace(run, stop_reason=event["stop_reason"])


def _request_answered(queue: QueueState, event: Event) -> QueueState:
    withdrawn = queue.withdrawn if event.get("withdrawn") is None else (*queue.withdrawn, event["withdrawn"])
    return replace(
        queue,
        answered=(*queue.answered, event["id"])[-KEPT_IDS:],
        to_stage=(*queue.to_stage, *event.get("runs", ())),
        withdrawn=withdrawn[-KEPT_WITHDRAWN:],
    )


def _run_staged(queue: QueueState, event: Event) -> QueueState:
    run_id = event["run"]["run_id"]
    left = tuple(run for run in queue.to_stage if run["run_id"] != run_id)
    return queue if len(left) == len(queue.to_stage) else replace(queue, to_stage=left)


_CHANGES: dict[str, Callable[[QueueState, Event], QueueState]] = {
    "request_answered": _request_answered,
    "run_staged": _run_staged,
}
