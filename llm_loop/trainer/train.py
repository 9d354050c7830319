"""One training from settings to result: data, model, fit, files."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from llm_loop.errors import ConfigError
from llm_loop.trainer import metrics, outputs, torchvision_guard
from llm_loop.trainer.checkpoint import Checkpoint, CheckpointFile, Resume
from llm_loop.trainer.digits import load_digits
from llm_loop.trainer.failures import OutOfDeviceMemoryError
from llm_loop.trainer.fit import FitReport, fit
from llm_loop.trainer.image_folder import load_image_folder
from llm_loop.trainer.image_set import Dataset, ImageSet
from llm_loop.trainer.models import build_model
from llm_loop.trainer.settings import DataSource, Metric, Settings
from llm_loop.trainer.settings_file import flatten, to_mapping
from llm_loop.trainer.stop_request import StopRequest

_NAMED_SKIPS = 20
_STATISTICS_CHUNK = 256


def train(settings: Settings, output_dir: Path, stop: StopRequest, resume: Resume | None = None) -> None:
    """Train as ``settings`` say and leave everything in ``output_dir``; ``resume`` names where to go on.

    Raises ConfigError, CheckpointError, DataError, NonFiniteLossError, OutOfDeviceMemoryError, and OSError or
    FileWriteError when the folder cannot be written.
    """
    started = time.monotonic()
    resumed = None if resume is None else resume.load()  # before the folder is cleared: it may lie there
    folder = outputs.RunFolder(output_dir)
    folder.clear()
    folder.write_settings(settings)
    torch.set_num_threads(settings.training.threads)
    device = choose_device(settings.training.device)
    data = load_data(settings)
    _tell_data(data)
    if resume is not None and resumed is not None:
        resumed = resume.fitting(resumed, flatten(to_mapping(settings)), data.data_hash)
    checkpoints = CheckpointFile(output_dir)
    try:
        report = _fit(settings, data, device, folder, stop, checkpoints, resumed)
    except torch.OutOfMemoryError as error:
        size = settings.data.image_size or 0
        raise OutOfDeviceMemoryError(str(device), settings.training.batch_size, size) from error
    spent_s = time.monotonic() - started + (0.0 if resumed is None else resumed.spent_s)
    interval = metrics.bootstrap_interval(settings.selection.metric, report.best_logits, data.val.labels)
    folder.write_metrics(report, settings)
    folder.write_result(outputs.make_result(report, settings, data, interval, spent_s))
    if not report.stopped_early:
        checkpoints.remove()  # nothing is left to go on with
    _tell_result(report, settings, interval, stop)


def load_data(settings: Settings) -> Dataset:
    """Return the images that the settings name. Raises DataError."""
    return load_digits(settings.data) if settings.data.source is DataSource.DIGITS else load_image_folder(settings.data)


def choose_device(name: str) -> torch.device:
    """Return the device for "auto", "cpu", "cuda" or "cuda:N". Raises ConfigError when it is not there."""
    found = torch.cuda.device_count() if name != "cpu" and torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda" if found else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= found:
        raise ConfigError(
            f"training.device {name}: torch {torch.__version__} finds {found} CUDA devices; set it to auto"
        )
    return device


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
    settings: Settings,
    data: Dataset,
    device: torch.device,
    folder: outputs.RunFolder,
    stop: StopRequest,
    checkpoints: CheckpointFile,
    resumed: Checkpoint | None,
) -> FitReport:
    torch.manual_seed(settings.seed)
    mean, deviation = pixel_statistics(data.train)
    size = data.train.images.shape[-1]
    model = build_model(settings.model, settings.data.channels, len(data.classes), size, mean, deviation).to(device)
    threads = torch.get_num_threads()
    folder.write_environment(
        outputs.environment(
            device, threads, torchvision_guard.answer(), data, None if resumed is None else len(resumed.rows)
        )
    )
    weights = sum(parameter.numel() for parameter in model.parameters())
    _say(f"{settings.model.name}: {weights:,} weights on {device}, threads {threads}")

    if resumed is not None:
        _say(f"goes on after epoch {len(resumed.rows)}")
        for row in resumed.rows:
            folder.add_epoch(row)

    def on_epoch(row: dict[str, Any]) -> None:
        folder.add_epoch(row)
        _say(epoch_line(row))

    return fit(model, data, settings, device, stop, on_epoch, folder.save_best, checkpoints, resumed)


def epoch_line(row: dict[str, Any]) -> str:
    """Return the line for the screen, such as "epoch 3/20 train_loss 0.512 val_log_loss 0.401 ... (0.4 s)"."""
    names = ("train_loss", Metric.LOG_LOSS.value, Metric.ACCURACY.value)
    values = " ".join(f"{name} {row[name]:.3f}" for name in names)
    return f"epoch {row['epoch']}/{row['epochs']} {values} ({row['seconds']:.1f} s)"


def _tell_data(data: Dataset) -> None:
    sealed = f", {data.sealed['count']} sealed (not opened)" if data.sealed else ""
    _say(f"images: {len(data.train)} train, {len(data.val)} validation{sealed}; {len(data.classes)} classes")
    for line in data.skipped[:_NAMED_SKIPS]:
        _warn(f"skipped broken image {line}")
    if data.skipped:
        rest = " (the others are named in environment.json)" if len(data.skipped) > _NAMED_SKIPS else ""
        _warn(f"{len(data.skipped)} broken image(s) skipped{rest}")
    for line in data.warnings:
        _warn(line)


def _tell_result(report: FitReport, settings: Settings, interval: tuple[float, float], stop: StopRequest) -> None:
    if report.stopped_early:
        _say(f"ended early on request ({stop.asked_by})")
    low, high = interval
    name = settings.selection.metric.value
    _say(f"best epoch {report.best_epoch}: {name} {report.best_value:.4f} (95 % interval {low:.4f} to {high:.4f})")


def _say(line: str) -> None:
    print(line, flush=True)


def _warn(line: str) -> None:
    print(f"warning: {line}", file=sys.stderr, flush=True)
