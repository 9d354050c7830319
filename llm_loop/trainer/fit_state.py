"""The moving parts of a training, and how they are put away and taken up again."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from llm_loop.trainer.augmentation import Augmentation
from llm_loop.trainer.checkpoint import Checkpoint
from llm_loop.trainer.image_set import Dataset
from llm_loop.trainer.metrics import Floats
from llm_loop.trainer.models import Classifier
from llm_loop.trainer.optimization import make_optimizer
from llm_loop.trainer.settings import Settings
from llm_loop.trainer.settings_file import flatten, to_mapping
from llm_loop.trainer.stop_request import StopRequest


@dataclass(kw_only=True)
class Best:
    """Hold the best epoch so far: its number (0 for none yet), value and validation logits."""

    epoch: int = 0
    value: float = float("nan")
    logits: Floats = field(default_factory=lambda: np.empty(0))


@dataclass(kw_only=True)
class FitState:
    """Hold the moving parts; ``began`` is the monotonic second at which it would have begun unbroken."""

    model: Classifier
    settings: Settings
    images: Tensor
    labels: Tensor
    classes: int
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    augment: Augmentation
    draws: np.random.Generator
    stop: StopRequest
    data_hash: str
    began: float
    step: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    best: Best = field(default_factory=Best)
    best_model: dict[str, Any] = field(default_factory=dict)

    def time_is_up(self) -> bool:
        """Tell whether the time budget is spent."""
        minutes = self.settings.training.max_minutes
        return minutes is not None and time.monotonic() - self.began >= 60 * minutes

    def keep_best_model(self) -> None:
        """Keep a copy of the weights as they are: later checkpoints want those of the best epoch too."""
        state = self.model.state_dict()
        self.best_model = {name: value.detach().to("cpu", copy=True) for name, value in state.items()}

    def checkpoint(self) -> Checkpoint:
        """Return all that is needed to go on from here, the end of an epoch."""
        is_best = self.best.epoch == len(self.rows)
        cuda = torch.cuda.get_rng_state_all() if self.images.is_cuda else []
        return Checkpoint(
            params=flatten(to_mapping(self.settings)),
            data_hash=self.data_hash,
            step=self.step,
            spent_s=time.monotonic() - self.began,
            rows=self.rows,
            best_epoch=self.best.epoch,
            best_value=self.best.value,
            best_logits=torch.from_numpy(self.best.logits),
            model=self.model.state_dict(),
            best_model=None if is_best else self.best_model,
            optimizer=self.optimizer.state_dict(),
            generators={"augmentation": self.generator.get_state(), "torch": torch.get_rng_state(), "cuda": cuda},
            shuffling=json.dumps(self.draws.bit_generator.state),  # as text: its numbers have 128 bits
        )

    def go_on(self, checkpoint: Checkpoint) -> None:
        """Put everything to where the checkpoint was taken."""
        self.model.load_state_dict(checkpoint.model)
        self.optimizer.load_state_dict(checkpoint.optimizer)
        self.generator.set_state(checkpoint.generators["augmentation"])
        torch.set_rng_state(checkpoint.generators["torch"])
        if self.images.is_cuda and checkpoint.generators["cuda"]:
            torch.cuda.set_rng_state_all(checkpoint.generators["cuda"])
        self.draws.bit_generator.state = json.loads(checkpoint.shuffling)
        self.began = time.monotonic() - checkpoint.spent_s
        self.step, self.rows = checkpoint.step, list(checkpoint.rows)
        self.best_model = checkpoint.model if checkpoint.best_model is None else checkpoint.best_model
        self.best = Best(
            epoch=checkpoint.best_epoch, value=checkpoint.best_value, logits=checkpoint.best_logits.numpy()
        )


def start(model: Classifier, data: Dataset, settings: Settings, device: torch.device, stop: StopRequest) -> FitState:
    """Return a training before its first step: seeded, the images on the device."""
    generator = torch.Generator(device=device).manual_seed(settings.seed)
    return FitState(
        model=model,
        settings=settings,
        images=torch.from_numpy(data.train.images).to(device),
        labels=torch.from_numpy(data.train.labels).to(device),
        classes=len(data.classes),
        optimizer=make_optimizer(model, settings.optimizer),
        generator=generator,
        augment=Augmentation(settings.augmentation, generator),
        draws=np.random.default_rng(settings.seed),
        stop=stop,
        data_hash=data.data_hash,
        began=time.monotonic(),
    )
