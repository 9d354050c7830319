"""The moving parts of a training, and how they are put away and taken up again."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch

from llm_loop.errors import ConfigError
from llm_loop.trainer import batches
from llm_loop.trainer.augmentation import Augmentation
from llm_loop.trainer.batches import BatchSource
from llm_loop.trainer.checkpoint import Checkpoint
from llm_loop.trainer.ema import WeightAverage
from llm_loop.trainer.images.image_set import Dataset, ImageSet
from llm_loop.trainer.losses.training_loss import TrainingLoss
from llm_loop.trainer.networks.batch_norm import momentum_for, set_batch_norm_momentum
from llm_loop.trainer.networks.model import Model
from llm_loop.trainer.optimization import make_optimizer
from llm_loop.trainer.precision import Arithmetic, choose_arithmetic
from llm_loop.trainer.sampling import Sampler
from llm_loop.trainer.scoring.predictions import Predictions
from llm_loop.trainer.settings import Settings
from llm_loop.trainer.settings_file import flatten, to_mapping
from llm_loop.trainer.stop_request import StopRequest
from llm_loop.trainer.stopwatch import Stopwatch


@dataclass(kw_only=True)
class Best:
    """Hold the best epoch so far: its number (0 for none yet), value, and predictions for the validation images."""

    epoch: int = 0
    value: float = float("nan")
    predictions: Predictions = field(default_factory=Predictions)


@dataclass(kw_only=True)
class FitState:
    """Hold the moving parts; ``began`` is the monotonic second at which it would have begun unbroken."""

    model: Model
    settings: Settings
    device: torch.device
    train: BatchSource
    val: BatchSource
    truth: ImageSet
    classes: int
    loss: TrainingLoss
    optimizer: torch.optim.Optimizer
    arithmetic: Arithmetic
    scaler: torch.amp.GradScaler | None
    average: WeightAverage | None
    sampler: Sampler
    channels_last: bool
    generator: torch.Generator
    augment: Augmentation
    draws: np.random.Generator
    stop: StopRequest
    data_hash: str
    began: float
    watch: Stopwatch = field(default_factory=Stopwatch)
    step: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    best: Best = field(default_factory=Best)
    best_model: dict[str, Any] = field(default_factory=dict)
    _sent: Any = None

    @property
    def evaluated(self) -> Model:
        """Return the model that is evaluated and kept: that of the averaged weights, where there is one."""
        return self.model if self.average is None else self.average.model

    def time_is_up(self) -> bool:
        """Tell whether the time budget is spent."""
        minutes = self.settings.training.max_minutes
        return minutes is not None and time.monotonic() - self.began >= 60 * minutes

    def shall_end(self) -> bool:
        """Tell whether somebody asked for the end, or the time budget is spent."""
        return self.stop.asked_by is not None or self.time_is_up()

    def is_stale(self) -> bool:
        """Tell whether there was no better epoch for as many as the settings wait for."""
        patience = self.settings.training.early_stop_epochs
        return patience is not None and bool(self.rows) and len(self.rows) - self.best.epoch >= patience

    def keep_pace(self) -> None:
        """Where there is a time budget, let a CUDA device be one step behind at most: the clock tells of steps done."""
        if self.device.type != "cuda" or self.settings.training.max_minutes is None:
            return
        if self._sent is not None:
            self._sent.synchronize()
        self._sent = torch.cuda.current_stream(self.device).record_event()

    def keep_best_model(self) -> None:
        """Keep a copy of the weights as they are: later checkpoints want those of the best epoch too."""
        state = self.evaluated.state_dict()
        self.best_model = {name: value.detach().to("cpu", copy=True) for name, value in state.items()}

    def checkpoint(self) -> Checkpoint:
        """Return all that is needed to go on from here, the end of an epoch."""
        is_best = self.best.epoch == len(self.rows)
        cuda = torch.cuda.get_rng_state_all() if self.device.type == "cuda" else []
        losses = self.sampler.losses
        return Checkpoint(
            params=flatten(to_mapping(self.settings)),
            data_hash=self.data_hash,
            step=self.step,
            spent_s=time.monotonic() - self.began,
            rows=self.rows,
            best_epoch=self.best.epoch,
            best_value=self.best.value,
            best_predictions={
                name: None if array is None else torch.from_numpy(array)
                for name, array in asdict(self.best.predictions).items()
            },
            model=self.model.state_dict(),
            average=None if self.average is None else self.average.model.state_dict(),
            best_model=None if is_best else self.best_model,
            optimizer=self.optimizer.state_dict(),
            scaler=None if self.scaler is None else self.scaler.state_dict(),
            sample_losses=None if losses is None else losses.cpu(),
            generators={"augmentation": self.generator.get_state(), "torch": torch.get_rng_state(), "cuda": cuda},
            shuffling=json.dumps(self.draws.bit_generator.state),  # as text: its numbers have 128 bits
        )

    def go_on(self, checkpoint: Checkpoint) -> None:
        """Put everything to where the checkpoint was taken."""
        self.model.load_state_dict(checkpoint.model)
        self.optimizer.load_state_dict(checkpoint.optimizer)
        if self.average is not None and checkpoint.average is not None:
            self.average.go_on(checkpoint.average)
        if self.scaler is not None and checkpoint.scaler is not None:
            self.scaler.load_state_dict(checkpoint.scaler)
        if self.sampler.losses is not None and checkpoint.sample_losses is not None:
            self.sampler.losses.copy_(checkpoint.sample_losses)
        self.generator.set_state(checkpoint.generators["augmentation"])
        torch.set_rng_state(checkpoint.generators["torch"])
        if self.device.type == "cuda" and checkpoint.generators["cuda"]:
            torch.cuda.set_rng_state_all(checkpoint.generators["cuda"])
        self.draws.bit_generator.state = json.loads(checkpoint.shuffling)
        self.began = time.monotonic() - checkpoint.spent_s
        self.step, self.rows = checkpoint.step, list(checkpoint.rows)
        last = checkpoint.model if checkpoint.average is None else checkpoint.average
        self.best_model = last if checkpoint.best_model is None else checkpoint.best_model
        found = {name: None if part is None else part.numpy() for name, part in checkpoint.best_predictions.items()}
        self.best = Best(epoch=checkpoint.best_epoch, value=checkpoint.best_value, predictions=Predictions(**found))


def start(
    model: Model,
    data: Dataset,
    settings: Settings,
    device: torch.device,
    stop: StopRequest,
    watch: Stopwatch | None = None,
) -> FitState:
    """Return a training before its first step: seeded, the images on the device where they shall lie there.

    ``model`` lies on ``device`` and is changed: the momentum of its BatchNorm, its memory format, its compilation.
    Raises ConfigError for what the device cannot do or the images do not allow.
    """
    training, classes = settings.training, len(data.classes)
    labels = data.train.labels
    arithmetic = choose_arithmetic(training.precision, device)
    resident = batches.lies_on_device(settings.data.on_device, (data.train, data.val), device)
    channels_last = is_channels_last(settings, device)
    if channels_last:
        model.to(memory_format=torch.channels_last)
    set_batch_norm_momentum(model, batch_norm_momentum(settings, len(data.train)))
    counts = None if settings.task.has_masks else np.bincount(labels, minlength=classes).tolist()
    generator = torch.Generator(device=device).manual_seed(settings.seed)
    state = FitState(
        model=model,
        settings=settings,
        device=device,
        train=BatchSource(data.train, device, resident=resident, masks=settings.task.has_masks),
        val=BatchSource(data.val, device, resident=resident, masks=False),
        truth=data.val,
        classes=classes,
        loss=TrainingLoss(settings.loss, task=settings.task, class_counts=counts),
        optimizer=make_optimizer(model, settings.optimizer),
        arithmetic=arithmetic,
        scaler=arithmetic.scaler(),
        average=None if training.ema_decay is None else WeightAverage(model, training.ema_decay),
        sampler=Sampler(training.sampling, labels, 2 if settings.task.has_masks else classes, device),
        channels_last=channels_last,
        generator=generator,
        augment=Augmentation(settings.augmentation, generator),
        draws=np.random.default_rng(settings.seed),
        stop=stop,
        data_hash=data.data_hash,
        began=time.monotonic(),
        watch=watch or Stopwatch(),
    )
    if training.compile:
        compile_network(model, device)
    return state


def is_channels_last(settings: Settings, device: torch.device) -> bool:
    """Tell whether a network's weights lie with the channels last: as the settings say, else where it is faster."""
    if settings.training.channels_last is not None:
        return settings.training.channels_last
    # on a CPU it made our own U-Net a third faster, and others from a third faster to slower
    return device.type == "cuda" or settings.model.name.startswith("simple_unet")


def batch_norm_momentum(settings: Settings, images: int) -> float:
    """Return the momentum of running statistics: that of the settings, else one that fits the number of steps."""
    if settings.model.batch_norm_momentum is not None:
        return settings.model.batch_norm_momentum
    training = settings.training
    parts = batches.cut(torch.arange(images), training.batch_size)
    steps = len(batches.optimizer_steps(parts, training.accumulate_steps)) * training.epochs
    return momentum_for(steps)


def compile_network(model: Model, device: torch.device) -> None:
    """Let torch compile the network at its first batch; on CUDA with graphs, which spare the launches of small batches.

    Its weights keep their names. Raises ConfigError where torch has no compiler for this machine.
    """
    if not torch.compiler.list_backends():
        raise ConfigError("training.compile: torch has no compiler on this machine; set it to false")
    mode = "reduce-overhead" if device.type == "cuda" else "default"
    model.network.compile(mode=mode, dynamic=False)
