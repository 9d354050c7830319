"""The training itself, from the first step to the best epoch."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from llm_loop.contract.result import Direction
from llm_loop.trainer import metrics
from llm_loop.trainer.checkpoint import Checkpoint, CheckpointFile
from llm_loop.trainer.failures import NonFiniteLossError
from llm_loop.trainer.fit_state import Best, FitState, start
from llm_loop.trainer.image_set import Dataset
from llm_loop.trainer.losses import mix, soft_targets, training_loss
from llm_loop.trainer.metrics import Floats
from llm_loop.trainer.models import Classifier
from llm_loop.trainer.optimization import rate_factor, set_rate
from llm_loop.trainer.settings import Metric, Settings
from llm_loop.trainer.stop_request import StopRequest

_LOSS_CHECK_STEPS = 25  # reading the loss waits for a GPU, so not every step does
_EVALUATION_BATCH = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class FitReport:
    """Hold what came of a training: a row an epoch, and the validation logits of the best epoch."""

    rows: tuple[dict[str, Any], ...]
    best_epoch: int
    best_value: float
    best_logits: Floats
    stopped_early: bool


def fit(
    model: Classifier,
    data: Dataset,
    settings: Settings,
    device: torch.device,
    stop: StopRequest,
    on_epoch: Callable[[dict[str, Any]], None],
    on_best: Callable[[dict[str, Any]], None],
    checkpoints: CheckpointFile | None = None,
    resumed: Checkpoint | None = None,
) -> FitReport:
    """Train ``model`` (already on ``device``) and evaluate it after each epoch.

    ``on_epoch`` gets each epoch's row, ``on_best`` the state dict whenever the selection metric
    improves. A stop request ends the run after the step at hand: with the epochs evaluated so far,
    or, when there is none, with an evaluation of the epoch begun. A spent time budget always
    evaluates the epoch begun. ``checkpoints`` takes the state after each epoch; from ``resumed``, such a
    state of the same settings and images, a training goes on as if it had never been broken: on one CPU
    with the same numbers. Raises NonFiniteLossError, FileWriteError.
    """
    run = start(model, data, settings, device, stop)
    if resumed is not None:
        run.go_on(resumed)
        on_best(run.best_model)
    val_images = torch.from_numpy(data.val.images)
    metric, epochs, whole = settings.selection.metric, settings.training.epochs, True
    for epoch in range(len(run.rows) + 1, epochs + 1):
        if run.rows and run.time_is_up():
            break
        started = time.monotonic()
        train_loss, whole = _train_epoch(run, epoch)
        if not whole and stop.asked_by and run.rows:
            break
        logits = predict(model, val_images, device)
        row = {"epoch": epoch, "epochs": epochs, "train_loss": train_loss, **metrics.scores(logits, data.val.labels)}
        _check_finite("the validation loss", row[Metric.LOG_LOSS.value], epoch, settings)
        row["learning_rate"] = run.optimizer.param_groups[0]["lr"]
        row["seconds"] = round(time.monotonic() - started, 4)
        run.rows.append(row)
        on_epoch(row)
        if not run.best.epoch or _better(row[metric.value], run.best.value, metric.direction):
            run.best = Best(epoch=epoch, value=row[metric.value], logits=logits)
            on_best(model.state_dict())
            if checkpoints is not None:
                run.keep_best_model()
        if checkpoints is not None and whole:
            checkpoints.offer(run.checkpoint, due=stop.asked_by is not None)
        if not whole or stop.asked_by:
            break
    return FitReport(
        rows=tuple(run.rows),
        best_epoch=run.best.epoch,
        best_value=run.best.value,
        best_logits=run.best.logits,
        stopped_early=stop.asked_by is not None and not (whole and len(run.rows) == epochs),
    )


def predict(model: Classifier, images: Tensor, device: torch.device) -> Floats:
    """Return the logits (n, classes) of raw ``images`` (n, channels, height, width) in evaluation mode."""
    model.eval()
    with torch.inference_mode():
        parts = [model(batch.to(device)).double().cpu() for batch in images.split(_EVALUATION_BATCH)]
    logits: Floats = torch.cat(parts).numpy()
    return logits


def batches(order: Tensor, size: int) -> list[Tensor]:
    """Cut ``order`` into batches of ``size``; a last batch of one joins the one before.

    One image alone has no spread for batch normalisation to divide by.
    """
    parts = list(order.split(size))
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts


def _train_epoch(run: FitState, epoch: int) -> tuple[float, bool]:
    """Train on every image once; return the mean loss, and whether the epoch came to its end."""
    run.model.train()
    order = torch.from_numpy(run.draws.permutation(len(run.labels)))
    parts = batches(order, run.settings.training.batch_size)
    total, seen = torch.zeros((), device=run.images.device), 0
    for number, rows in enumerate(parts, start=1):
        progress = run.step / (len(parts) * run.settings.training.epochs)
        set_rate(run.optimizer, run.settings.optimizer.learning_rate * rate_factor(run.settings.schedule, progress))
        total += _train_step(run, rows.to(run.images.device)) * len(rows)
        seen += len(rows)
        run.step += 1
        last = number == len(parts)
        ends_now = last or run.stop.asked_by is not None or run.time_is_up()
        if ends_now or number % _LOSS_CHECK_STEPS == 0:
            _check_finite("the training loss", total.item(), epoch, run.settings)
        if ends_now:
            return total.item() / seen, last
    raise AssertionError("an epoch has at least one batch")


def _train_step(run: FitState, rows: Tensor) -> Tensor:
    """Take one optimizer step on the images ``rows``; return the loss before it."""
    training, model = run.settings.training, run.model
    images = run.augment(model.normalise(run.images[rows]))
    targets = soft_targets(run.labels[rows], run.classes, training.label_smoothing)
    if alpha := run.settings.augmentation.mixup:
        partners = torch.from_numpy(run.draws.permutation(len(rows))).to(rows.device)
        images, targets = mix(images, targets, float(run.draws.beta(alpha, alpha)), partners)
    loss = training_loss(model.network(images), targets, run.settings.loss)
    run.optimizer.zero_grad()
    loss.backward()
    if training.gradient_clip:
        torch.nn.utils.clip_grad_norm_(model.parameters(), training.gradient_clip)
    run.optimizer.step()
    return loss.detach()


def _better(value: float, best: float, direction: Direction) -> bool:
    return value < best if direction is Direction.MIN else value > best


def _check_finite(what: str, value: float, epoch: int, settings: Settings) -> None:
    if not np.isfinite(value):
        raise NonFiniteLossError(what, epoch, settings.optimizer.learning_rate)
