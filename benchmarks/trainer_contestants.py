"""The loops that ``trainer_against_lightning.py`` compares: each trains the same network on the same images.

Each gives the time of so many epochs after one to warm up, on a state that it keeps from round to round.
"""

from __future__ import annotations

import logging
import math
import time
import warnings
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

from llm_loop.trainer.choices import Task
from llm_loop.trainer.device import repeatable
from llm_loop.trainer.fit import train_epoch
from llm_loop.trainer.fit_state import start
from llm_loop.trainer.images.image_set import Dataset
from llm_loop.trainer.networks.model import Model
from llm_loop.trainer.optimization import ONE_CYCLE_END, ONE_CYCLE_START
from llm_loop.trainer.precision import choose_arithmetic
from llm_loop.trainer.settings import Settings
from llm_loop.trainer.stop_request import StopRequest
from llm_loop.trainer.torchvision_guard import ensure_torchvision

ensure_torchvision()  # Lightning imports torchvision where it finds it
import lightning  # noqa: E402

_WARM_UP = 0.3
_PRECISIONS = {None: "32-true", torch.bfloat16: "bf16-mixed", torch.float16: "16-mixed"}


class Spent(NamedTuple):
    """Hold what a round took: CPU-seconds of this process, and wall seconds."""

    cpu_s: float
    wall_s: float


class Clock:
    """Measure from ``begin`` to ``end``, all work of a CUDA device included."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def begin(self) -> None:
        """Start."""
        self._wait()
        self._cpu_s, self._wall_s = time.process_time(), time.perf_counter()

    def end(self) -> Spent:
        """Stop."""
        self._wait()
        return Spent(time.process_time() - self._cpu_s, time.perf_counter() - self._wall_s)

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


class Ours:
    """The trainer's own epoch, as a training calls it: the state of a real start, asked each step whether to stop."""

    def __init__(self, model: Model, data: Dataset, settings: Settings, device: torch.device, folder: Path) -> None:
        self._run = start(deepcopy(model).to(device), data, settings, device, StopRequest(folder))
        self.channels_last = self._run.channels_last
        self._device = device
        self._epoch = 0

    def losses(self, epochs: int) -> list[float]:
        """Train on; return the mean loss of each epoch."""
        return [self._one() for _ in range(epochs)]

    def round(self, epochs: int) -> Spent:
        """Return what so many epochs take."""
        self._one()
        clock = Clock(self._device)
        clock.begin()
        self.losses(epochs)
        return clock.end()

    def _one(self) -> float:
        self._epoch += 1
        with repeatable(self._device, strictly=False):
            return train_epoch(self._run, self._epoch, lambda epoch, step, steps: None)[0]


class Plain(nn.Module):
    """What anybody would write: raw pixels to a loss, by torch alone."""

    def __init__(self, model: Model, settings: Settings, *, channels_last: bool) -> None:
        super().__init__()
        self.network = deepcopy(model.network).train()  # Lightning leaves the mode as it is
        self._masks = settings.task is Task.SEGMENTATION
        self.register_buffer("mean", model.mean.clone())
        self.register_buffer("std", model.std.clone())
        self._format = torch.channels_last if channels_last else None
        if self._format is not None:
            self.network.to(memory_format=self._format)
        self._share = settings.loss.second_weight

    def normalised(self, pixels: Tensor) -> Tensor:
        """Return images of mean 0 and deviation 1."""
        images = (pixels.float() - self.mean) / self.std
        return images if self._format is None else images.contiguous(memory_format=self._format)

    def loss(self, logits: Tensor, truth: Tensor) -> Tensor:
        """Return cross entropy for classes; binary cross entropy and soft Dice of each image for masks."""
        if not self._masks:
            return functional.cross_entropy(logits.float(), truth)
        logits, wanted = logits.float(), truth[:, None].float()
        entropy = functional.binary_cross_entropy_with_logits(logits, wanted)
        found = logits.sigmoid()
        common = (found * wanted).sum((1, 2, 3))
        dice = 1 - (2 * common + 1) / (found.sum((1, 2, 3)) + wanted.sum((1, 2, 3)) + 1)
        return (1 - self._share) * entropy + self._share * dice.mean()


