"""The runs whose cycle is not closed, from ``state.json`` and the heartbeat."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.run import Approval, Run, RunState
from llm_loop.memory.queue import approval_words
from llm_loop.memory.state import LoopState, load
from llm_loop.views.condition import DaemonStatus
from llm_loop.views.decisions import LABEL_CHARACTERS, mentor_word
from llm_loop.views.devices_status import reason_to_wait
from llm_loop.views.procedure_status import mends_of, steps_of
from llm_loop.views.snapshot import RunStatus, WaitingRun
from llm_loop.views.untrusted import clean, dict_of, list_of, number_of, text_of, whole_of

_WAITING = (RunState.QUEUED, RunState.STAGED, RunState.INTERRUPTED, RunState.REPAIRING)


def read_state(path: Path) -> LoopState | None:
    """Return the state of ``state.json``, checked as far as it is shown.

    Raises CorruptFileError, TypeError or ValueError when it is no such state.
    """
    loop = load(path)
    for run in () if loop is None else loop.runs.values():
        texts = (run.run_id, run.label, run.cycle_trace_id, run.proposer, *(one.log_tag for one in run.attempts))
        numbers = (run.cycle, *(one.number for one in run.attempts))
        if not all(isinstance(text, str) for text in texts) or not all(isinstance(number, int) for number in numbers):
            raise ValueError(f"the run {run.run_id!r} is not as the loop writes runs")
    return loop


def runs_in_slots(
    loop: LoopState, beat: dict[str, Any], daemon: DaemonStatus, paths: WorkspacePaths
) -> tuple[RunStatus, ...]:
    """Return the runs in a slot with their progress as the heartbeat ``beat`` tells it."""
    progress = dict_of(beat.get("runs"))
    runs = [run for run in loop.in_state(RunState.RUNNING) if run.attempts]
    return tuple(_run(run, dict_of(progress.get(run.run_id)), daemon, paths) for run in runs)


def runs_that_wait(loop: LoopState, beat: dict[str, Any], daemon: DaemonStatus) -> tuple[WaitingRun, ...]:
    """Return the runs that wait for a slot, and what for, as the heartbeat ``beat`` tells it."""
    return tuple(_waiting(run, _waits_for(run, beat, daemon)) for run in loop.in_state(*_WAITING))


def _waits_for(run: Run, beat: dict[str, Any], daemon: DaemonStatus) -> str | None:
    """Return what a run waits for: a living daemon's word, else what its own state says."""
    if not daemon.lives and run.state is RunState.STAGED and run.approval is Approval.WAITING:
        return approval_words(clean(run.run_id, 40))
    if not daemon.lives and run.state is RunState.REPAIRING:
        return "under repair: the next start goes on with it"
    return reason_to_wait(beat, daemon, run.run_id)


def _run(run: Run, progress: dict[str, Any], daemon: DaemonStatus, paths: WorkspacePaths) -> RunStatus:
    attempt = run.last_attempt
    folder = paths.attempt(run.run_id, attempt.number)
    since_beat_s = daemon.silent_s or 0.0
    times = progress if daemon.lives else {}
    age_s, silent_s, eta_s = (number_of(times.get(name)) for name in ("age_s", "silent_s", "eta_s"))
    return RunStatus(
        run_id=clean(run.run_id, 40),
        label=clean(run.label, LABEL_CHARACTERS),
        state=run.state.value,
        cycle=run.cycle,
        idea_category=text_of(dict_of(run.decision).get("idea_category"), 40),
        attempt=attempt.number,
        device=text_of(attempt.device, 80),
        pid=whole_of(attempt.pid),
        started_utc=text_of(attempt.started_utc, 40),
        run_dir=str(folder),
        stdout_log=str(paths.logs / f"{attempt.log_tag}.stdout.log"),
        stderr_log=str(paths.logs / f"{attempt.log_tag}.stderr.log"),
        stop_reason=text_of(run.stop_reason),
        ended_unrecorded=not daemon.lives and (folder / "exit.json").exists(),
        epoch=whole_of(progress.get("epoch")),
        epochs=whole_of(progress.get("epochs")),
        loss=number_of(progress.get("loss")),
        value=number_of(progress.get("value")),
        best=number_of(progress.get("best")),
        curve=tuple(value for one in list_of(progress.get("curve")) if (value := number_of(one)) is not None),
        age_s=None if age_s is None else round(age_s + since_beat_s, 1),
        silent_s=None if silent_s is None else round(silent_s + since_beat_s, 1),
        eta_s=None if eta_s is None else round(max(0.0, eta_s - since_beat_s), 1),
        steps=steps_of(run.procedure),
        mends=mends_of(run.procedure),
    )


def _waiting(run: Run, waits_for: str | None) -> WaitingRun:
    decision = dict_of(run.decision)
    return WaitingRun(
        run_id=clean(run.run_id, 40),
        label=clean(run.label, LABEL_CHARACTERS),
        state=run.state.value,
        cycle=run.cycle,
        idea_category=text_of(decision.get("idea_category"), 40),
        proposer=text_of(run.proposer, 40),
        builds_on=tuple(text for one in list_of(decision.get("builds_on")) if (text := text_of(one, 40))),
        mentor=mentor_word(dict_of(run.cycle_record).get("review")),
        approval=None if run.approval is None else run.approval.value,
        waits_for=waits_for,
        steps=steps_of(run.procedure),
        mends=mends_of(run.procedure),
    )
