"""Record: from how an attempt ended, and what it left behind, to what became of the run.

A run is completed only when a fresh result of its own says so: ``result.json`` in its folder, or rows
of the selection metric from ``metrics.jsonl``, a foreign ``metrics.json`` written since the launch, or
printed lines. A good exit code alone is no success, and a bad one is no success either.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_loop.contract.outside_file import open_outside, read_outside, tail_outside
from llm_loop.contract.result import Direction, Result, higher_is_better
from llm_loop.contract.run import RunState
from llm_loop.contract.stop_reasons import CANCELLED, DIVERGED, FAULTS, NAN, PATTERN, SHUTDOWN
from llm_loop.errors import ContractError, CorruptFileError
from llm_loop.runs.progress import Row, best_row, finite, rows_of_file, rows_of_metrics_json
from llm_loop.system import files
from llm_loop.system.processes import EndCause, Ending

FOREIGN_MARK = "metrics_before.json"
MAX_RESULT_BYTES = 1_000_000
_TAIL_BYTES = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Hold where an attempt's result may lie and by what it is judged."""

    folder: Path
    stdout: Path
    stderr: Path
    metrics_json: Path | None
    metric: str
    direction: Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Hold what became of a run. ``try_again``: nothing was wrong with it, the next attempt is due."""

    state: RunState
    cause: str | None = None
    detail: str | None = None
    result: Result | None = None
    metrics: dict[str, float] | None = None
    try_again: bool = False


def record(ending: Ending, stop_reason: str | None, evidence: Evidence) -> Outcome:
    """Return the outcome of an attempt that ended.

    ``stop_reason`` is why the loop asked it to end, or None.
    """
    if (stop_reason or "").startswith(CANCELLED):  # what it left stays in its folder, and ranks nowhere
        return Outcome(state=RunState.CANCELLED, cause=stop_reason, detail=ending.detail)
    if ending.cause in (EndCause.START_FAILED, EndCause.KEEPER_ERROR):
        return Outcome(state=RunState.FAILED, cause=ending.cause.value, detail=ending.detail)
    was_cut = ending.cause in (EndCause.LOST, EndCause.VOID, EndCause.INTERRUPTED)
    cut_short = stop_reason == SHUTDOWN or (was_cut and stop_reason is None)  # one that was to end does not come back
    stopped = cut_short or was_cut or ending.cause in (EndCause.STOPPED, EndCause.DEADLINE)
    try:
        result, metrics = _result(evidence, stopped=stopped)
    except ContractError as error:
        return Outcome(state=RunState.FAILED, cause="invalid_result", detail="; ".join(error.violations))
    if stopped and result is not None and not result.stopped_early:  # it had finished all the same
        return Outcome(state=RunState.COMPLETED, result=result, metrics=metrics)
    if cut_short:
        return Outcome(state=RunState.INTERRUPTED, cause=ending.cause.value, detail=ending.detail, try_again=True)
    if stopped:
        return _after_a_stop(ending, stop_reason, result, metrics)
    if ending.cause is EndCause.SIGNALLED or ending.exit_code != 0:
        words = _last_words(evidence) or ending.detail
        return Outcome(state=RunState.FAILED, cause=_cause_of_failure(ending, evidence), detail=words)
    if result is None:
        return Outcome(state=RunState.FAILED, cause=_cause_without_result(evidence), detail=_no_result_words(evidence))
    return Outcome(state=RunState.COMPLETED, result=result, metrics=metrics)


def _after_a_stop(
    ending: Ending, stop_reason: str | None, result: Result | None, metrics: dict[str, float] | None
) -> Outcome:
    cause = stop_reason or ("max_run_seconds" if ending.cause is EndCause.DEADLINE else "stop_file")
    if result is not None and not cause.startswith(PATTERN) and not _only_got_worse(cause, result):
        return Outcome(state=RunState.COMPLETED, cause=cause, result=result, metrics=metrics)
    failed = cause.startswith(FAULTS) or ending.cause is EndCause.DEADLINE
    return Outcome(state=RunState.FAILED if failed else RunState.CANCELLED, cause=cause, detail=ending.detail)


def _only_got_worse(cause: str, result: Result) -> bool:
    """Tell whether a run that broke down has nothing to show but its beginning: it may be mended and tried again."""
    return cause in (NAN, DIVERGED) and result.best_epoch is not None and result.best_epoch <= 1


def _result(evidence: Evidence, *, stopped: bool) -> tuple[Result | None, dict[str, float] | None]:
    rows = _rows(evidence)
    try:
        value = _read_result(evidence.folder / "result.json")
    except FileNotFoundError:
        return _result_of_rows(rows, evidence, stopped=stopped)
    result = Result.from_json(value)
    if (result.metric, result.direction) != (evidence.metric, evidence.direction):
        wanted = f"{evidence.metric} ({evidence.direction.value})"
        raise ContractError(
            "result.json", [f"metric: {result.metric} ({result.direction.value}), the loop selects by {wanted}"]
        )
    row = next((row for row in rows if row.get("epoch") == result.best_epoch), None)
    return result, _metrics_of(row) or {result.metric: result.value}


def _read_result(path: Path) -> Any:
    """Return the value of a ``result.json``; one that another process holds is waited for, about a second on Windows.

    Raises FileNotFoundError, ContractError.
    """
    try:
        return json.loads(files.patiently(path, lambda: read_outside(path, MAX_RESULT_BYTES)).decode("utf-8-sig"))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ContractError("result.json", [f"it cannot be read: {error.strerror}"]) from error
    except (ValueError, RecursionError) as error:
        raise ContractError("result.json", [f"not JSON ({error})"]) from error


def _result_of_rows(
    rows: list[Row], evidence: Evidence, *, stopped: bool
) -> tuple[Result | None, dict[str, float] | None]:
    row = best_row(rows, evidence.metric, evidence.direction.value)
    if row is None:
        return None, None
    value = float(row[evidence.metric])
    epoch = finite(row.get("epoch"))
    result = Result(
        metric=evidence.metric,
        direction=evidence.direction,
        value=value,
        best_val_score=higher_is_better(value, evidence.direction),
        best_epoch=None if epoch is None else int(epoch),
        epochs_run=len(rows),
        stopped_early=stopped,
    )
    return result, _metrics_of(row)


def _rows(evidence: Evidence) -> list[Row]:
    """Return the first source that has rows."""
    own = rows_of_file(_let_go(evidence.folder / "metrics.jsonl")) or rows_of_metrics_json(
        _let_go(evidence.folder / "metrics.json")
    )
    if own:
        return own
    if evidence.metrics_json is not None and _is_fresh(evidence):
        foreign = rows_of_metrics_json(_let_go(evidence.metrics_json))
        if foreign:
            return foreign
    return rows_of_file(_let_go(evidence.stdout))


def _let_go(path: Path) -> Path:
    """Return ``path`` when it can be opened, or after about a second: on Windows a scanner may hold what is new."""
    with suppress(OSError):
        files.patiently(path, lambda: open_outside(path).close())
    return path


def _is_fresh(evidence: Evidence) -> bool:
    """Tell whether the foreign metrics file was written since the launch noted what was there."""
    assert evidence.metrics_json is not None
    try:
        before = files.read_json(evidence.folder / FOREIGN_MARK)
    except (OSError, CorruptFileError):
        return False
    now = files.signature(evidence.metrics_json)
    return now is not None and list(now) != before


def _metrics_of(row: Row | None) -> dict[str, float] | None:
    if row is None:
        return None
    return {key: value for key in row if str(key).startswith("val_") and (value := finite(row[key])) is not None}


def _cause_of_failure(ending: Ending, evidence: Evidence) -> str:
    if "non-finite" in _tail(evidence.stderr).lower():
        return "non_finite_metric"
    return "signalled" if ending.cause is EndCause.SIGNALLED else f"exit_code_{ending.exit_code}"


def _cause_without_result(evidence: Evidence) -> str:
    """Tell values that are not finite from no values at all."""
    return "non_finite_metric" if any(evidence.metric in row for row in _rows(evidence)) else "no_result"


def _no_result_words(evidence: Evidence) -> str:
    return f"it ended with exit code 0 but left no finite {evidence.metric}, neither in files nor printed"


def _last_words(evidence: Evidence) -> str | None:
    """Return the last line of standard error, else of standard output, without control characters."""
    for log in (evidence.stderr, evidence.stdout):
        lines = [line.strip() for line in _tail(log).splitlines() if line.strip()]
        if lines:
            return "".join(char if char.isprintable() else " " for char in lines[-1])[:300]
    return None


def _tail(log: Path) -> str:
    return tail_outside(log, _TAIL_BYTES).decode("utf-8", "replace")
