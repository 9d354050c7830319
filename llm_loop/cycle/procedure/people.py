"""Call a person for a run that nothing mends, and hold launches while nothing else can run either."""

from __future__ import annotations

import re

from llm_loop.contract.diagnosis import Diagnosis
from llm_loop.contract.mend import Flag
from llm_loop.contract.procedure import Trouble
from llm_loop.contract.run import Run, RunState
from llm_loop.cycle.calls_for_people import call_a_person, call_no_longer
from llm_loop.cycle.context import Context
from llm_loop.memory.interventions import global_reason
from llm_loop.stages.launch import stderr_log

HOLD = "needs_human"
PROBE_S = 900.0
"""So often one run is tried all the same: a driver may have come back by itself."""
UNDO = "undo"
_OF_ONE_RUN = re.compile(r"\bR\d{4,}\b|\battempt-\d+|\b0x[0-9A-Fa-f]{4,}|\b\d{4,}\b")
"""What differs between two runs that fail alike: their names, addresses in memory, process numbers, sizes."""


class PeopleDesk:
    """Know for what a person was called by runs, and whether launches wait for it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._held_for: str | None = None
        self._probe_s = 0.0

    def call(self, run: Run, trouble: Trouble, flag: Flag) -> None:
        """Call a person for a run, once a cause and subject. Raises FileWriteError."""
        diagnosis = trouble.diagnosis
        assert diagnosis is not None
        if flag.is_global:
            self._held_for = None  # the one that tried all the same met it too: the next one waits as long
        call_a_person(
            self._context.ledger,
            phase=flag.phase.value,
            cause=flag.cause.value,
            subject=_subject(run, diagnosis),
            why=f"{run.run_id} {run.label}: {flag.why}",
            attempted="; ".join([*_of_agents(run, trouble), *flag.attempted]) or None,
            failure=flag.failure,
            what_to_do=flag.what_to_do,
            is_global=flag.is_global,
            run_id=run.run_id,
            log=self._log(run),
        )

    def call_for_environment(self, run: Run, record: str, why: str) -> None:
        """Call a person for an install that could not be taken back. Raises FileWriteError."""
        call_a_person(
            self._context.ledger,
            phase=UNDO,
            cause="not_taken_back",
            subject=record,
            why=f"{run.run_id} {run.label}: what was installed for it could not be taken back",
            failure=why,
            what_to_do=f"bring the training environment to the versions that {record} names under before",
            run_id=run.run_id,
        )

    def tick(self, now_s: float) -> None:
        """Hold launches while a reason is open for which nothing else can run; let one run try now and then."""
        state, holds = self._context.ledger.state, self._context.holds
        reason = global_reason(state)
        if reason is None:
            holds.pop(HOLD, None)
            return
        if reason.id != self._held_for or (now_s >= self._probe_s and state.in_state(RunState.RUNNING)):
            self._held_for, self._probe_s = reason.id, now_s + PROBE_S
        if now_s < self._probe_s:
            holds[HOLD] = f"{reason.id}: {reason.why}: nothing starts until `llm-loop resolve {reason.id}`"
        else:
            holds.pop(HOLD, None)

    def take_back(self) -> None:
        """Close the reasons for which nothing could run: a run has completed. Raises FileWriteError."""
        ledger = self._context.ledger
        for _ in ledger.state.interventions.reasons:  # no further than there are: one may not be found by its texts
            if (reason := global_reason(ledger.state)) is None:
                return
            call_no_longer(ledger, reason.phase, reason.cause, "a run has completed since", reason.subject)

    def _log(self, run: Run) -> str | None:
        return str(stderr_log(self._context.paths, run.last_attempt)) if run.attempts else None


def _subject(run: Run, diagnosis: Diagnosis) -> str:
    """Return what a failure is about: runs that fail alike call a person once."""
    line = _OF_ONE_RUN.sub("#", diagnosis.evidence_line or "")
    return diagnosis.named("module") or diagnosis.named("model") or line or run.label


def _of_agents(run: Run, trouble: Trouble) -> list[str]:
    """Say what an agent did about the run, or that none could."""
    if run.repair_of is not None:
        return [f"this run is itself an agent's mend of {run.repair_of}"]
    return (
        []
        if trouble.model is None
        else [f"an agent was asked to mend it: {trouble.model_word or 'nothing came of it'}"]
    )
