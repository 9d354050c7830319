"""The training itself, from the first step to the best epoch."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from llm_loop.contract.result import Direction
from llm_loop.trainer import metrics
from llm_loop.trainer.augmentation import Augmentation
from llm_loop.trainer.failures import NonFiniteLossError
from llm_loop.trainer.image_set import Dataset
from llm_loop.trainer.losses import mix, soft_targets, training_loss
from llm_loop.trainer.metrics import Floats
from llm_loop.trainer.models import Classifier
from llm_loop.trainer.optimization import make_optimizer, rate_factor, set_rate
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


@dataclass(kw_only=True)
class _Run:
    """Hold the moving parts of a training."""

    model: Classifier
    settings: Settings
    images: Tensor
    labels: Tensor
    classes: int
    optimizer: torch.optim.Optimizer
    augment: Augmentation
    draws: np.random.Generator
    stop: StopRequest
    deadline: float
    step: int = field(default=0)

    def time_is_up(self) -> bool:
        """Tell whether the time budget is spent."""
        return time.monotonic() >= self.deadline


def fit(
    model: Classifier,
    data: Dataset,
    settings: Settings,
    device: torch.device,
    stop: StopRequest,
    on_epoch: Callable[[dict[str, Any]], None],
    on_best: Callable[[dict[str, Any]], None],
) -> FitReport:
    """Train ``model`` (already on ``device``) and evaluate it after each epoch.

    ``on_epoch`` gets each epoch's row, ``on_best`` the state dict whenever the selection metric
    improves. A stop request ends the run after the step at hand: with the epochs evaluated so far,
    or, when there is none, with an evaluation of the epoch begun. A spent time budget always
    evaluates the epoch begun. Raises NonFiniteLossError.
    """
    run = _start(model, data, settings, device, stop)
    val_images = torch.from_numpy(data.val.images)
    metric, epochs = settings.selection.metric, settings.training.epochs
    rows: list[dict[str, Any]] = []
    best_epoch, best_value, best_logits, whole = 0, float("nan"), np.empty(0), True
    for epoch in range(1, epochs + 1):
        started = time.monotonic()
        train_loss, whole = _train_epoch(run, epoch)
        if not whole and stop.asked_by and rows:
            break
        logits = predict(model, val_images, device)
        row = {"epoch": epoch, "epochs": epochs, "train_loss": train_loss, **metrics.scores(logits, data.val.labels)}
        _check_finite("the validation loss", row[Metric.LOG_LOSS.value], epoch, settings)
        row["learning_rate"] = run.optimizer.param_groups[0]["lr"]
        row["seconds"] = round(time.monotonic() - started, 4)
        rows.append(row)
        on_epoch(row)
        if not best_epoch or _better(row[metric.value], best_value, metric.direction):
            best_epoch, best_value, best_logits = epoch, row[metric.value], logits
            on_best(model.state_dict())
        if not whole or stop.asked_by or run.time_is_up():
            break
    return FitReport(
        rows=tuple(rows),
        best_epoch=best_epoch,
        best_value=best_value,
        best_logits=best_logits,
        stopped_early=stop.asked_by is not None and not (whole and len(rows) == epochs),
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


def _start(model: Classifier, data: Dataset, settings: Settings, device: torch.device, stop: StopRequest) -> _Run:
    minutes = settings.training.max_minutes
    generator = torch.Generator(device=device).manual_seed(settings.seed)
    return _Run(
        model=model,
        settings=settings,
        images=torch.from_numpy(data.train.images).to(device),
        labels=torch.from_numpy(data.train.labels).to(device),
        classes=len(data.classes),
        optimizer=make_optimizer(model, settings.optimizer),
        augment=Augmentation(settings.augmentation, generator),
        draws=np.random.default_rng(settings.seed),
        stop=stop,
        deadline=float("inf") if minutes is None else time.monotonic() + 60 * minutes,
    )


def _train_epoch(run: _Run, epoch: int) -> tuple[float, bool]:
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


def _train_step(run: _Run, rows: Tensor) -> Tensor:
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
