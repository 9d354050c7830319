"""The training itself, from the first step to the best epoch."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from llm_loop.contract.result import Direction
from llm_loop.trainer.checkpoint import Checkpoint, CheckpointFile
from llm_loop.trainer.choices import Metric
from llm_loop.trainer.epoch import evaluate_epoch, train_epoch
from llm_loop.trainer.failures import DataError
from llm_loop.trainer.fit_state import Best, FitState, start
from llm_loop.trainer.images.image_set import Dataset
from llm_loop.trainer.networks.model import Model
from llm_loop.trainer.scoring.predictions import Predictions
from llm_loop.trainer.settings import Settings
from llm_loop.trainer.stop_request import StopRequest
from llm_loop.trainer.stopwatch import Stopwatch

_OF_TWO_CLASSES = {Metric.ROC_AUC, Metric.AVERAGE_PRECISION, Metric.BEST_F1}
_NEED_POSITIVE = {Metric.AVERAGE_PRECISION, Metric.BEST_F1, Metric.DICE, Metric.DICE_POS, Metric.IOU}
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class FitReport:
    """Hold what came of a training: a row an epoch, and the validation predictions of the best epoch."""

    rows: tuple[Row, ...]
    best_epoch: int
    best_value: float
    best_predictions: Predictions
    stopped_early: bool

    @property
    def threshold(self) -> float | None:
        """Return the threshold of the best epoch: of pixels where there are masks; None where none is used."""
        return self.rows[self.best_epoch - 1].get("threshold")

    @property
    def presence_threshold(self) -> float | None:
        """Return the threshold of the best epoch from which an image counts as positive; None where none is used."""
        return self.rows[self.best_epoch - 1].get("presence_threshold")


def fit(
    model: Model,
    data: Dataset,
    settings: Settings,
    device: torch.device,
    stop: StopRequest,
    on_epoch: Callable[[Row], None],
    on_best: Callable[[dict[str, Any]], None],
    checkpoints: CheckpointFile | None = None,
    resumed: Checkpoint | None = None,
    *,
    on_step: Callable[[int, int, int], None] | None = None,
    watch: Stopwatch | None = None,
) -> FitReport:
    """Train ``model`` (already on ``device``) and evaluate it after each epoch.

    ``on_epoch`` gets each epoch's row, ``on_best`` the state dict whenever the selection metric
    improves, ``on_step`` the epoch, the step and the steps of an epoch. A stop request ends the run after the batch at
    hand: with the epochs evaluated so far, or, when there is none, with an evaluation of the epoch begun. A spent time
    budget always evaluates the epoch begun. ``checkpoints`` takes the state after each epoch; from ``resumed``, such a
    state of the same settings and images, a training goes on as if it had never been broken: on one CPU thread with
    the same numbers. Raises ConfigError, DataError, NonFiniteLossError, FileWriteError.
    """
    expect_metric(settings.selection.metric, data)
    run = start(model, data, settings, device, stop, watch)
    if resumed is not None:
        run.go_on(resumed)
        on_best(run.best_model)
    epochs, whole = settings.training.epochs, True
    for epoch in range(len(run.rows) + 1, epochs + 1):
        if run.rows and (run.time_is_up() or run.is_stale()):
            break
        started = time.monotonic()
        train_loss, whole = train_epoch(run, epoch, on_step)
        if not whole and stop.asked_by and run.rows:
            break
        scores, predictions = evaluate_epoch(run, epoch)
        row: Row = {"epoch": epoch, "epochs": epochs, "train_loss": train_loss, **scores}
        row["learning_rate"] = run.optimizer.param_groups[0]["lr"]
        row["seconds"] = round(time.monotonic() - started, 4)
        run.rows.append(row)
        on_epoch(row)
        value = row[settings.selection.metric.value]
        if _is_best(run, value):
            run.best = Best(epoch=epoch, value=value, predictions=predictions)
            on_best(run.evaluated.state_dict())
            if checkpoints is not None:
                run.keep_best_model()
        if checkpoints is not None and whole:
            checkpoints.offer(run.checkpoint, due=stop.asked_by is not None)
        run.watch.lap("files")
        if not whole or stop.asked_by:
            break
    return FitReport(
        rows=tuple(run.rows),
        best_epoch=run.best.epoch,
        best_value=run.best.value,
        best_predictions=run.best.predictions,
        stopped_early=stop.asked_by is not None and not (whole and (len(run.rows) == epochs or run.is_stale())),
    )


def expect_metric(metric: Metric, data: Dataset) -> None:
    """Raise DataError when the validation images leave the selection metric undefined."""
    if metric in _OF_TWO_CLASSES and len(data.classes) > 2 and data.val.masks is None:
        raise DataError(
            f"selection.metric {metric}: it is of two classes, these images have {len(data.classes)}\n"
            f"take {Metric.LOG_LOSS}, {Metric.ACCURACY} or {Metric.MACRO_F1}"
        )
    positive = int((data.val.labels > 0).sum())
    if metric is Metric.ROC_AUC and positive in (0, len(data.val)):
        which = "no validation image is" if positive == 0 else "every validation image is"
        raise DataError(f"selection.metric {metric}: it is not defined, {which} positive")
    if metric in _NEED_POSITIVE and positive == 0:
        raise DataError(f"selection.metric {metric}: it is not defined, no validation image is positive")


def _is_best(run: FitState, value: float) -> bool:
    if not run.best.epoch:
        return True
    least = run.settings.selection.metric.direction is Direction.MIN
    return value < run.best.value if least else value > run.best.value
