"""Turn decisions of a person into runs: the same gate and the same door for code as a worker's, all of them or none.

One decision a tick: to judge one takes a few milliseconds, to make its code and the place where it runs takes jobs.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from typing import Any

from llm_loop.contract.code_change import CodeChange
from llm_loop.contract.decision import Action, Decision
from llm_loop.contract.request import Reproduces, Request
from llm_loop.contract.run import PERSON, Run, RunCode
from llm_loop.cycle.call_records import proposal_record
from llm_loop.cycle.code_jobs import CodeJobs
from llm_loop.cycle.context import Context
from llm_loop.cycle.judging import Judge
from llm_loop.cycle.staging import run_of
from llm_loop.errors import ConfigError
from llm_loop.memory.role_use import CycleUse

MOST_OPEN = 60
"""So many runs of people may be open at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """Hold the runs of a request, or ``why`` there are none."""

    runs: tuple[Run, ...] = ()
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """Hold one decision's record and the code that its run runs, or what is against it."""

    record: dict[str, Any]
    code: RunCode = field(default_factory=RunCode)
    against: tuple[str, ...] = ()


class Queueing:
    """Judge the decisions of one request after the other."""

    def __init__(self, context: Context, code_jobs: CodeJobs, judge: Judge) -> None:
        self._context = context
        self._code_jobs = code_jobs
        self._judge = judge
        self._request: Request | None = None
        self._judged: list[_Judged] = []

    def take(self, request: Request, now_s: float) -> Added | None:
        """Return what a request comes to; None while a decision of it is not judged yet."""
        decisions = request.decisions or ()
        if request is not self._request:  # another one, or its file was written anew
            self._request, self._judged = request, []
        if len(self._judged) < len(decisions):
            place = len(self._judged)
            judged = self._judge_one(decisions[place], f"{request.id}-{place + 1}", now_s, request.reproduces)
            self._judged += [] if judged is None else [judged]
        if len(self._judged) < len(decisions):
            return None
        if why := self._against(decisions):
            return Added(why=why)
        runs = self._runs()
        if request.reproduces is not None:
            runs = [replace(run, reproduces=request.reproduces.run_id) for run in runs]
        return Added(runs=tuple(runs))

    def _judge_one(self, decision: Decision, asked_by: str, now_s: float, again: Reproduces | None) -> _Judged | None:
        if decision.action is not Action.RUN_COMMAND:
            against = f"action: only run_command can be queued, not {decision.action.value}"
            return _Judged(record={}, against=(against,))
        code: CodeChange | None = None
        if again is None and self._code_jobs.wanted(decision, None):
            answer = self._code_jobs.change(decision, None, asked_by, now_s)
            if answer is None:
                return None
            if answer.why is not None:
                return _Judged(record={}, against=(answer.why,))
            code = answer.change
        try:
            verdict = self._judge.judge(decision, code)
        except ConfigError as error:
            return _Judged(record={}, against=(str(error),))
        record = proposal_record(PERSON, "primary", decision, verdict=verdict, code=code)
        if verdict.blocked:
            blocking = [issue for issue in verdict.issues if issue.blocking]
            reasons = tuple(f"{issue.code}: {issue.message}; mend: {issue.fix}" for issue in blocking)
            return _Judged(record=record, against=reasons)
        if again is not None:  # its place is found at the launch, where that version lies or is laid
            return _Judged(
                record=record, code=RunCode(version=again.version, repository_version=again.repository_version)
            )
        placed = self._code_jobs.place(record, decision, now_s)
        if placed is None:
            return None
        return _Judged(record=record, code=placed.code, against=() if placed.refused is None else (placed.refused,))

    def _against(self, decisions: tuple[Decision, ...]) -> tuple[str, ...]:
        """Return what speaks against the request, each line with the decision that it is about."""
        pairs = enumerate(zip(decisions, self._judged, strict=True), start=1)
        lines = [
            (f"decision {place} ({decision.run_label[:60]}): " if len(decisions) > 1 else "") + reason
            for place, (decision, judged) in pairs
            for reason in judged.against
        ]
        is_open = sum(run.proposer == PERSON for run in self._context.ledger.state.runs.values())
        if not lines and is_open + len(decisions) > MOST_OPEN:
            lines = [f"{is_open} runs of people are open already, and at most {MOST_OPEN} may be: add them later"]
        return tuple(lines)

    def _runs(self) -> list[Run]:
        runs: list[Run] = []
        for judged in self._judged:
            number = self._context.ledger.state.cycle + len(runs) + 1
            trace_id = f"C{number:04d}-{secrets.token_hex(4)}"
            run = run_of(
                self._context,
                judged.record,
                of_cycle={"cycle": number, "cycle_trace_id": trace_id},
                proposals=[judged.record],
                review=None,
                use=CycleUse(cycle_trace_id=trace_id),
                code=judged.code,
                beside=runs,
            )
            runs.append(run)
        return runs
