"""A training that is over, taken up from the files of its folder, to predict with its network once more."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import torch

from llm_loop.contract.result import Result
from llm_loop.errors import ContractError, CorruptFileError
from llm_loop.system import files
from llm_loop.trainer import settings_file
from llm_loop.trainer.failures import DataError, is_of_host_memory
from llm_loop.trainer.images.image_set import Dataset
from llm_loop.trainer.networks.build import build_model
from llm_loop.trainer.networks.model import Model
from llm_loop.trainer.outputs import BEST_MODEL, ENVIRONMENT, PREDICTIONS, RESULT, SETTINGS
from llm_loop.trainer.saved_predictions import SavedPredictions, truth_hash
from llm_loop.trainer.scoring.score import Thresholds, score, thresholds_for_others
from llm_loop.trainer.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRun:
    """Hold the settings, the result and the validation predictions of a training's best epoch.

    ``trained_on`` is its device as its folder tells, such as "cuda", None where it does not.
    """

    folder: Path
    settings: Settings
    result: Result
    saved: SavedPredictions
    trained_on: str | None = None

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a folder that a training left.

        Raises ConfigError, and DataError when a file is missing or is none of this trainer's.
        """
        if not (folder / SETTINGS).is_file():
            raise DataError(f"{folder}: no {SETTINGS}: no training of the shipped trainer has ended here")
        settings = settings_file.load(folder / SETTINGS)
        result = _result(folder / RESULT)
        if result.metric != settings.selection.metric.value:
            raise DataError(f"{folder}: {RESULT} tells of {result.metric}, {SETTINGS} of {settings.selection.metric}")
        now = settings_file.flatten(settings_file.to_mapping(settings))
        other = sorted(key for key, value in (result.params or {}).items() if now.get(key) != value)
        if other or not result.params:
            raise DataError(
                f"{folder}: {SETTINGS} is not what {RESULT} was trained with: {', '.join(other[:3]) or 'all'}"
            )
        return cls(
            folder=folder,
            settings=settings,
            result=result,
            saved=SavedPredictions.load(folder / PREDICTIONS),
            trained_on=_device(folder / ENVIRONMENT),
        )

    def thresholds(self, data: Dataset) -> Thresholds:
        """Return the thresholds that follow from its validation predictions, chosen anew from them.

        Raises DataError where ``data`` is not what it was trained on, or the predictions are not those behind its
        result and its saved thresholds: then nothing of it can be trusted.
        """
        if data.data_hash != self.result.data_hash or truth_hash(data.val) != self.saved.truth_hash:
            raise DataError(f"{self.folder}: {self.settings.data.source} has other images now than it was trained on")
        task, classes, evaluation = self.settings.task, len(data.classes), self.settings.evaluation
        predictions = self.saved.predictions
        scores = score(predictions, data.val, task=task, classes=classes, evaluation=evaluation)
        told = (self.result.value, self.saved.threshold, self.saved.presence_threshold)
        if told != (scores[self.result.metric], scores["threshold"], scores.get("presence_threshold")):
            raise DataError(f"{self.folder}: {RESULT} does not follow from {PREDICTIONS}; one of them was changed")
        return thresholds_for_others(predictions, data.val, task=task, classes=classes, evaluation=evaluation)

    def build(self, data: Dataset) -> Model:
        """Return its network with the weights of its best epoch, on the CPU. Raises ConfigError, DataError."""
        without = replace(self.settings.model, pretrained=False, weights_file=None)  # they are in the file below
        channels = self.settings.data.channels
        model = build_model(
            without,
            task=self.settings.task,
            channels=channels,
            classes=len(data.classes),
            image_size=data.val.images.shape[-1],
            mean=torch.zeros(channels),
            std=torch.ones(channels),
        )
        _take_weights(model, self.folder / BEST_MODEL)
        return model


def _take_weights(model: Model, path: Path) -> None:
    try:
        model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except FileNotFoundError as error:
        raise DataError(f"{path}: there are no weights") from error
    except (AttributeError, EOFError, KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        if is_of_host_memory(error):
            raise
        raise DataError(f"{path}: they are not the weights of this network ({type(error).__name__})") from error
    except pickle.UnpicklingError as error:
        raise DataError(f"{path}: it holds more than weights") from error


def _result(path: Path) -> Result:
    try:
        return Result.from_json(files.read_json(path), str(path))
    except (OSError, ContractError, CorruptFileError) as error:
        raise DataError(f"{path}: no result can be read from it: {error}") from error


def _device(path: Path) -> str | None:
    """Return the device that an environment.json tells of, for a word to people; nothing hangs on it."""
    try:
        value = files.read_json(path)
    except (OSError, CorruptFileError):
        return None
    device = value.get("device") if isinstance(value, dict) else None
    return device if isinstance(device, str) else None
