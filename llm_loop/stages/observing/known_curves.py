"""The curves of the runs that train now and of those that ended last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from llm_loop.config import Config
from llm_loop.contract.context import Curve
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.run import Run, RunState
from llm_loop.memory.history import HistoryRow
from llm_loop.memory.state import LoopState
from llm_loop.runs.curves import read_curve

ACTIVE_RUNS = 3
LAST_RUNS = 3


def known_curves(
    paths: WorkspacePaths, state: LoopState, rows: Sequence[HistoryRow], config: Config
) -> tuple[Curve, ...]:
    """Return the curves of up to 3 running and the last 3 ended runs, the running ones first.

    Sources are ``metrics.jsonl`` of the attempt and, of a running one, its printed lines. A run that ended without
    either is known by its result alone.
    """
    running = state.in_state(RunState.RUNNING)[:ACTIVE_RUNS]
    curves = [_active(paths, run, config) for run in running if run.attempts]
    curves += [_ended(paths, row, config) for row in reversed(rows[-LAST_RUNS:])]
    return tuple(curve for curve in curves if curve is not None)


def _active(paths: WorkspacePaths, run: Run, config: Config) -> Curve | None:
    attempt = run.last_attempt
    sources = (
        paths.attempt(run.run_id, attempt.number) / "metrics.jsonl",
        paths.logs / f"{attempt.log_tag}.stdout.log",
    )
    curve = read_curve(sources, config.selection_metric, config.selection_direction)
    return None if curve is None else replace(curve, run_id=run.run_id, is_active=True)


def _ended(paths: WorkspacePaths, row: HistoryRow, config: Config) -> Curve | None:
    source = paths.attempt(row.run_id, row.attempts) / "metrics.jsonl"
    curve = read_curve((source,), config.selection_metric, config.selection_direction)
    result = row.result
    if result is None or result.metric != config.selection_metric:
        return None if curve is None else replace(curve, run_id=row.run_id)
    return replace(
        curve or Curve(run_id=row.run_id, is_active=False, epochs_seen=result.epochs_run),
        run_id=row.run_id,
        best=result.value,
        best_epoch=result.best_epoch,
        is_sampled=False,
    )