class PeerModule(lightning.LightningModule):
    """The same training as a LightningModule. It adds up its loss by itself: cheaper than ``self.log``."""

    def __init__(self, plain: Plain, settings: Settings) -> None:
        super().__init__()
        self.plain, self._settings = plain, settings
        self.epoch_losses: list[float] = []

    def on_train_epoch_start(self) -> None:
        self._total, self._seen = torch.zeros((), device=self.device), 0

    def training_step(self, batch: list[Tensor], _number: int) -> Tensor:
        pixels, truth = batch
        loss = self.plain.loss(self.plain.network(self.plain.normalised(pixels)), truth)
        self._total += loss.detach() * len(pixels)
        self._seen += len(pixels)
        return loss

    def on_train_epoch_end(self) -> None:
        self.epoch_losses.append(self._total.item() / self._seen)

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = adamw(self.plain.network, self._settings)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=self._settings.optimizer.learning_rate,
            total_steps=steps + 1,
            pct_start=(_WARM_UP * steps + 1) / (steps + 1),  # torch counts from the first step, and one less
            div_factor=1 / ONE_CYCLE_START,
            final_div_factor=ONE_CYCLE_START / ONE_CYCLE_END,
            cycle_momentum=False,
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Timer(lightning.Callback):
    """Measure a fit without its first epoch."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.spent: Spent | None = None

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        if trainer.current_epoch == 1:
            self._clock.begin()

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        if trainer.current_epoch == trainer.max_epochs - 1 >= 1:
            self.spent = self._clock.end()


class Peer:
    """Lightning without logger, checkpoints and bars, over tensors in memory.

    ``gathered`` takes each batch out of the tensors by one indexing, else the loader collates it image by image.
    """

    def __init__(
        self, plain: Plain, data: Dataset, settings: Settings, device: torch.device, *, gathered: bool, workers: int
    ) -> None:
        _silence()
        self._settings, self._device = settings, device
        self._module = PeerModule(deepcopy(plain), settings)
        self._loader = loader(data, settings, device, gathered=gathered, workers=workers)

    def losses(self, epochs: int) -> list[float]:
        """Train on; return the mean loss of each epoch."""
        before = len(self._module.epoch_losses)
        self._fit(epochs)
        return self._module.epoch_losses[before:]

    def round(self, epochs: int) -> Spent:
        """Return what so many epochs take."""
        spent = self._fit(1 + epochs)
        assert spent is not None
        return spent

    def _fit(self, epochs: int) -> Spent | None:
        timer = Timer(Clock(self._device))
        trainer = lightning.Trainer(
            accelerator="gpu" if self._device.type == "cuda" else "cpu",
            devices=[self._device.index or 0] if self._device.type == "cuda" else 1,
            precision=_PRECISIONS[choose_arithmetic(self._settings.training.precision, self._device).dtype],
            benchmark=self._device.type == "cuda",
            max_epochs=epochs,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[timer],
        )
        trainer.fit(self._module, self._loader)
        return timer.spent


class Bare:
    """The step alone, again and again on one batch that already lies on the device: what no loop can beat."""

    def __init__(self, plain: Plain, data: Dataset, settings: Settings, device: torch.device) -> None:
        self._plain = deepcopy(plain).to(device)
        size = settings.training.batch_size
        self._steps, self._device = math.ceil(len(data.train) / size), device
        self._images = self._plain.normalised(torch.from_numpy(data.train.images[:size]).to(device))
        self._truth = torch.from_numpy(truth_of(data)[:size]).to(device)
        self._arithmetic = choose_arithmetic(settings.training.precision, device)
        self._optimizer = adamw(self._plain.network, settings)

    def round(self, epochs: int) -> Spent:
        """Return what as many steps as so many epochs have take."""
        clock = Clock(self._device)
        with repeatable(self._device, strictly=False):
            self._epoch()
            clock.begin()
            for _ in range(epochs):
                self._epoch()
            return clock.end()

    def _epoch(self) -> None:
        for _ in range(self._steps):
            self._optimizer.zero_grad()
            with self._arithmetic.autocast():
                logits = self._plain.network(self._images)
            loss = self._plain.loss(logits, self._truth)
            loss.backward()
            self._optimizer.step()


def adamw(network: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """Return AdamW over all weights alike."""
    return torch.optim.AdamW(network.parameters(), lr=settings.optimizer.learning_rate, weight_decay=0.0)


def loader(data: Dataset, settings: Settings, device: torch.device, *, gathered: bool, workers: int) -> DataLoader[Any]:
    """Return shuffled batches of (images, truth)."""
    pairs = TensorDataset(torch.from_numpy(data.train.images), torch.from_numpy(truth_of(data)))
    kept: dict[str, Any] = {"pin_memory": device.type == "cuda", "num_workers": workers}
    kept["persistent_workers"] = workers > 0
    if not gathered:
        return DataLoader(pairs, batch_size=settings.training.batch_size, shuffle=True, **kept)
    rows: Iterator[Any] | Any = BatchSampler(RandomSampler(pairs), settings.training.batch_size, drop_last=False)
    return DataLoader(pairs, batch_size=None, sampler=rows, **kept)


def truth_of(data: Dataset) -> Any:
    """Return the masks of the training images, or their labels."""
    return data.train.labels if data.train.masks is None else data.train.masks


def _silence() -> None:
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning.*")
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
