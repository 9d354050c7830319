"""Score one finished training on the sealed test rows: everything is checked first, then they are opened, once."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from llm_loop.contract.final_test import (
    MOST_BYTES,
    FinalTestResult,
    ScoreSource,
    metric_on_test,
    read_final_test,
    write_final_test,
)
from llm_loop.contract.sealed import OPENINGS, OpenedBeforeError, Opening, one_line, read_openings
from llm_loop.errors import ContractError, LoopError
from llm_loop.system import files
from llm_loop.trainer.failures import DataError
from llm_loop.trainer.finished_run import FinishedRun
from llm_loop.trainer.images.image_set import Dataset
from llm_loop.trainer.images.load import load_data
from llm_loop.trainer.outputs import BEST_MODEL
from llm_loop.trainer.predictor import Predictor
from llm_loop.trainer.prepare.sealed_set import OpenedImages, SealedSet, sealed_set_of
from llm_loop.trainer.scoring.score import Thresholds, interval_at, score, score_at

_SLACK = 0.02
"""By how much the validation score may differ that the network gives now; another device rounds otherwise."""
_MOST_WARNINGS = 5
_FLIPPED = 2
"""Validation images whose answer may turn over by that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalScoring:
    """Hold for which run, by its id, and for which one reason rows are opened; ``out`` keeps the score.

    ``until_s`` is the monotonic second by which the score has to be there, None for none.
    """

    sealed_root: Path
    run: str
    why: str
    out: Path
    until_s: float | None = None


def final_score(asked: FinalScoring, run: FinishedRun) -> FinalTestResult:
    """Return the score of a run on the sealed rows of its data; it lies in ``out`` then.

    Raises LoopError before anything was opened where the run, its data, its network or the sealed rows are broken, or
    where the rows were opened for this reason before. Where the score of that opening lies in ``out``, it is returned,
    and nothing is opened. After the opening: DataError where the rows cannot be scored.
    """
    if not one_line(asked.why):
        raise LoopError("sealed rows are opened for one named reason; none was given")
    sealed = sealed_set_of(run.settings, run.result.sealed_hash, asked.sealed_root)
    record = read_openings(asked.sealed_root)
    for line in record.broken[:_MOST_WARNINGS]:
        print(f"warning: {line}", file=sys.stderr, flush=True)
    earlier = record.for_reason(sealed.rows_sha256, asked.why)
    if earlier is not None:
        return _kept(asked, run, earlier, record.number_of(earlier))
    began_s = time.monotonic()
    torch.set_num_threads(run.settings.training.threads)
    sealed.expect_whole()
    data = load_data(run.settings)
    chosen = run.thresholds(data)
    predictor = Predictor(run.build(data), run.settings, trained_on=run.trained_on)
    _expect_same_score(run, data, predictor)
    _expect_room(asked.out)
    _expect_time(asked.until_s, spent_s=time.monotonic() - began_s)
    return _opened(asked, run, data, sealed, chosen, predictor)


def _opened(
    asked: FinalScoring, run: FinishedRun, data: Dataset, sealed: SealedSet, chosen: Thresholds, predictor: Predictor
) -> FinalTestResult:
    opened = sealed.open(data, why=asked.why, run=asked.run)
    for line in opened.skipped[:_MOST_WARNINGS]:
        print(f"warning: a test image is left out: {line}", file=sys.stderr, flush=True)
    result = _scored(asked, run, data, opened, chosen, predictor)
    write_final_test(asked.out, result)
    return result


def _scored(
    asked: FinalScoring, run: FinishedRun, data: Dataset, opened: OpenedImages, chosen: Thresholds, predictor: Predictor
) -> FinalTestResult:
    task, classes, metric = run.settings.task, len(data.classes), run.settings.selection.metric
    predictions = predictor.predict(opened.images)
    scores = score_at(chosen, predictions, opened.images, task=task, classes=classes)
    value = scores[metric.value]
    if value is None or not math.isfinite(value):
        raise DataError(f"{metric} is not defined for the sealed rows")
    return FinalTestResult(
        run_id=asked.run,
        metric=metric_on_test(metric.value),
        value=value,
        interval=interval_at(chosen, metric, predictions, opened.images, task=task, classes=classes),
        n=len(opened.images),
        metrics=_on_test(scores),
        opened_utc=opened.opening.utc,
        opening=read_openings(asked.sealed_root).number_of(opened.opening),
        sealed_hash=run.result.sealed_hash,
        source=ScoreSource.TRAINER,
    )


def _on_test(scores: Mapping[str, float | None]) -> dict[str, float | None]:
    """Return scores under the names that they have on test rows; a threshold is that of validation and keeps its."""
    return {metric_on_test(name) if name.startswith("val_") else name: value for name, value in scores.items()}


def _expect_same_score(run: FinishedRun, data: Dataset, predictor: Predictor) -> None:
    """Raise DataError unless the network scores on validation what its result told: else it is another one."""
    metric, told = run.result.metric, run.result.value
    scores = score(
        predictor.predict(data.val),
        data.val,
        task=run.settings.task,
        classes=len(data.classes),
        evaluation=run.settings.evaluation,
    )
    found = scores[metric]
    slack = max(_SLACK, _FLIPPED / len(data.val)) * max(1.0, abs(told))
    if found is None or not abs(found - told) <= slack:
        raise DataError(
            f"{run.folder / BEST_MODEL}: {metric} is {found} with these weights, the result tells {told}; they are "
            "others, and no test row was opened"
        )


def _expect_room(out: Path) -> None:
    """Raise FileWriteError where the score could not be kept: rows opened for it would be opened for nothing."""
    beside = out.with_name(f".{out.name}.begun")
    files.replace_text(beside, "x" * MOST_BYTES)
    files.remove(beside)


def _expect_time(until_s: float | None, *, spent_s: float) -> None:
    """Raise LoopError where less time is left than all the checks took: a look that is broken off is a look."""
    left_s = math.inf if until_s is None else until_s - time.monotonic()
    if left_s < spent_s:
        raise LoopError(f"{max(0.0, left_s):.0f} s are left, the checks took {spent_s:.0f} s: no test row was opened")


def _kept(asked: FinalScoring, run: FinishedRun, earlier: Opening, number: int) -> FinalTestResult:
    """Return the score that the earlier opening for this reason came to. Raises OpenedBeforeError where none lies."""
    before = OpenedBeforeError(asked.sealed_root / OPENINGS, earlier)
    try:
        kept = read_final_test(asked.out)
    except (FileNotFoundError, ContractError) as error:
        raise before from error
    told = (kept.run_id, kept.opened_utc, kept.opening, kept.sealed_hash)
    if told != (asked.run, earlier.utc, number, run.result.sealed_hash) or earlier.run != one_line(asked.run):
        raise before
    return kept
