"""Predict with a finished network as its training's own evaluation did; on the CPU where the device is gone."""

from __future__ import annotations

import sys
from copy import deepcopy

import torch

from llm_loop.errors import ConfigError
from llm_loop.trainer.batches import BatchSource
from llm_loop.trainer.device import choose_device, repeatable
from llm_loop.trainer.evaluate import NotFiniteError, at_once, predict
from llm_loop.trainer.failures import DataError, is_of_host_memory
from llm_loop.trainer.fit_state import is_channels_last
from llm_loop.trainer.images.image_set import ImageSet
from llm_loop.trainer.networks.model import Model
from llm_loop.trainer.precision import Arithmetic, choose_arithmetic
from llm_loop.trainer.scoring.predictions import Predictions
from llm_loop.trainer.settings import Settings

_CPU = torch.device("cpu")


class Predictor:
    """Hold a network where its settings want it, with the same arithmetic and averaging as in its training."""

    def __init__(self, model: Model, settings: Settings, trained_on: str | None = None) -> None:
        self._spare = model  # on the CPU: from a device that is gone no weights can be had back
        self._settings = settings
        self._device: torch.device | None = None
        try:
            self._place(choose_device(settings.training.device))
        except (ConfigError, RuntimeError) as error:
            self._fall_back(error)
        else:
            if self._device == _CPU and (trained_on or "").startswith("cuda"):
                _say(f"predicts on the CPU, for there is no CUDA device; the training had {trained_on}")

    def predict(self, images: ImageSet) -> Predictions:
        """Return the predictions for ``images``, not augmented.

        A CUDA device that fails is left for the CPU, which is said on stderr. Raises DataError where the network
        predicts no finite number.
        """
        try:
            return self._predict(images)
        except RuntimeError as error:
            self._fall_back(error)
            return self._predict(images)

    def _predict(self, images: ImageSet) -> Predictions:
        settings, device = self._settings, self._device or _CPU
        try:
            with repeatable(device, strictly=settings.training.deterministic):
                return predict(
                    self._model,
                    BatchSource(images, device, resident=False, masks=False),
                    task=settings.task,
                    tta=settings.evaluation.tta,
                    arithmetic=self._arithmetic,
                    at_once=at_once(settings.training.batch_size, settings.data.image_size or 1),
                )
        except NotFiniteError as error:
            raise DataError("the network predicts no finite number") from error

    def _place(self, device: torch.device) -> None:
        self._device = device
        self._arithmetic = self._arithmetic_on(device)
        self._model = self._spare if device == _CPU else deepcopy(self._spare).to(device)
        if is_channels_last(self._settings, device):
            self._model.to(memory_format=torch.channels_last)

    def _arithmetic_on(self, device: torch.device) -> Arithmetic:
        try:
            return choose_arithmetic(self._settings.training.precision, device)
        except ConfigError as error:
            _say(f"predicts in 32 bits: {error}")
            return Arithmetic(device_type=device.type)

    def _fall_back(self, error: ConfigError | RuntimeError) -> None:
        """Go on with the CPU, unless the failure has nothing to do with a device."""
        asked = self._settings.training.device
        if self._device == _CPU or asked == "cpu" or is_of_host_memory(error):
            raise error
        _say(f"predicts on the CPU, for the device {self._device or asked} cannot be used: {error}")
        self._place(_CPU)


def _say(text: str) -> None:
    print(" ".join(text.split())[:300], file=sys.stderr, flush=True)
