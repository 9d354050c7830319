"""What the network predicts for images, in the form in which it is scored and saved."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from llm_loop.trainer.batches import BatchSource
from llm_loop.trainer.choices import Task, Tta
from llm_loop.trainer.networks.model import Model
from llm_loop.trainer.networks.outputs import Outputs
from llm_loop.trainer.precision import Arithmetic
from llm_loop.trainer.scoring.predictions import Predictions, join, predictions_of

MOST_AT_ONCE = 256
_SMALL_BATCH_PIXELS = 16_384  # 256 digits: too little to count beside the weights


class NotFiniteError(ArithmeticError):
    """Say that a network predicted no finite number."""


def at_once(batch_size: int, image_size: int) -> int:
    """Return how many images are evaluated at once: so few that a training that fits in memory can be evaluated too."""
    small = _SMALL_BATCH_PIXELS // image_size**2
    return min(MOST_AT_ONCE, max(batch_size, small))


def predict(
    model: Model, images: BatchSource, *, task: Task, tta: Tta, arithmetic: Arithmetic, at_once: int
) -> Predictions:
    """Return the predictions for all ``images`` in evaluation mode. Raises NotFiniteError."""
    model.eval()
    with torch.inference_mode():
        predictions = join(
            [
                predictions_of(_outputs(model, model.normalise(batch.images), tta, arithmetic), task)
                for batch in images.in_order(at_once)
            ]
        )
    if not predictions.is_finite():
        raise NotFiniteError("a network predicted no finite number")
    return predictions


def _outputs(model: Model, images: Tensor, tta: Tta, arithmetic: Arithmetic) -> Outputs:
    with arithmetic.autocast():
        outputs = model.outputs(images)
        if tta is Tta.FLIP:
            kept = _in_full(_copied(outputs))  # a compiled network may write its next outputs over these
            outputs = averaged(kept, _in_full(mirrored(model.outputs(images.flip(-1)))))
    return _in_full(outputs)


def _copied(outputs: Outputs) -> Outputs:
    return Outputs(*(None if part is None else part.clone() for part in outputs))


def _in_full(outputs: Outputs) -> Outputs:
    """Return logits in at least 32 bits."""
    full = (part.float() if part is not None and part.itemsize < 4 else part for part in outputs)
    return Outputs(*full)


def mirrored(outputs: Outputs) -> Outputs:
    """Return what was said of a mirror image, turned back."""
    return outputs._replace(masks=None if outputs.masks is None else outputs.masks.flip(-1))


def averaged(one: Outputs, other: Outputs) -> Outputs:
    """Return the logits whose probabilities are the means of those of two outputs."""
    return Outputs(
        classes=_of_many(one.classes, other.classes),
        masks=_of_two(one.masks, other.masks) if _is_one_map(one.masks) else _of_many(one.masks, other.masks),
        presence=_of_two(one.presence, other.presence),
    )


def _is_one_map(masks: Tensor | None) -> bool:
    return masks is not None and masks.shape[1] == 1


def _of_many(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    """Average over a softmax along dimension 1: the logarithm of a probability is a logit too."""
    if one is None or other is None:
        return None
    return torch.logaddexp(functional.log_softmax(one, dim=1), functional.log_softmax(other, dim=1))


def _of_two(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    """Average over a sigmoid: the logit of the mean is log(p + q) - log((1 - p) + (1 - q))."""
    if one is None or other is None:
        return None
    positive = torch.logaddexp(functional.logsigmoid(one), functional.logsigmoid(other))
    return positive - torch.logaddexp(functional.logsigmoid(-one), functional.logsigmoid(-other))
