"""The settings of one training: frozen values, checked by ``settings_file`` before they come to be.

The JSON Schema ``contract/trainer.schema.json`` says what each key means, its unit and its range; a
test holds schema and dataclasses equal. A None here is "not given"; ``resolved`` fills those whose
value follows from other keys.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Self

from llm_loop.contract.result import Direction


class DataSource(StrEnum):
    """Where the images come from."""

    DIGITS = "digits"
    IMAGE_FOLDER = "image_folder"


class Norm(StrEnum):
    """The normalisation layers of ``small_cnn``."""

    BATCH = "batch"
    GROUP = "group"
    NONE = "none"


class OptimizerName(StrEnum):
    """The optimizers of torch that can be chosen."""

    SGD = "sgd"
    ADAMW = "adamw"
    ADAM = "adam"
    RMSPROP = "rmsprop"


class ScheduleName(StrEnum):
    """The shapes of the learning rate over the run."""

    CONSTANT = "constant"
    COSINE = "cosine"
    ONE_CYCLE = "one_cycle"


class LossName(StrEnum):
    """The training losses."""

    CROSS_ENTROPY = "cross_entropy"
    FOCAL = "focal"


class Metric(StrEnum):
    """The validation metrics that can select the best epoch."""

    LOG_LOSS = "val_log_loss"
    ACCURACY = "val_accuracy"
    MACRO_F1 = "val_macro_f1"

    @property
    def direction(self) -> Direction:
        """Return which way this metric is better."""
        return Direction.MIN if self is Metric.LOG_LOSS else Direction.MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSettings:
    """Name the images and how they are split."""

    source: DataSource = DataSource.DIGITS
    root: str | None = None
    image_size: int | None = None
    channels: int = 1
    train_images: int | None = None
    val_fraction: float = 0.3
    split_seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """Name the network. All but name, dropout, momentum and pretrained concern ``small_cnn`` alone."""

    name: str = "small_cnn"
    width: int = 16
    depth: int = 3
    dropout: float = 0.0
    norm: Norm = Norm.BATCH
    batch_norm_momentum: float = 0.3
    pretrained: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerSettings:
    """Name the optimizer and its rates."""

    name: OptimizerName = OptimizerName.SGD
    learning_rate: float = 0.05
    weight_decay: float = 0.0
    momentum: float = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleSettings:
    """Name the course of the learning rate."""

    name: ScheduleName = ScheduleName.COSINE
    warmup_fraction: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """Hold the budget of a run and the mechanics of a step."""

    epochs: int = 20
    batch_size: int = 32
    label_smoothing: float = 0.0
    gradient_clip: float | None = None
    threads: int = 1
    max_minutes: float | None = None
    device: str = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentationSettings:
    """Hold the strengths of the random changes to training images; 0 turns one off."""

    shift_pixels: float = 0.0
    rotate_degrees: float = 0.0
    scale: float = 0.0
    noise: float = 0.0
    mixup: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LossSettings:
    """Name the training loss."""

    name: LossName = LossName.CROSS_ENTROPY
    focal_gamma: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionSettings:
    """Name the metric that selects the best epoch and ranks the run."""

    metric: Metric = Metric.LOG_LOSS
    direction: Direction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Hold everything that decides a training's outcome."""

    schema_version: int = 1
    seed: int = 0
    data: DataSettings = field(default_factory=DataSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    selection: SelectionSettings = field(default_factory=SelectionSettings)

    def resolved(self) -> Self:
        """Return a copy in which every value that follows from another key is filled in.

        Digits are 8 pixels wide and have 300 training images; a folder is resized to 64 pixels.
        One-cycle warms up over 0.3 of the steps, the other schedules not at all.
        """
        digits = self.data.source is DataSource.DIGITS
        size = self.data.image_size or (8 if digits else 64)
        train_images = self.data.train_images or (300 if digits else None)
        warmup = self.schedule.warmup_fraction
        if warmup is None:
            warmup = 0.3 if self.schedule.name is ScheduleName.ONE_CYCLE else 0.0
        return replace(
            self,
            data=replace(self.data, image_size=size, train_images=train_images),
            schedule=replace(self.schedule, warmup_fraction=warmup),
            selection=replace(self.selection, direction=self.selection.metric.direction),
        )
