"""Fold the procedure of each run: the steps it passed, what it suffers from, what was mended and taken back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from llm_loop.contract.diagnosis import Diagnosis
from llm_loop.contract.mend import Mend, Phase
from llm_loop.contract.procedure import DoneMend, ModelRepair, Procedure, Step, StepRecord, StepState, Trouble
from llm_loop.contract.run import Run, RunState
from llm_loop.memory.journal import Event

MOST_STEPS = 64


def of_attempt_intended(run: Run) -> Procedure:
    """Return the procedure of a run whose next attempt begins."""
    return _with_step(run, Step.EXECUTE, StepState.RUNNING, attempt=len(run.attempts) + 1)


def of_attempt_ended(run: Run, event: Event) -> Procedure:
    """Return the procedure of a run whose attempt has ended."""
    steps = run.procedure.steps
    if not steps or steps[-1].state is not StepState.RUNNING:  # launched before procedures were kept
        return run.procedure
    is_good = event["cause"] == "exited" and event["exit_code"] == 0
    ended = replace(
        steps[-1],
        state=StepState.DONE if is_good else StepState.FAILED,
        seconds=event["duration_s"],
        ended_utc=event["ended_utc"],
        cause=None if is_good else event["cause"],
    )
    return replace(run.procedure, steps=(*steps[:-1], ended))


def _validated(run: Run, event: Event) -> Run:
    procedure = run.procedure
    for told in event["steps"]:
        procedure = _with_step(
            replace(run, procedure=procedure),
            Step(told["step"]),
            StepState(told["state"]),
            attempt=len(run.attempts) + 1,
            seconds=told["seconds"],
            ended_utc=event["ts_utc"],
            cause=told["cause"],
        )
    return replace(run, procedure=replace(procedure, is_checked=event["ok"]))


def _diagnosed(run: Run, event: Event) -> Run:
    """Take what a run suffers from: it gives its slot back and is under repair from now on."""
    diagnosis, phase = Diagnosis.from_json(event["diagnosis"]), Phase(event["phase"])
    procedure = run.procedure
    if phase is Phase.EXECUTION:
        procedure = _with_step(
            run,
            Step.ANALYSE,
            StepState.DONE,
            attempt=len(run.attempts),
            seconds=event["seconds"],
            ended_utc=event["ts_utc"],
            cause=diagnosis.cause.value,
        )
    trouble = Trouble(phase=phase, cause=event["cause"], detail=event["detail"], diagnosis=diagnosis)
    return _in_trouble(replace(run, procedure=procedure), trouble)


def _mend_intended(run: Run, event: Event) -> Run:
    mend = Mend.from_json(event["mend"])
    trouble = run.procedure.trouble or Trouble(phase=mend.phase)
    run = _in_trouble(run, replace(trouble, is_mending=True))
    begun = DoneMend(mend=mend, attempts=len(run.attempts))
    return replace(run, procedure=replace(run.procedure, mends=(*run.procedure.mends, begun)))


def _mend_done(run: Run, event: Event) -> Run:
    procedure = run.procedure
    trouble, last = procedure.trouble, procedure.mends[-1]
    assert trouble is not None
    done = replace(
        last,
        mend=replace(last.mend, outcome=event["outcome"]),
        ok=event["ok"],
        record=event["record"],
        account=event["account"],
    )
    procedure = replace(
        procedure,
        mends=(*procedure.mends[:-1], done),
        command=event["command"] or procedure.command,
        installs=procedure.installs if event["record"] is None else (*procedure.installs, event["record"]),
    )
    if event["ok"] and event["retry"]:  # one that was never launched may still wait for a person's word
        state = RunState.QUEUED if run.attempts else RunState.STAGED
        return replace(run, state=state, procedure=replace(procedure, trouble=None))
    return replace(run, procedure=replace(procedure, trouble=replace(trouble, is_mending=False, is_mended=event["ok"])))


def _undo_intended(run: Run, event: Event) -> Run:
    """Take that installs are to be taken back: of a run under repair, or of one that fails for ``cause`` without."""
    before = run.procedure.trouble
    trouble = before or Trouble(phase=Phase.EXECUTION, cause=event.get("cause"), detail=event.get("detail"))
    return _in_trouble(run, replace(trouble, undo=tuple(event["records"])))


def _undo_done(run: Run, event: Event) -> Run:
    """Take that an install was taken back, or that it could not be: a person was called for then."""
    procedure = run.procedure
    assert procedure.trouble is not None
    left = tuple(record for record in procedure.trouble.undo if record != event["record"])
    stand = tuple(record for record in procedure.installs if record != event["record"])
    mends = tuple(
        _taken_back(done) if done.record == event["record"] and event["ok"] else done for done in procedure.mends
    )
    trouble = replace(procedure.trouble, undo=left)
    return replace(run, procedure=replace(procedure, mends=mends, installs=stand, trouble=trouble))


def _taken_back(done: DoneMend) -> DoneMend:
    return replace(done, mend=replace(done.mend, outcome=f"{done.mend.outcome} (taken back)"))


def _model_repair(run: Run, event: Event) -> Run:
    """Take that an agent is to mend the run, or that none is asked any more."""
    trouble = run.procedure.trouble
    assert trouble is not None
    trouble = replace(trouble, model=ModelRepair(event["state"]), model_word=event["why"])
    return replace(run, procedure=replace(run.procedure, trouble=trouble))


def _in_trouble(run: Run, trouble: Trouble) -> Run:
    procedure = replace(run.procedure, is_checked=False, trouble=trouble)
    return replace(run, state=RunState.REPAIRING, procedure=procedure)


def _with_step(
    run: Run,
    step: Step,
    state: StepState,
    *,
    attempt: int,
    seconds: float | None = None,
    ended_utc: str | None = None,
    cause: str | None = None,
) -> Procedure:
    passed = StepRecord(
        step=step,
        number=run.procedure.count(step) + 1,
        attempt=attempt,
        state=state,
        seconds=seconds,
        ended_utc=ended_utc,
        cause=cause,
    )
    return replace(run.procedure, steps=(*run.procedure.steps, passed)[-MOST_STEPS:])


CHANGES: dict[str, Callable[[Run, Event], Run]] = {
    "validated": _validated,
    "diagnosed": _diagnosed,
    "mend_intended": _mend_intended,
    "mend_done": _mend_done,
    "undo_intended": _undo_intended,
    "undo_done": _undo_done,
    "model_repair": _model_repair,
}
"""What each kind of event changes in the run that it names."""
