"""What a network should have said of a batch, as probabilities; smoothed and mixed where the settings say so."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from llm_loop.trainer.choices import Task
from llm_loop.trainer.networks.outputs import Targets

Box = tuple[int, int, int, int]


def targets_of(labels: Tensor, masks: Tensor | None, *, task: Task, classes: int, smoothing: float) -> Targets:
    """Return the targets of a batch, ``smoothing`` of each spread evenly over its classes.

    ``labels`` (batch) are class numbers; for masks, whether there is anything in them (0 or 1). ``masks`` hold the
    class number of each pixel, (batch, height, width) or (batch, 1, height, width), in whole or floating numbers.
    ``classes`` are those of the images, or those of the pixels. Two classes of pixels become one map.
    """
    if not task.has_masks:
        return Targets(classes=_smooth(functional.one_hot(labels.long(), classes).float(), smoothing, classes))
    if masks is None:
        raise ValueError(f"{task.value} needs masks")
    numbers = masks[:, 0] if masks.dim() == 4 else masks
    if classes == 2:
        wanted = (numbers > 0).float()[:, None]
    else:
        wanted = functional.one_hot(numbers.long(), classes).movedim(-1, 1).float()
    presence = _smooth(labels.float(), smoothing, 2) if task is Task.DUAL_HEAD else None
    return Targets(masks=_smooth(wanted, smoothing, classes), presence=presence)


def mix(images: Tensor, targets: Targets, share: float, order: Tensor) -> tuple[Tensor, Targets]:
    """Blend each image and target with another of the batch (mixup; Zhang et al. 2018, arXiv:1710.09412).

    ``share`` (0 to 1) is the part of the image itself, ``order`` (batch) names the partner of each.
    """
    blended = [None if part is None else torch.lerp(part[order], part, share) for part in targets]
    return torch.lerp(images[order], images, share), Targets(*blended)


def cut_and_paste(images: Tensor, targets: Targets, box: Box, order: Tensor) -> tuple[Tensor, Targets]:
    """Paste into each image the rectangle ``box`` of another of the batch (cutmix; Yun et al. 2019, arXiv:1905.04899).

    ``box`` is (top, left, bottom, right) in pixels, bottom and right exclusive; ``order`` (batch) names the partner of
    each. Class targets blend by area. Masks are pasted likewise, and presence then follows what the new mask holds.
    """
    pasted = _paste(images, box, order)
    height, width = images.shape[-2:]
    top, left, bottom, right = box
    kept = 1 - (bottom - top) * (right - left) / (height * width)
    classes = None if targets.classes is None else torch.lerp(targets.classes[order], targets.classes, kept)
    masks = None if targets.masks is None else _paste(targets.masks, box, order)
    presence = targets.presence
    if presence is not None and masks is not None:
        higher, lower = torch.maximum(presence, presence[order]), torch.minimum(presence, presence[order])
        presence = torch.where(has_positive(masks), higher, lower)
    return pasted, Targets(classes=classes, masks=masks, presence=presence)


def box_of(share: float, height: int, width: int, middle: tuple[float, float]) -> Box:
    """Return the rectangle of cutmix that leaves ``share`` (0 to 1) of an image of this size, before it is clipped.

    ``middle`` (down, right) is its centre in fractions of the sides. It has the proportions of the image; what would
    lie outside is left out, so that near the border less is pasted.
    """
    side = (1 - share) ** 0.5
    (top, bottom), (left, right) = (
        (round(max(0.0, at - side / 2) * length), round(min(1.0, at + side / 2) * length))
        for at, length in zip(middle, (height, width), strict=True)
    )
    return top, left, bottom, right


def has_positive(masks: Tensor) -> Tensor:
    """Tell for each image (batch) whether any pixel of its mask targets is more likely positive than background."""
    positive = masks if masks.shape[1] == 1 else 1 - masks[:, :1]
    return positive.flatten(1).amax(dim=1) > 0.5


def _paste(values: Tensor, box: Box, order: Tensor) -> Tensor:
    top, left, bottom, right = box
    pasted = values.clone()
    pasted[..., top:bottom, left:right] = values[order][..., top:bottom, left:right]
    return pasted


def _smooth(wanted: Tensor, smoothing: float, classes: int) -> Tensor:
    return wanted * (1 - smoothing) + smoothing / classes
