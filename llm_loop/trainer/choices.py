"""The closed sets that settings of a training choose from."""

from __future__ import annotations

from enum import StrEnum

from llm_loop.contract.result import Direction


class Task(StrEnum):
    """What is learned."""

    CLASSIFICATION = "classification"
    SEGMENTATION = "segmentation"
    DUAL_HEAD = "dual_head"

    @property
    def has_masks(self) -> bool:
        """Whether a mask is predicted for each image."""
        return self is not Task.CLASSIFICATION


class DataSource(StrEnum):
    """Where the images come from."""

    DIGITS = "digits"
    IMAGE_FOLDER = "image_folder"
    MASK_FOLDER = "mask_folder"
    MANIFEST = "manifest"
    XRAY = "xray"


class Resize(StrEnum):
    """How an image becomes a square."""

    STRETCH = "stretch"
    LETTERBOX = "letterbox"


class OnDevice(StrEnum):
    """When the training images lie on the device."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class Norm(StrEnum):
    """The normalisation layers of our own networks."""

    BATCH = "batch"
    GROUP = "group"
    NONE = "none"


class ScheduleName(StrEnum):
    """The shapes of the learning rate over the run."""

    CONSTANT = "constant"
    COSINE = "cosine"
    ONE_CYCLE = "one_cycle"
    STEP = "step"


class Sampling(StrEnum):
    """Which training images an epoch takes, and how often."""

    UNIFORM = "uniform"
    BALANCED = "balanced"
    HARD_NEGATIVE = "hard_negative"


class Precision(StrEnum):
    """The arithmetic of the forward pass."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"


class AugmentationPreset(StrEnum):
    """Random changes to training images, by strength."""

    NONE = "none"
    LIGHT = "light"
    MEDIUM = "medium"
    STRONG = "strong"


class LossName(StrEnum):
    """The training losses."""

    CROSS_ENTROPY = "cross_entropy"
    FOCAL = "focal"
    BCE = "bce"
    DICE = "dice"
    BCE_DICE = "bce_dice"
    FOCAL_DICE = "focal_dice"
    TVERSKY = "tversky"
    LOVASZ = "lovasz"
    BCE_LOVASZ = "bce_lovasz"


class ClassWeights(StrEnum):
    """What each class counts in a loss of classes."""

    NONE = "none"
    BALANCED = "balanced"


class Tta(StrEnum):
    """Over what a prediction is averaged."""

    NONE = "none"
    FLIP = "flip"


class Metric(StrEnum):
    """The validation metrics that can select the best epoch."""

    LOG_LOSS = "val_log_loss"
    ACCURACY = "val_accuracy"
    MACRO_F1 = "val_macro_f1"
    ROC_AUC = "val_roc_auc"
    AVERAGE_PRECISION = "val_average_precision"
    BEST_F1 = "val_best_f1"
    DICE = "val_dice"
    DICE_POS = "val_dice_pos"
    IOU = "val_iou"

    @property
    def direction(self) -> Direction:
        """Return which way this metric is better."""
        return Direction.MIN if self is Metric.LOG_LOSS else Direction.MAX
