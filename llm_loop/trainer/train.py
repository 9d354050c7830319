"""One training from settings to result: data, model, fit, files."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from llm_loop.errors import ConfigError
from llm_loop.trainer import outputs, stopwatch
from llm_loop.trainer.checkpoint import Checkpoint, CheckpointFile, Resume
from llm_loop.trainer.device import choose_device, repeatable
from llm_loop.trainer.failures import OutOfDeviceMemoryError
from llm_loop.trainer.fit import FitReport, fit
from llm_loop.trainer.images.image_set import Dataset, ImageSet
from llm_loop.trainer.images.load import load_data
from llm_loop.trainer.networks.build import build_model
from llm_loop.trainer.networks.model import Model
from llm_loop.trainer.precision import choose_arithmetic
from llm_loop.trainer.progress_line import ProgressLine
from llm_loop.trainer.saved_predictions import SavedPredictions, truth_hash
from llm_loop.trainer.scoring.score import interval as interval_of
from llm_loop.trainer.screen import epoch_line, say, tell_data, tell_model, tell_result
from llm_loop.trainer.settings import Settings
from llm_loop.trainer.settings_file import flatten, to_mapping
from llm_loop.trainer.stop_request import StopRequest
from llm_loop.trainer.stopwatch import Stopwatch

_STATISTICS_CHUNK = 256
_COMPILERS = ("torch._dynamo", "torch._inductor", "torch._functorch")


def train(
    settings: Settings,
    output_dir: Path,
    stop: StopRequest,
    resume: Resume | None = None,
    *,
    profile: bool = False,
) -> None:
    """Train as ``settings`` say and leave everything in ``output_dir``; ``resume`` names where to go on.

    ``profile`` tells where the time goes. Raises ConfigError, CheckpointError, DataError, NonFiniteLossError,
    OutOfDeviceMemoryError, and OSError or FileWriteError when the folder cannot be written.
    """
    started = time.monotonic()
    resumed = None if resume is None else resume.load()  # before the folder is cleared: it may lie there
    folder = outputs.RunFolder(output_dir)
    folder.clear()
    folder.write_settings(settings)
    torch.set_num_threads(settings.training.threads)
    device = choose_device(settings.training.device)
    arithmetic = choose_arithmetic(settings.training.precision, device)
    data = load_data(settings)
    tell_data(data)
    if resume is not None and resumed is not None:
        resumed = resume.fitting(resumed, flatten(to_mapping(settings)), data.data_hash)
    checkpoints = CheckpointFile(output_dir)
    watch = Stopwatch(device, on=profile)
    with _named(settings, device), repeatable(device, strictly=settings.training.deterministic):
        model = make_model(settings, data).to(device)
        resumed_after = None if resumed is None else len(resumed.rows)
        facts = outputs.environment(device, arithmetic.precision, settings, data, resumed_after)
        folder.write_environment(facts)
        tell_model(settings, model, facts)
        report = _fit(model, settings, data, device, folder, stop, checkpoints, resumed, watch)
    spent_s = time.monotonic() - started + (0.0 if resumed is None else resumed.spent_s)
    _write_all(folder, report, settings, data, facts, watch, spent_s)
    if not report.stopped_early:
        checkpoints.remove()  # nothing is left to go on with
    if report.stopped_early:
        say(f"ended early on request ({stop.asked_by})")


def make_model(settings: Settings, data: Dataset) -> Model:
    """Seed torch and build the model for these images, on the CPU. Raises ConfigError."""
    torch.manual_seed(settings.seed)
    mean, deviation = pixel_statistics(data.train)
    return build_model(
        settings.model,
        task=settings.task,
        channels=settings.data.channels,
        classes=len(data.classes),
        image_size=data.train.images.shape[-1],
        mean=mean,
        std=deviation,
    )


def pixel_statistics(images: ImageSet) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each channel over the training images; the deviation is at least 1."""
    count, total, squares = 0, np.zeros(images.images.shape[1]), np.zeros(images.images.shape[1])
    for start in range(0, len(images), _STATISTICS_CHUNK):
        part = images.images[start : start + _STATISTICS_CHUNK].astype(np.float64)
        count += part[:, 0].size
        total += part.sum(axis=(0, 2, 3))
        squares += np.square(part).sum(axis=(0, 2, 3))
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 1.0))
    return torch.tensor(mean).float(), torch.tensor(deviation).float()


def _fit(
    model: Model,
    settings: Settings,
    data: Dataset,
    device: torch.device,
    folder: outputs.RunFolder,
    stop: StopRequest,
    checkpoints: CheckpointFile,
    resumed: Checkpoint | None,
    watch: Stopwatch,
) -> FitReport:
    if resumed is not None:
        say(f"goes on after epoch {len(resumed.rows)}")
        for row in resumed.rows:
            folder.add_epoch(row)
    line = ProgressLine(sys.stdout)

    def on_step(epoch: int, step: int, steps: int) -> None:
        line.step(epoch, settings.training.epochs, step, steps)

    def on_epoch(row: dict[str, Any]) -> None:
        folder.add_epoch(row)
        line.clear()
        say(epoch_line(row, settings.selection.metric))

    return fit(
        model,
        data,
        settings,
        device,
        stop,
        on_epoch,
        folder.save_best,
        checkpoints,
        resumed,
        on_step=on_step,
        watch=watch,
    )


@contextmanager
def _named(settings: Settings, device: torch.device) -> Iterator[None]:
    """Raise the errors of this trainer in the place of torch's, where memory or a compiler is wanting."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        size = settings.data.image_size or 0
        raise OutOfDeviceMemoryError(str(device), settings.training.batch_size, size) from error
    except RuntimeError as error:
        if not (settings.training.compile and type(error).__module__.startswith(_COMPILERS)):
            raise
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"training.compile: torch cannot compile this ({reason}); set it to false") from error


def _write_all(
    folder: outputs.RunFolder,
    report: FitReport,
    settings: Settings,
    data: Dataset,
    facts: dict[str, Any],
    watch: Stopwatch,
    spent_s: float,
) -> None:
    """Write what a whole training leaves, the result last, and tell it."""
    interval = interval_of(
        settings.selection.metric,
        report.best_predictions,
        data.val,
        task=settings.task,
        classes=len(data.classes),
        threshold=report.threshold,
        presence_threshold=report.presence_threshold,
    )
    if (seconds := watch.seconds()) is not None:
        folder.write_environment(facts | {"profile_seconds": seconds})
        say(stopwatch.told(seconds))
    folder.write_metrics(report, settings)
    saved = SavedPredictions(
        predictions=report.best_predictions,
        keys=data.val.keys,
        truth_hash=truth_hash(data.val),
        threshold=report.threshold,
        presence_threshold=report.presence_threshold,
    )
    folder.write_bytes(outputs.PREDICTIONS, saved.to_bytes())
    _draw(folder, report, settings, data)
    folder.write_result(outputs.make_result(report, settings, data, interval, spent_s))
    tell_result(report, settings, interval)


def _draw(folder: outputs.RunFolder, report: FitReport, settings: Settings, data: Dataset) -> None:
    from llm_loop.trainer import pictures  # only the end of a training needs it

    folder.write_bytes(outputs.SHEET, pictures.sheet(data, report.best_predictions, report.threshold, settings.task))
    folder.write_bytes(outputs.CURVES, pictures.curves(report.rows, settings.selection.metric, report.best_epoch))
