"""Runs as agents see them: ended, running and waiting, a bounded number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from llm_loop.contract.observation import KnownRun
from llm_loop.contract.procedure import Failure
from llm_loop.contract.run import Run, RunState
from llm_loop.memory.history import HistoryRow
from llm_loop.stages.observing.run_params import params_of_run


def known_run(row: HistoryRow, metric: str) -> KnownRun:
    """Return an ended run."""
    result = row.result
    return KnownRun(
        run_id=row.run_id,
        label=row.label,
        state=row.state,
        idea_category=row.idea_category.value,
        cycle=row.cycle,
        proposer=row.proposer,
        value=row.value_of(metric),
        seed=_seed(row.params) if result is None else result.seed,
        params=row.params if result is None or result.params is None else result.params,
        cause=row.cause,
        run_seconds=row.run_seconds,
        stopped_early=result is not None and result.stopped_early,
        has_own_code=None not in (row.code_version, row.repository_version)
        and row.code_version != row.repository_version,
        **_fields(row.failure),
    )


def open_run(run: Run) -> KnownRun:
    """Return a run that has not ended."""
    params = params_of_run(run)
    return KnownRun(
        run_id=run.run_id,
        label=run.label,
        state=run.state.value,
        idea_category=run.decision["idea_category"],
        cycle=run.cycle,
        proposer=run.proposer,
        seed=_seed(params),
        params=params,
        **_fields(run.procedure.failure()),
    )


def withdrawn_run(run: Run, cause: str) -> dict[str, Any]:
    """Return a run that a person cancelled or rejected before it was launched, in JSON form."""
    return asdict(open_run(run)) | {"state": RunState.CANCELLED.value, "cause": cause}


def with_withdrawn(ended: list[KnownRun], withdrawn: Sequence[dict[str, Any]]) -> tuple[KnownRun, ...]:
    """Return the ended runs and, behind those that were decided before them, the withdrawn ones."""
    runs = list(ended)
    for run in (KnownRun(**one) for one in withdrawn):
        later = next((place for place, one in enumerate(reversed(runs)) if one.cycle < run.cycle), len(runs))
        runs.insert(len(runs) - later, run)
    return tuple(runs)


def _fields(failure: Failure | None) -> dict[str, Any]:
    names = ("diagnosis", "evidence_line", "tried")
    return {} if failure is None else {name: getattr(failure, name) for name in names}


def _seed(params: dict[str, Any] | None) -> int | None:
    seed = (params or {}).get("seed")
    return seed if isinstance(seed, int) else None
