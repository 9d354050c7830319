"""What a network says of a batch, and what it should have said: the same three parts, whatever the task."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Outputs(NamedTuple):
    """Hold the logits of a batch; a part that the task does not have is None.

    ``classes`` is (batch, classes). ``masks`` is (batch, 1, height, width) for two classes of pixels, else (batch,
    mask classes, height, width). ``presence`` (batch) is the logit that there is anything to mask.
    """

    classes: Tensor | None = None
    masks: Tensor | None = None
    presence: Tensor | None = None


class Targets(NamedTuple):
    """Hold the truth of a batch as probabilities, so that smoothing and mixing need no case of their own.

    ``classes`` is (batch, classes). ``masks`` has the shape of the logits, 0 to 1. ``presence`` is (batch).
    """

    classes: Tensor | None = None
    masks: Tensor | None = None
    presence: Tensor | None = None
