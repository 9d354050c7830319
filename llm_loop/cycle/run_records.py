"""Where the evidence on a run lies, and the row that the history keeps of it."""

from __future__ import annotations

from pathlib import Path

from llm_loop.contract.decision import IdeaCategory
from llm_loop.contract.procedure import Failure
from llm_loop.contract.run import Run
from llm_loop.cycle.context import Context
from llm_loop.memory.history import HistoryRow
from llm_loop.stages.launch import stderr_log, stdout_log
from llm_loop.stages.observe import params_of_run
from llm_loop.stages.record import Evidence, Outcome
from llm_loop.system.clock import utc_text


def evidence_of(context: Context, run: Run) -> Evidence:
    """Return where the last attempt's result may lie and by what it is judged."""
    config, paths, attempt = context.config, context.paths, run.last_attempt
    folder = paths.attempt(run.run_id, attempt.number)
    return Evidence(
        folder=folder,
        stdout=stdout_log(paths, attempt),
        stderr=stderr_log(paths, attempt),
        metrics_json=foreign_metrics(context, run, folder),
        metric=config.selection_metric,
        direction=config.selection_direction,
    )


def foreign_metrics(context: Context, run: Run, folder: Path) -> Path | None:
    """Return where a foreign trainer leaves its metrics, or None."""
    config = context.config
    if config.metrics_path is None:
        return None
    named = config.metrics_path.replace("{run_label}", run.label).replace("{run_dir}", str(folder))
    root = config.training_repo_root if run.code.place is None else Path(run.code.place["checkout"])
    return root / named


def history_row(context: Context, run: Run, outcome: Outcome) -> HistoryRow:
    """Return the run's row; its ``seq`` is the event's, which the journal gives."""
    last = run.attempts[-1] if run.attempts else None
    return HistoryRow(
        seq=0,
        run_id=run.run_id,
        label=run.label,
        label_decided=run.label_decided,
        cycle=run.cycle,
        cycle_trace_id=run.cycle_trace_id,
        state=outcome.state.value,
        cause=outcome.cause,
        proposer=run.proposer,
        idea_category=IdeaCategory(run.decision["idea_category"]),
        started_utc=None if last is None else last.started_utc,
        ended_utc=utc_text(context.clock.utc_now()),
        run_seconds=None if last is None else last.duration_s,
        attempts=len(run.attempts),
        command=run.command,
        params=params_of_run(run),
        result=outcome.result,
        metrics=outcome.metrics,
        code_version=run.code.version,
        repository_version=run.code.repository_version,
        peak_memory_bytes=None if last is None else last.peak_memory_bytes,
        device_peak_bytes=None if last is None else last.device_peak_bytes,
        failure=_failure(run, outcome),
        cpu_seconds=None if last is None else last.cpu_s,
    )


def _failure(run: Run, outcome: Outcome) -> Failure | None:
    """Return why a run failed; None for one that has not."""
    return run.procedure.failure() or Failure() if outcome.state.is_failure else None
