"""Predictions are put away in steps that the scores are taken from."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from llm_loop.trainer.choices import Task  # noqa: E402
from llm_loop.trainer.networks.outputs import Outputs  # noqa: E402
from llm_loop.trainer.scoring.predictions import join, predictions_of  # noqa: E402


def test_two_classes_of_pixels_are_kept_in_steps_and_the_highest_is_the_presence() -> None:
    logits = torch.randn(3, 1, 5, 4) * 3
    kept = predictions_of(Outputs(masks=logits), Task.SEGMENTATION)
    chance = logits.sigmoid()[:, 0]
    assert kept.masks.dtype == "uint8" and kept.masks.shape == (3, 5, 4)
    assert abs(torch.from_numpy(kept.masks) / 255 - chance).max() <= 0.5 / 255 + 1e-6
    assert torch.allclose(torch.from_numpy(kept.presence), chance.flatten(1).amax(dim=1))
    assert kept.classes is None


def test_more_classes_of_pixels_are_kept_as_numbers() -> None:
    logits = torch.randn(2, 4, 3, 3)
    kept = predictions_of(Outputs(masks=logits), Task.SEGMENTATION)
    assert (torch.from_numpy(kept.masks) == logits.argmax(dim=1)).all()
    background = logits.softmax(dim=1)[:, 0].flatten(1)
    assert torch.allclose(torch.from_numpy(kept.presence), 1 - background.amin(dim=1))


def test_a_presence_head_has_the_word_on_presence() -> None:
    outputs = Outputs(masks=torch.full((2, 1, 2, 2), 9.0), presence=torch.tensor([-200.0, 0.0]))
    assert predictions_of(outputs, Task.DUAL_HEAD).presence.tolist() == [0.0, 0.5]


@pytest.mark.parametrize("maps", [1, 3])
@pytest.mark.parametrize("task", [Task.SEGMENTATION, Task.DUAL_HEAD])
def test_a_nan_in_a_mask_is_not_lost_in_the_steps(maps: int, task: Task) -> None:
    logits = torch.zeros(2, maps, 3, 3)
    head = torch.zeros(2)
    assert predictions_of(Outputs(masks=logits, presence=head), task).is_finite()
    logits[1, 0, 2, 2] = float("nan")
    assert not predictions_of(Outputs(masks=logits, presence=head), task).is_finite()


def test_half_precision_logits_are_kept_in_float32_and_batches_join() -> None:
    logits = torch.randn(5, 3)
    parts = [predictions_of(Outputs(classes=part.bfloat16()), Task.CLASSIFICATION) for part in logits.split(2)]
    joined = join(parts)
    assert joined.classes.dtype == "float32" and joined.masks is None
    assert torch.equal(torch.from_numpy(joined.classes), logits.bfloat16().float())
