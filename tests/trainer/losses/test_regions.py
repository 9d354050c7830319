"""The losses of regions agree with what their papers define, written out pixel by pixel."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from llm_loop.trainer.losses.regions import dice, lovasz_hinge, lovasz_softmax, tversky  # noqa: E402


def maps(seed: int, shape: tuple[int, ...] = (3, 1, 4, 5), dtype=torch.float32):
    draw = torch.Generator().manual_seed(seed)
    probabilities = torch.rand(shape, generator=draw, dtype=dtype)
    return probabilities, (torch.rand(shape, generator=draw, dtype=dtype) < 0.3).to(dtype)


@pytest.mark.parametrize("seed", range(5))
def test_dice_of_hard_targets_is_the_usual_one(seed: int) -> None:
    guess, truth = maps(seed, (3, 2, 4, 5))
    both, sums = (guess * truth).sum(dim=(2, 3)), (guess + truth).sum(dim=(2, 3))
    assert torch.allclose(dice(guess, truth), 1 - ((2 * both + 1) / (sums + 1)).mean(dim=1))


@pytest.mark.parametrize("seed", range(5))
def test_tversky_weighs_false_and_missed_pixels(seed: int) -> None:
    guess, truth = maps(seed)
    hit, false, missed = (
        (guess * truth).sum((1, 2, 3)),
        (guess * (1 - truth)).sum((1, 2, 3)),
        ((1 - guess) * truth).sum((1, 2, 3)),
    )
    assert torch.allclose(tversky(guess, truth, 0.2, 0.9), 1 - (hit + 1) / (hit + 0.2 * false + 0.9 * missed + 1))


def test_tversky_with_halves_is_dice_but_for_its_added_pixel() -> None:
    guess, truth = maps(0, (2, 1, 200, 200))
    assert torch.allclose(tversky(guess, truth, 0.5, 0.5), dice(guess, truth), atol=1e-4)


def test_an_empty_mask_costs_less_the_less_is_predicted() -> None:
    nothing = torch.zeros(1, 1, 4, 4)
    values = [dice(torch.full_like(nothing, guess), nothing).item() for guess in (0.0, 0.1, 0.5, 1.0)]
    assert values[0] == 0.0
    assert values == sorted(values) and len(set(values)) == 4


def test_soft_targets_are_best_met_by_themselves() -> None:
    truth = torch.full((1, 1, 6, 6), 0.05)
    truth[..., 2, :] = 0.95
    guess = truth.clone().requires_grad_()
    assert dice(guess, truth).item() == pytest.approx(0.0, abs=1e-6)
    assert dice(torch.ones_like(truth), truth).item() > 0.3


def jaccard_loss(wrong, positive) -> float:
    """Return 1 minus the Jaccard index where the pixels ``wrong`` are taken for the other class."""
    union = (positive | wrong).sum()
    return 0.0 if union == 0 else 1 - ((positive & ~wrong).sum() / union).item()


def extension(errors, positive) -> float:
    """Return the Lovasz extension by its definition: a sum over the sets of the largest errors."""
    order, value, before = errors.argsort(descending=True), 0.0, 0.0
    wrong = torch.zeros_like(positive)
    for place in order:
        wrong[place] = True
        loss = jaccard_loss(wrong, positive)
        value += errors[place].item() * (loss - before)
        before = loss
    return value


@pytest.mark.parametrize("seed", range(5))
def test_the_lovasz_hinge_is_the_extension_of_jaccard(seed: int) -> None:
    logits, truth = torch.randn(3, 1, 4, 5, generator=torch.Generator().manual_seed(seed)) * 2, maps(seed)[1]
    truth[2] = 0
    ours = lovasz_hinge(logits, truth)
    for row in range(3):
        errors = (1 - logits[row].flatten() * (2 * truth[row].flatten() - 1)).clamp(min=0)
        assert ours[row].item() == pytest.approx(extension(errors, truth[row].flatten().bool()), abs=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_lovasz_softmax_is_the_mean_over_the_classes_in_the_mask(seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    guess = torch.randn(3, 4, 4, 5, generator=draw).softmax(dim=1)
    number = torch.randint(3, (3, 4, 5), generator=draw)  # the fourth class is in no mask
    truth = torch.nn.functional.one_hot(number, 4).movedim(-1, 1).float()
    ours = lovasz_softmax(guess, truth)
    for row in range(3):
        parts = [
            extension((truth[row, c] - guess[row, c]).abs().flatten(), truth[row, c].flatten().bool()) for c in range(3)
        ]
        assert ours[row].item() == pytest.approx(sum(parts) / 3, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_lovasz_agrees_with_the_library(seed: int) -> None:
    from llm_loop.trainer import torchvision_guard

    torchvision_guard.ensure_torchvision()
    losses = pytest.importorskip("segmentation_models_pytorch.losses")
    draw = torch.Generator().manual_seed(seed)
    logits, truth = torch.randn(3, 1, 8, 8, generator=draw), (torch.rand(3, 1, 8, 8, generator=draw) < 0.3).float()
    assert lovasz_hinge(logits, truth).mean().item() == pytest.approx(
        losses.LovaszLoss("binary", per_image=True)(logits, truth).item(), abs=1e-6
    )
    logits, number = torch.randn(3, 4, 8, 8, generator=draw), torch.randint(4, (3, 8, 8), generator=draw)
    wanted = torch.nn.functional.one_hot(number, 4).movedim(-1, 1).float()
    ours = lovasz_softmax(logits.softmax(dim=1), wanted).mean()
    assert ours.item() == pytest.approx(
        losses.LovaszLoss("multiclass", per_image=True)(logits, number).item(), abs=1e-6
    )
