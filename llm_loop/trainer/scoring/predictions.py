"""The predictions for the validation images, in the very form in which they are scored and saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from llm_loop.trainer.choices import Task

if TYPE_CHECKING:
    from torch import Tensor  # scores are computed anew where there is no torch

    from llm_loop.trainer.networks.outputs import Outputs

STEPS = 255  # of a probability from 0 to 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """Hold what was predicted for n images; a part that the task does not have is None.

    ``classes`` are float32 logits (n, classes). ``masks`` (n, height, width; uint8) are the probabilities of two
    classes of pixels in steps of 1/255, or the numbers of the most probable class where there are more; scores are
    computed from these very steps, so that anybody gets the same from the saved file. ``presence`` (n; float32) are
    the probabilities that there is anything to mask: those of the presence head, else the highest of any pixel.
    """

    classes: NDArray[np.float32] | None = None
    masks: NDArray[np.uint8] | None = None
    presence: NDArray[np.float32] | None = None

    def is_finite(self) -> bool:
        """Tell whether no number is NaN or infinite."""
        return all(bool(np.isfinite(part).all()) for part in (self.classes, self.presence) if part is not None)


def predictions_of(outputs: Outputs, task: Task) -> Predictions:
    """Return the predictions that the logits of a batch mean, on the CPU.

    An image whose mask holds a NaN gets NaN for its presence, since the steps have no room for it.
    """
    if not task.has_masks:
        return Predictions(classes=_array(_given(outputs.classes).float()))
    logits = _given(outputs.masks).float()
    if logits.shape[1] == 1:
        positive = logits[:, 0].sigmoid()
        masks = (positive * STEPS).round().byte()
    else:
        positive = 1 - logits.softmax(dim=1)[:, 0]
        masks = logits.argmax(dim=1).byte()
    highest = positive.flatten(1).amax(dim=1)  # NaN where any pixel is
    if task is Task.DUAL_HEAD:
        head = _given(outputs.presence).double().sigmoid().float()
        highest = head.where(~highest.isnan(), highest)
    return Predictions(masks=_array(masks), presence=_array(highest))


def join(parts: Sequence[Predictions]) -> Predictions:
    """Return the predictions of several batches as one."""
    joined: dict[str, Any] = {}
    for field in fields(Predictions):
        arrays = [getattr(part, field.name) for part in parts]
        joined[field.name] = None if arrays[0] is None else np.concatenate(arrays)
    return Predictions(**joined)


def _given(part: Tensor | None) -> Tensor:
    if part is None:
        raise ValueError("the network's outputs lack a part of the task")
    return part


def _array(values: Tensor) -> Any:
    return values.cpu().numpy()
