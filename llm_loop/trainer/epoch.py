"""One epoch: the steps on its images, and the evaluation after them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from llm_loop.trainer.batches import Batch, cut, optimizer_steps
from llm_loop.trainer.choices import Task
from llm_loop.trainer.evaluate import NotFiniteError, at_once, predict
from llm_loop.trainer.failures import DataError, NonFiniteLossError
from llm_loop.trainer.fit_state import FitState
from llm_loop.trainer.losses.targets import targets_of
from llm_loop.trainer.mixing import mixed
from llm_loop.trainer.networks.batch_norm import reestimate_batch_norm
from llm_loop.trainer.networks.model import Model
from llm_loop.trainer.optimization import rate_factor, scale_gradients, set_rate
from llm_loop.trainer.scoring.predictions import Predictions
from llm_loop.trainer.scoring.score import score
from llm_loop.trainer.settings import Settings

_LOSS_CHECK_BATCHES = 25  # reading the loss waits for a GPU, so not every step does


def train_epoch(
    run: FitState, epoch: int, on_step: Callable[[int, int, int], None] | None = None
) -> tuple[float, bool]:
    """Train on an epoch's images; return the mean loss, and whether the epoch came to its end.

    Raises NonFiniteLossError.
    """
    run.watch.lap("other")
    run.model.train()
    training = run.settings.training
    order = torch.from_numpy(run.sampler.order(run.draws))
    parts = cut(order, training.batch_size)
    steps = optimizer_steps(parts, training.accumulate_steps)
    check_each = max(1, _LOSS_CHECK_BATCHES // training.accumulate_steps)
    total, seen = torch.zeros((), device=run.device), 0
    with closing(run.train.batches(parts)) as batches:
        for number, rows in enumerate(steps, start=1):
            progress = run.step / (len(steps) * training.epochs)
            set_rate(run.optimizer, run.settings.optimizer.learning_rate * rate_factor(run.settings.schedule, progress))
            loss, images = _train_step(run, epoch, islice(batches, len(rows)), sum(map(len, rows)))
            total += loss
            seen += images
            run.step += 1
            run.keep_pace()
            if on_step is not None:
                on_step(epoch, number, len(steps))
            whole = seen == len(order)
            ends_now = whole or run.shall_end()
            if ends_now or number % check_each == 0:
                _check_finite("the training loss", total.item(), epoch, run.settings)
            if ends_now:
                return total.item() / seen, whole
    raise AssertionError("an epoch has at least one step")


def _train_step(run: FitState, epoch: int, batches: Iterator[Batch], wanted: int) -> tuple[Tensor, int]:
    """Take one optimizer step on ``batches`` of ``wanted`` images; return the sum of their losses, and their number.

    Its gradient is that of the mean over all images of the batches. When the training shall end, the batches still to
    come are left out.
    """
    total, seen = torch.zeros((), device=run.device), 0
    run.optimizer.zero_grad()
    for batch in batches:
        loss = _losses(run, epoch, batch).mean()
        part = loss * (len(batch.rows) / wanted)
        (part if run.scaler is None else run.scaler.scale(part)).backward()
        total += loss.detach() * len(batch.rows)
        seen += len(batch.rows)
        run.watch.lap("backward")
        if seen < wanted and run.shall_end():
            scale_gradients(run.model, wanted / seen)
            break
    _optimize(run)
    return total, seen


def _optimize(run: FitState) -> None:
    if run.scaler is not None:
        run.scaler.unscale_(run.optimizer)
    if run.settings.training.gradient_clip:
        torch.nn.utils.clip_grad_norm_(run.model.parameters(), run.settings.training.gradient_clip)
    if run.scaler is None:
        run.optimizer.step()
    else:
        run.scaler.step(run.optimizer)
        run.scaler.update()
    if run.average is not None:
        run.average.take()
    run.watch.lap("optimizer")


def _losses(run: FitState, epoch: int, batch: Batch) -> Tensor:
    """Return the loss of each image of a batch, changed and mixed as the settings say."""
    settings = run.settings
    run.watch.lap("data")
    masks = None if batch.masks is None else batch.masks[:, None].float()
    images, masks = run.augment(run.model.normalise(batch.images), masks)
    targets = targets_of(
        _labels(settings.task, batch.labels, masks),
        masks,
        task=settings.task,
        classes=run.classes,
        smoothing=settings.training.label_smoothing,
    )
    images, targets = mixed(images, targets, settings.augmentation, run.draws)
    if run.channels_last:
        images = images.contiguous(memory_format=torch.channels_last)
    run.watch.lap("augmentation")
    with run.arithmetic.autocast():
        outputs = run.model.outputs(images)
    losses = run.loss.per_image(outputs, targets, epoch)
    run.sampler.note(batch.rows, losses)
    run.watch.lap("forward")
    return losses


def _labels(task: Task, labels: Tensor, masks: Tensor | None) -> Tensor:
    """Return labels after augmentation: what was moved out of the image is not there any more."""
    if task is not Task.DUAL_HEAD or masks is None:
        return labels
    return (masks.flatten(1).amax(dim=1) > 0).to(labels.dtype)


def evaluate_epoch(run: FitState, epoch: int) -> tuple[dict[str, float | None], Predictions]:
    """Return the scores of the validation images by name, and the predictions. Raises NonFiniteLossError, DataError."""
    settings = run.settings
    if run.average is not None:
        run.average.take_statistics()
    model = run.evaluated
    if settings.model.reestimate_batch_norm:
        _reestimate(run, model, epoch)
    size = at_once(settings.training.batch_size, settings.data.image_size or 1)
    try:
        predictions = predict(
            model,
            run.val,
            task=settings.task,
            tta=settings.evaluation.tta,
            arithmetic=run.arithmetic,
            at_once=size,
        )
    except NotFiniteError as error:
        raise _not_finite("the prediction for the validation images", epoch, settings) from error
    scores = score(predictions, run.truth, task=settings.task, classes=run.classes, evaluation=settings.evaluation)
    value = scores[settings.selection.metric.value]
    if value is None:
        raise DataError(f"selection.metric {settings.selection.metric}: it is not defined for these validation images")
    _check_finite("the validation loss", value, epoch, settings)
    run.watch.lap("evaluation")
    return {name: value for name, value in scores.items() if name != "threshold" or value is not None}, predictions


def _reestimate(run: FitState, model: Model, epoch: int) -> None:
    """Take running statistics anew over training images as they are, drawn apart from the training's own order."""
    training, wanted = run.settings.training, run.settings.model.reestimate_batch_norm
    order = np.random.default_rng([run.settings.seed, epoch]).permutation(len(run.train))
    parts = cut(torch.from_numpy(order), training.batch_size)[:wanted]
    with torch.no_grad(), closing(run.train.batches(parts)) as batches:
        reestimate_batch_norm(model, (model.normalise(batch.images) for batch in batches))


def _check_finite(what: str, value: float, epoch: int, settings: Settings) -> None:
    if not np.isfinite(value):
        raise _not_finite(what, epoch, settings)


def _not_finite(what: str, epoch: int, settings: Settings) -> NonFiniteLossError:
    return NonFiniteLossError(what, epoch, settings.optimizer.learning_rate)
