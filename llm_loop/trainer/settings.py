"""The settings of one training: frozen values, checked by ``settings_file`` before they come to be.

The JSON Schema ``contract/trainer.schema.json`` says what each key means, its unit and its range; a
test holds schema and dataclasses equal. A None here is "not given"; ``resolved`` fills those whose
value follows from other keys.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

from llm_loop.contract.result import Direction
from llm_loop.trainer.choices import (
    AugmentationPreset,
    ClassWeights,
    DataSource,
    LossName,
    Metric,
    Norm,
    OnDevice,
    Precision,
    Resize,
    Sampling,
    ScheduleName,
    Task,
    Tta,
)

_TRAIN_IMAGES = {DataSource.DIGITS: 300, DataSource.XRAY: 256}
_XRAY_VAL_IMAGES = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSettings:
    """Name the images and how they are split."""

    source: DataSource = DataSource.DIGITS
    root: str | None = None
    manifest: str | None = None
    image_size: int | None = None
    resize: Resize = Resize.STRETCH
    channels: int = 1
    mask_classes: int | None = None
    train_images: int | None = None
    val_images: int | None = None
    val_fraction: float = 0.3
    split_seed: int = 0
    on_device: OnDevice = OnDevice.AUTO


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """Name the network. Width and depth concern our own networks alone, the encoder those of smp."""

    name: str = "small_cnn"
    encoder: str | None = None
    width: int = 16
    depth: int = 3
    dropout: float = 0.0
    norm: Norm = Norm.BATCH
    batch_norm_momentum: float | None = None
    reestimate_batch_norm: int = 0
    pretrained: bool = False
    weights_file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerSettings:
    """Name the optimizer and its rates."""

    name: str = "sgd"
    learning_rate: float = 0.05
    weight_decay: float = 0.0
    momentum: float = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleSettings:
    """Name the course of the learning rate."""

    name: ScheduleName = ScheduleName.COSINE
    warmup_fraction: float | None = None
    step_fraction: float = 0.3
    step_factor: float = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """Hold the budget of a run and the mechanics of a step."""

    epochs: int = 20
    batch_size: int = 32
    accumulate_steps: int = 1
    label_smoothing: float = 0.0
    gradient_clip: float | None = None
    ema_decay: float | None = None
    early_stop_epochs: int | None = None
    sampling: Sampling = Sampling.UNIFORM
    precision: Precision = Precision.AUTO
    channels_last: bool | None = None
    compile: bool = False
    deterministic: bool = False
    threads: int = 1
    max_minutes: float | None = None
    device: str = "auto"

    @property
    def effective_batch_size(self) -> int:
        """Return the images of an optimizer step."""
        return self.batch_size * self.accumulate_steps


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentationSettings:
    """Hold the strengths of the random changes to training images; 0 turns one off."""

    preset: AugmentationPreset = AugmentationPreset.NONE
    flip_horizontal: float = 0.0
    flip_vertical: float = 0.0
    shift_pixels: float = 0.0
    rotate_degrees: float = 0.0
    scale: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    noise: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LossSettings:
    """Name the training loss."""

    name: LossName = LossName.CROSS_ENTROPY
    focal_gamma: float = 2.0
    second_weight: float = 0.5
    dice_positive_only: bool = False
    tversky_alpha: float = 0.3
    tversky_beta: float = 0.7
    positive_weight: float = 1.0
    class_weights: ClassWeights = ClassWeights.NONE
    presence_weight: float = 0.5
    presence_warmup_epochs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSettings:
    """Say how validation images are judged."""

    threshold: float = 0.5
    tune_threshold: bool = False
    tta: Tta = Tta.NONE


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
    task: Task = Task.CLASSIFICATION
    data: DataSettings = field(default_factory=DataSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    selection: SelectionSettings = field(default_factory=SelectionSettings)

    def resolved(self) -> Self:
        """Return a copy in which every value that follows from other keys is filled in.

        Digits are 8 pixels wide and have 300 training images; all others are resized to 64 pixels. Of generated
        pictures there are 256 to train on and 128 to validate on. One-cycle warms up over 0.3 of the steps, the other
        schedules not at all. What follows from the images or the device stays open.
        """
        data, source = self.data, self.data.source
        size = data.image_size or (8 if source is DataSource.DIGITS else 64)
        train_images = data.train_images or _TRAIN_IMAGES.get(source)
        val_images = data.val_images or (_XRAY_VAL_IMAGES if source is DataSource.XRAY else None)
        warmup = self.schedule.warmup_fraction
        if warmup is None:
            warmup = 0.3 if self.schedule.name is ScheduleName.ONE_CYCLE else 0.0
        return replace(
            self,
            data=replace(data, image_size=size, train_images=train_images, val_images=val_images),
            schedule=replace(self.schedule, warmup_fraction=warmup),
            selection=replace(self.selection, direction=self.selection.metric.direction),
        )
