"""What a training says on the screen; the loop reads these lines too."""

from __future__ import annotations

import sys
from typing import Any

from llm_loop.trainer.choices import Metric
from llm_loop.trainer.fit import FitReport
from llm_loop.trainer.images.image_set import Dataset
from llm_loop.trainer.networks.build import weight_count
from llm_loop.trainer.networks.model import Model
from llm_loop.trainer.settings import Settings, TrainingSettings

_NAMED_SKIPS = 20


def accumulation_line(training: TrainingSettings) -> str:
    """Return the line for the screen, such as "a step: 2 batches of 16, effective batch 32"."""
    steps, size = training.accumulate_steps, training.batch_size
    return f"a step: {steps} batches of {size}, effective batch {training.effective_batch_size}"


def epoch_line(row: dict[str, Any], selected: Metric) -> str:
    """Return the line for the screen, such as "epoch 3/20 train_loss 0.512 val_log_loss 0.401 ... (0.4 s)".

    Of masks it tells Dice and IoU, of classes log loss and accuracy, and the selection metric in any case.
    """
    of_masks = Metric.DICE.value in row
    told = (Metric.DICE, Metric.IOU) if of_masks else (Metric.LOG_LOSS, Metric.ACCURACY)
    names = ["train_loss", *(metric.value for metric in told)]
    if selected.value not in names:
        names.append(selected.value)
    values = " ".join(f"{name} {'none' if row[name] is None else format(row[name], '.3f')}" for name in names)
    return f"epoch {row['epoch']}/{row['epochs']} {values} ({row['seconds']:.1f} s)"


def tell_data(data: Dataset) -> None:
    """Print how many images there are; warn of those that were skipped."""
    sealed = f", {data.sealed['count']} sealed (not opened)" if data.sealed else ""
    say(f"images: {len(data.train)} train, {len(data.val)} validation{sealed}; {len(data.classes)} classes")
    for line in data.skipped[:_NAMED_SKIPS]:
        warn(f"skipped broken image {line}")
    if data.skipped:
        rest = " (the others are named in environment.json)" if len(data.skipped) > _NAMED_SKIPS else ""
        warn(f"{len(data.skipped)} broken image(s) skipped{rest}")
    for line in data.warnings:
        warn(line)


def tell_model(settings: Settings, model: Model, facts: dict[str, Any]) -> None:
    """Print the model and on what it is trained; ``facts`` are those of environment.json."""
    precision = "" if facts["precision"] == "fp32" else f", {facts['precision']}"
    weights = f"{weight_count(model):,} weights"
    say(f"{settings.model.name}: {weights} on {facts['device']}, threads {facts['threads']}{precision}")
    if settings.training.accumulate_steps > 1:
        say(accumulation_line(settings.training))


def tell_result(report: FitReport, settings: Settings, interval: tuple[float, float] | None) -> None:
    """Print the best epoch and its value."""
    name = settings.selection.metric.value
    spread = "" if interval is None else f" (95 % interval {interval[0]:.4f} to {interval[1]:.4f})"
    say(f"best epoch {report.best_epoch}: {name} {report.best_value:.4f}{spread}")


def say(line: str) -> None:
    """Print one line at once."""
    print(line, flush=True)


def warn(line: str) -> None:
    """Print one line of warning at once, on stderr."""
    print(f"warning: {line}", file=sys.stderr, flush=True)
