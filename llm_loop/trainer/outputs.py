"""The files of a run folder. ``result.json`` comes last: its presence says that the run is complete."""

from __future__ import annotations

import errno
import io
import os
import platform
from pathlib import Path
from typing import Any

import torch

from llm_loop import __version__
from llm_loop.contract.result import Result, higher_is_better
from llm_loop.contract.run import CHECKPOINT
from llm_loop.system import files
from llm_loop.system.folders import never_make_anew
from llm_loop.trainer import settings_file, torchvision_guard
from llm_loop.trainer.choices import Precision
from llm_loop.trainer.fit import FitReport
from llm_loop.trainer.images.image_set import Dataset
from llm_loop.trainer.settings import Settings

METRICS_LINES = "metrics.jsonl"
METRICS = "metrics.json"
BEST_MODEL = "best_model.pt"
RESULT = "result.json"
SETTINGS = "resolved_config.yaml"
ENVIRONMENT = "environment.json"
PREDICTIONS = "predictions.npz"
CURVES = "curves.png"
SHEET = "predictions.png"
_ALL = (RESULT, METRICS, METRICS_LINES, PREDICTIONS, BEST_MODEL, CHECKPOINT, SETTINGS, ENVIRONMENT, CURVES, SHEET)


class RunFolder:
    """Write what a training leaves behind.

    Raises FileWriteError when a file cannot be written, OSError when the folder cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def expect_place(self) -> None:
        """Raise the OSError of ``clear`` where a file stands in the folder's way; touch nothing."""
        if self._folder.is_dir():
            return
        if self._folder.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(self._folder))
        above = next((place for place in self._folder.parents if place.exists()), None)
        if above is not None and not above.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(self._folder))

    def clear(self) -> None:
        """Make the folder and remove the outputs of an earlier training in it, the result first."""
        self._folder.mkdir(parents=True, exist_ok=True)
        never_make_anew(self._folder)
        for name in _ALL:
            files.remove(self._folder / name)

    def write_settings(self, settings: Settings) -> None:
        """Save the settings whole; the file can be given to ``--config`` again."""
        files.replace_text(self._folder / SETTINGS, settings_file.to_yaml(settings))

    def write_environment(self, facts: dict[str, Any]) -> None:
        """Save what the run ran on."""
        files.replace_json(self._folder / ENVIRONMENT, facts)

    def add_epoch(self, row: dict[str, Any]) -> None:
        """Append one whole line; readers may follow it."""
        files.append_line(self._folder / METRICS_LINES, files.json_text(row), durable=False)

    def save_best(self, state: dict[str, Any]) -> None:
        """Replace the weights of the best epoch so far."""
        weights = io.BytesIO()  # torch's own writer hides what the disk says
        torch.save(state, weights)
        files.replace_bytes(self._folder / BEST_MODEL, weights.getbuffer(), durable=False)

    def write_metrics(self, report: FitReport, settings: Settings) -> None:
        """Save all epochs in one file."""
        metric = settings.selection.metric
        value = {
            "history": list(report.rows),
            "best_epoch": report.best_epoch,
            "best_val_score": higher_is_better(report.best_value, metric.direction),
            "selection_metric": metric.value,
            "selection_direction": metric.direction.value,
        }
        files.replace_json(self._folder / METRICS, value)

    def write_bytes(self, name: str, data: bytes) -> None:
        """Save a file of another kind, such as PREDICTIONS or a picture."""
        files.replace_bytes(self._folder / name, data)

    def write_result(self, result: Result) -> None:
        """Save the result."""
        files.replace_json(self._folder / RESULT, result.to_json())


def make_result(
    report: FitReport, settings: Settings, data: Dataset, interval: tuple[float, float] | None, run_seconds: float
) -> Result:
    """Return the result of a training in the form of the result contract."""
    metric, training = settings.selection.metric, settings.training
    return Result(
        metric=metric.value,
        direction=metric.direction,
        value=report.best_value,
        best_val_score=higher_is_better(report.best_value, metric.direction),
        best_epoch=report.best_epoch,
        epochs_run=len(report.rows),
        n=len(data.val),
        seed=settings.seed,
        budget={
            "epochs": training.epochs,
            "max_minutes": training.max_minutes,
            "threads": training.threads,
            "train_images": len(data.train),
        },
        params=settings_file.flatten(settings_file.to_mapping(settings)),
        stopped_early=report.stopped_early,
        trainer_version=__version__,
        data_hash=data.data_hash,
        sealed_hash=None if data.sealed is None else data.sealed["hash"],
        interval=interval,
        model=settings.model.name,
        run_seconds=round(run_seconds, 3),
    )


def environment(
    device: torch.device, precision: Precision, settings: Settings, data: Dataset, resumed_after: int | None
) -> dict[str, Any]:
    """Return versions, device, threads and data facts; nothing of the process environment.

    ``precision`` is the arithmetic that was chosen, ``resumed_after`` the epoch after which an earlier attempt was
    gone on with, or None.
    """
    cuda = device.type == "cuda"
    return {
        "trainer_version": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "torch": torch.__version__,
        "torchvision_guard": torchvision_guard.answer(),
        "device": str(device),
        "device_name": torch.cuda.get_device_name(device) if cuda else platform.processor() or platform.machine(),
        "cuda": torch.version.cuda if cuda else None,
        "precision": precision.value,
        "threads": torch.get_num_threads(),
        "host_cpus": os.cpu_count(),
        "effective_batch_size": settings.training.effective_batch_size,
        "resumed_after_epoch": resumed_after,
        "data": data.summary(),
    }
