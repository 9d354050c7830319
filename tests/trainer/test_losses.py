"""Losses agree with torch where torch has them."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from llm_loop.trainer.losses import mix, soft_targets, training_loss  # noqa: E402
from llm_loop.trainer.settings import LossName, LossSettings  # noqa: E402


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_that_of_torch(smoothing: float) -> None:
    logits, labels = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])
    ours = training_loss(logits, soft_targets(labels, 4, smoothing), LossSettings())
    assert torch.allclose(ours, torch.nn.functional.cross_entropy(logits, labels, label_smoothing=smoothing))


def test_focal_with_gamma_zero_is_cross_entropy_and_weighs_easy_rows_less() -> None:
    logits, targets = torch.tensor([[4.0, 0.0], [0.0, 0.5]]), torch.eye(2)
    plain = training_loss(logits, targets, LossSettings())
    focal = LossSettings(name=LossName.FOCAL, focal_gamma=0.0)
    assert torch.allclose(training_loss(logits, targets, focal), plain)
    assert training_loss(logits, targets, LossSettings(name=LossName.FOCAL, focal_gamma=2.0)) < plain


def test_focal_has_a_finite_gradient_where_the_answer_is_certain() -> None:
    logits = torch.tensor([[200.0, -200.0]], requires_grad=True)
    training_loss(logits, torch.tensor([[1.0, 0.0]]), LossSettings(name=LossName.FOCAL, focal_gamma=0.5)).backward()
    assert torch.isfinite(logits.grad).all()


def test_mix_blends_images_and_targets_alike() -> None:
    images, targets = torch.tensor([[[[0.0]]], [[[1.0]]]]), torch.eye(2)
    mixed, blend = mix(images, targets, 0.75, torch.tensor([1, 0]))
    assert mixed.flatten().tolist() == [0.25, 0.75]
    assert blend.tolist() == [[0.75, 0.25], [0.25, 0.75]]
