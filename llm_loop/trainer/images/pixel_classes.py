"""What the pixels of masks, and the labels that follow from them, are called and have to be."""

from __future__ import annotations

from llm_loop.trainer.choices import Task
from llm_loop.trainer.failures import DataError
from llm_loop.trainer.images.splits import Rows
from llm_loop.trainer.settings import DataSettings

BACKGROUND, POSITIVE = "background", "positive"


def names_of(settings: DataSettings, task: Task) -> tuple[str, ...]:
    """Return the names of the pixel classes; of the two kinds of images where the task has no masks."""
    if task.has_masks and settings.mask_classes is not None:
        return (BACKGROUND, *(f"class {number}" for number in range(1, settings.mask_classes)))
    return (BACKGROUND, POSITIVE) if task.has_masks else ("negative", POSITIVE)


def expect_both(train: Rows, val: Rows, subject: str, remark: str = "") -> None:
    """Raise DataError, which ends in ``remark``, unless both sides have images, and at least one positive (1) each."""
    for name, labels in (("train", train), ("val", val)):
        if not len(labels):
            raise DataError(f"{subject}: no image is left to {'train' if name == 'train' else 'validate'} on{remark}")
        if not labels.any():
            raise DataError(
                f"{subject}: no {name} image has a positive pixel, so nothing can be learned or scored{remark}"
            )
