"""Targets are probabilities, and mixing treats images, masks and presence alike."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from llm_loop.trainer.choices import Task  # noqa: E402
from llm_loop.trainer.losses.targets import box_of, cut_and_paste, mix, targets_of  # noqa: E402
from llm_loop.trainer.networks.outputs import Targets  # noqa: E402


def test_classes_are_smoothed_evenly() -> None:
    targets = targets_of(torch.tensor([0, 2]), None, task=Task.CLASSIFICATION, classes=4, smoothing=0.2)
    assert torch.allclose(targets.classes, torch.tensor([[0.85, 0.05, 0.05, 0.05], [0.05, 0.05, 0.85, 0.05]]))
    assert targets.masks is None and targets.presence is None


@pytest.mark.parametrize("form", ["bytes", "floating", "one map"])
def test_two_classes_of_pixels_are_one_map_whatever_the_form(form: str) -> None:
    numbers = torch.tensor([[[0, 1], [1, 0]], [[0, 0], [0, 0]]], dtype=torch.uint8)
    given = {"bytes": numbers, "floating": numbers.float(), "one map": numbers.float()[:, None]}[form]
    targets = targets_of(torch.tensor([1, 0]), given, task=Task.DUAL_HEAD, classes=2, smoothing=0.1)
    assert targets.masks.shape == (2, 1, 2, 2) and targets.masks.dtype is torch.float32
    assert torch.allclose(targets.masks[:, 0], numbers * 0.9 + 0.05)
    assert torch.allclose(targets.presence, torch.tensor([0.95, 0.05]))


def test_more_classes_of_pixels_are_one_map_each() -> None:
    numbers = torch.tensor([[[0, 1], [2, 0]]], dtype=torch.uint8)
    targets = targets_of(torch.tensor([1]), numbers, task=Task.SEGMENTATION, classes=3, smoothing=0.3)
    assert targets.masks.shape == (1, 3, 2, 2) and targets.presence is None
    assert torch.allclose(targets.masks.sum(dim=1), torch.ones(1, 2, 2))
    assert torch.allclose(targets.masks[0, :, 1, 0], torch.tensor([0.1, 0.1, 0.8]))


def test_mix_blends_images_and_all_targets_alike() -> None:
    images = torch.tensor([[[[0.0]]], [[[1.0]]]])
    targets = Targets(classes=torch.eye(2), masks=images.clone(), presence=torch.tensor([0.0, 1.0]))
    mixed, blend = mix(images, targets, 0.75, torch.tensor([1, 0]))
    assert mixed.flatten().tolist() == [0.25, 0.75]
    assert blend.classes.tolist() == [[0.75, 0.25], [0.25, 0.75]]
    assert blend.masks.flatten().tolist() == blend.presence.tolist() == [0.25, 0.75]


def test_cut_and_paste_moves_the_rectangle_of_image_and_mask() -> None:
    images = torch.stack([torch.zeros(1, 4, 4), torch.ones(1, 4, 4)])
    masks = torch.zeros(2, 1, 4, 4)
    masks[1, 0, 0, 0] = 1.0
    targets = Targets(classes=torch.eye(2), masks=masks, presence=torch.tensor([0.05, 0.95]))
    pasted, blend = cut_and_paste(images, targets, (0, 0, 2, 3), torch.tensor([1, 0]))
    assert pasted.sum(dim=(1, 2, 3)).tolist() == [6.0, 10.0]
    assert torch.allclose(blend.classes[0], torch.tensor([10 / 16, 6 / 16]))
    assert blend.masks.sum(dim=(1, 2, 3)).tolist() == [1.0, 0.0]
    assert torch.equal(blend.presence, torch.tensor([0.95, 0.05]))  # the only positive pixel has moved over
    _, aside = cut_and_paste(images, targets, (0, 1, 2, 4), torch.tensor([1, 0]))
    assert torch.allclose(aside.classes, blend.classes)
    assert images.sum() == 16 and masks.sum() == 1  # the originals are as they were


def test_the_box_has_the_area_that_is_not_kept_and_is_clipped() -> None:
    top, left, bottom, right = box_of(0.75, 40, 20, (0.5, 0.5))
    assert (bottom - top, right - left) == (20, 10)
    assert box_of(1.0, 40, 20, (0.3, 0.9)) in [(12, 18, 12, 18)]
    assert box_of(0.0, 40, 20, (0.5, 0.5)) == (0, 0, 40, 20)
    assert box_of(0.75, 40, 20, (0.0, 1.0)) == (0, 15, 10, 20)
