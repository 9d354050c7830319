"""A run and its attempts: their states and the moves between them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

from llm_loop.contract.procedure import NOT_BEGUN, Procedure

SCHEMA_VERSION = 1
PERSON = "person"
"""Who proposed a run that a person has put into the queue."""
CHECKPOINT = "last.pt"
"""The file in an attempt's folder from which a later attempt may go on: LLM_LOOP_RESUME_DIR names that folder to it."""


class RunState(StrEnum):
    """Where a run stands."""

    STAGED = "staged"
    QUEUED = "queued"
    RUNNING = "running"
    REPAIRING = "repairing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    LOST = "lost"
    NEEDS_HUMAN = "needs_human"

    @property
    def is_final(self) -> bool:
        """Tell whether a run in this state is over."""
        return self in _FINAL

    @property
    def is_failure(self) -> bool:
        """Tell whether a run in this state is over without having come to its end."""
        return self in FAILED


FAILED = frozenset({RunState.FAILED, RunState.LOST, RunState.NEEDS_HUMAN})
"""The states of a run that is over without having come to its end."""
_FINAL = frozenset({RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED, RunState.LOST, RunState.NEEDS_HUMAN})

MOVES: dict[RunState, frozenset[RunState]] = {
    RunState.STAGED: frozenset(
        {RunState.QUEUED, RunState.RUNNING, RunState.REPAIRING, RunState.FAILED, RunState.CANCELLED}
    ),
    RunState.QUEUED: frozenset(
        {RunState.RUNNING, RunState.REPAIRING, RunState.FAILED, RunState.CANCELLED, RunState.LOST}
    ),
    RunState.RUNNING: frozenset({*_FINAL, RunState.QUEUED, RunState.REPAIRING, RunState.INTERRUPTED}),
    RunState.REPAIRING: frozenset(
        {RunState.STAGED, RunState.QUEUED, RunState.FAILED, RunState.CANCELLED, RunState.NEEDS_HUMAN}
    ),
    RunState.INTERRUPTED: frozenset({RunState.QUEUED, RunState.RUNNING, RunState.CANCELLED}),
}
"""Allowed moves; a final state has none."""


class Approval(StrEnum):
    """What a person has to say, or has said, of a run that needs a person's word."""

    WAITING = "waiting"
    APPROVED = "approved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """Hold one attempt. ``tag`` marks its processes, ``log_tag`` names its log files.

    ``pid`` is for people; identity is the engine's business. ``cause`` is how it ended, or None. ``device`` is its
    device as CUDA_VISIBLE_DEVICES names it, None where the loop named none; ``device_peak_bytes`` the most memory that
    it was seen to use there, None where it was never seen alone. ``slot`` is the run slot it has, from 1; None in a
    journal of before slots had numbers.
    """

    number: int
    tag: str
    log_tag: str
    engine: str = "local"
    pid: int | None = None
    started_utc: str | None = None
    ended_utc: str | None = None
    cause: str | None = None
    exit_code: int | None = None
    duration_s: float | None = None
    cpu_s: float | None = None
    peak_memory_bytes: int | None = None
    device: str | None = None
    device_peak_bytes: int | None = None
    slot: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCode:
    """Hold which code a run runs, and where.

    ``version`` is its code version: with a ``place`` (the JSON form of a ``versions.placing.Place``) that of the
    checkout it runs in; without one, that of the training repository as it stood at the launch, None until then.
    ``change`` is the JSON form of the CodeChange behind it, ``version_at_end`` what was there when it had ended.
    """

    version: str | None = None
    repository_version: str | None = None
    change: dict[str, Any] | None = None
    place: dict[str, Any] | None = None
    version_at_end: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Hold one run from staging to the closing of its cycle.

    ``decision`` is the JSON form as made; ``label`` is unique, ``label_decided`` what the decision
    said; ``monitor_seconds`` is the effective value. ``cycle_record`` is what the closing cycle event
    says of proposals, gate and mentor. ``wakes`` are the
    reasons for which the worker was asked amid the run. ``experiment`` is a hash of what is run. ``approval`` is None
    for a run that needs nobody's word. ``repair_of`` is the failed run that an agent mends with this one,
    ``reproduces`` the run that a person has run once more.
    """

    run_id: str
    label: str
    label_decided: str
    cycle: int
    cycle_trace_id: str
    state: RunState
    decision: dict[str, Any]
    proposer: str
    monitor_seconds: int
    experiment: str
    staged_seq: int
    cycle_record: dict[str, Any]
    attempts: tuple[Attempt, ...] = ()
    stop_reason: str | None = None
    cause: str | None = None
    detail: str | None = None
    result: dict[str, Any] | None = None
    metrics: dict[str, float] | None = None
    code: RunCode = RunCode()
    wakes: tuple[str, ...] = ()
    approval: Approval | None = None
    procedure: Procedure = NOT_BEGUN
    repair_of: str | None = None
    reproduces: str | None = None
    schema_version: int = SCHEMA_VERSION

    @property
    def builds_on(self) -> tuple[str, ...]:
        """The runs whose outcome the decision needs."""
        return tuple(self.decision["builds_on"])

    @property
    def last_attempt(self) -> Attempt:
        """The attempt that runs now or ran last. Only for a run that was launched."""
        return self.attempts[-1]

    @property
    def command(self) -> str:
        """What is run: as decided, with its paths in the checkout where it has one, with what was mended in it."""
        placed: str | None = None if self.code.place is None else self.code.place.get("command")
        return self.procedure.command or placed or str(self.decision["command"])

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        value = asdict(self)
        plain = {"state": self.state.value, "attempts": list(value["attempts"]), "wakes": list(self.wakes)}
        return value | plain | {"procedure": self.procedure.to_json()}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Build a run from its JSON form. Raises ValueError, KeyError, TypeError for one that is none."""
        fields = dict(value)
        fields["state"] = RunState(fields["state"])
        fields["attempts"] = tuple(Attempt(**entry) for entry in fields["attempts"])
        fields["wakes"] = tuple(fields.get("wakes", ()))
        if fields.get("approval") is not None:
            fields["approval"] = Approval(fields["approval"])
        if "code" in fields:  # a journal of before code versions has none
            fields["code"] = RunCode(**fields["code"])
        if "procedure" in fields:  # one of before procedures has none
            fields["procedure"] = Procedure.from_json(fields["procedure"])
        run = cls(**fields)
        if run.state is RunState.REPAIRING and run.procedure.trouble is None:
            raise ValueError("a run under repair for nothing")
        return run
