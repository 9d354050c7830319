"""The training loss judges each image by itself, with the numbers of torch where torch has them."""

from __future__ import annotations

import itertools

import pytest

torch = pytest.importorskip("torch")

from llm_loop.errors import ConfigError  # noqa: E402
from llm_loop.trainer.choices import ClassWeights, LossName, Task  # noqa: E402
from llm_loop.trainer.losses.targets import targets_of  # noqa: E402
from llm_loop.trainer.losses.training_loss import TrainingLoss  # noqa: E402
from llm_loop.trainer.networks.outputs import Outputs, Targets  # noqa: E402
from llm_loop.trainer.settings import LossSettings  # noqa: E402

functional = torch.nn.functional
OF_CLASSES = [LossName.CROSS_ENTROPY, LossName.FOCAL]


def masks_of(classes: int, batch: int = 4, size: int = 5, seed: int = 0):
    """Return class numbers (batch, size, size); the last image is empty."""
    draws = torch.randint(classes, (batch, size, size), generator=torch.Generator().manual_seed(seed))
    draws[-1] = 0
    return draws


def case(task: Task, classes: int, dtype=torch.float32, smoothing: float = 0.0) -> tuple[Outputs, Targets]:
    draw = torch.Generator().manual_seed(1)
    masks = masks_of(classes) if task.has_masks else None
    labels = torch.tensor([0, 1, 1, 0])
    targets = targets_of(labels, masks, task=task, classes=classes, smoothing=smoothing)
    if not task.has_masks:
        return Outputs(classes=torch.randn(4, classes, generator=draw, dtype=dtype)), targets
    maps = torch.randn(targets.masks.shape, generator=draw, dtype=dtype)
    presence = torch.randn(4, generator=draw, dtype=dtype) if task is Task.DUAL_HEAD else None
    return Outputs(masks=maps, presence=presence), targets


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_of_classes_is_that_of_torch(smoothing: float) -> None:
    outputs, targets = case(Task.CLASSIFICATION, 3, smoothing=smoothing)
    ours = TrainingLoss(LossSettings(), task=Task.CLASSIFICATION).per_image(outputs, targets, 1)
    labels = torch.tensor([0, 1, 1, 0])
    theirs = functional.cross_entropy(outputs.classes, labels, label_smoothing=smoothing, reduction="none")
    assert torch.allclose(ours, theirs)


def test_balanced_classes_weigh_inversely_to_their_images_and_one_on_average() -> None:
    loss = TrainingLoss(
        LossSettings(class_weights=ClassWeights.BALANCED), task=Task.CLASSIFICATION, class_counts=[30, 10]
    )
    outputs = Outputs(classes=torch.zeros(4, 2))
    targets = targets_of(torch.tensor([0, 0, 0, 1]), None, task=Task.CLASSIFICATION, classes=2, smoothing=0.0)
    values = loss.per_image(outputs, targets, 1)
    assert values[3] / values[0] == pytest.approx(3.0)
    assert values.mean().item() == pytest.approx(0.6931472)


@pytest.mark.parametrize("weight", [1.0, 7.0])
def test_bce_of_one_map_is_that_of_torch(weight: float) -> None:
    outputs, targets = case(Task.SEGMENTATION, 2, smoothing=0.2)
    settings = LossSettings(name=LossName.BCE, positive_weight=weight)
    ours = TrainingLoss(settings, task=Task.SEGMENTATION).per_image(outputs, targets, 1)
    theirs = functional.binary_cross_entropy_with_logits(
        outputs.masks, targets.masks, pos_weight=torch.tensor(weight), reduction="none"
    )
    assert torch.allclose(ours, theirs.mean(dim=(1, 2, 3)))


def test_bce_of_more_maps_is_cross_entropy_with_weighed_positive_classes() -> None:
    outputs, targets = case(Task.SEGMENTATION, 4)
    settings = LossSettings(name=LossName.BCE, positive_weight=5.0)
    ours = TrainingLoss(settings, task=Task.SEGMENTATION).per_image(outputs, targets, 1)
    weights = torch.tensor([1.0, 5.0, 5.0, 5.0])
    theirs = functional.cross_entropy(outputs.masks, masks_of(4), weight=weights, reduction="none")
    assert torch.allclose(ours, theirs.mean(dim=(1, 2)))


@pytest.mark.parametrize("classes", [2, 4])
def test_focal_with_gamma_zero_is_cross_entropy_and_weighs_what_is_known_less(classes: int) -> None:
    outputs, targets = case(Task.SEGMENTATION, classes, smoothing=0.1)

    def value(**keys: object):
        return TrainingLoss(LossSettings(**keys), task=Task.SEGMENTATION).per_image(outputs, targets, 1)

    plain = value(name=LossName.CROSS_ENTROPY)
    assert torch.equal(value(name=LossName.FOCAL, focal_gamma=0.0), plain)
    assert torch.allclose(value(name=LossName.FOCAL, focal_gamma=1e-6), plain, atol=1e-4)
    assert (value(name=LossName.FOCAL, focal_gamma=2.0) < plain).all()


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_of_one_map_is_that_of_two_classes(gamma: float) -> None:
    outputs, targets = case(Task.SEGMENTATION, 2, smoothing=0.1)
    loss = TrainingLoss(LossSettings(name=LossName.FOCAL, focal_gamma=gamma), task=Task.SEGMENTATION)
    two_maps = torch.cat([torch.zeros_like(outputs.masks), outputs.masks], dim=1)
    both = Targets(masks=torch.cat([1 - targets.masks, targets.masks], dim=1))
    one = loss.per_image(outputs, targets, 1)
    assert torch.allclose(one, loss.per_image(Outputs(masks=two_maps), both, 1))


@pytest.mark.parametrize("pair", ["bce_dice", "focal_dice", "bce_lovasz"])
def test_a_pair_is_mixed_by_its_share(pair: str) -> None:
    outputs, targets = case(Task.SEGMENTATION, 2)

    def value(name: str):
        settings = LossSettings(name=LossName(name), second_weight=0.2)
        return TrainingLoss(settings, task=Task.SEGMENTATION).per_image(outputs, targets, 1)

    first, second = pair.split("_")
    assert torch.allclose(value(pair), 0.8 * value(first) + 0.2 * value(second))


@pytest.mark.parametrize("classes", [2, 4])
def test_positive_only_leaves_the_dice_of_empty_masks_out(classes: int) -> None:
    outputs, targets = case(Task.SEGMENTATION, classes, smoothing=0.1)

    def value(only: bool):
        settings = LossSettings(name=LossName.DICE, dice_positive_only=only)
        return TrainingLoss(settings, task=Task.SEGMENTATION).per_image(outputs, targets, 1)

    assert torch.equal(value(True)[:3], value(False)[:3])
    assert value(True)[3] == 0 and value(False)[3] > 0.5


def test_presence_is_added_and_warms_up() -> None:
    outputs, targets = case(Task.DUAL_HEAD, 2)
    settings = LossSettings(name=LossName.DICE, presence_weight=2.0, presence_warmup_epochs=3, positive_weight=3.0)
    dual = TrainingLoss(settings, task=Task.DUAL_HEAD)
    masks = TrainingLoss(settings, task=Task.SEGMENTATION).per_image(outputs, targets, 1)
    presence = functional.binary_cross_entropy_with_logits(
        outputs.presence, targets.presence, pos_weight=torch.tensor(3.0), reduction="none"
    )
    assert [dual.presence_weight(epoch) for epoch in (1, 2, 3, 4, 5)] == [0.5, 1.0, 1.5, 2.0, 2.0]
    for epoch in (1, 4):
        added = dual.per_image(outputs, targets, epoch) - masks
        assert torch.allclose(added, dual.presence_weight(epoch) * presence)


def test_a_loss_of_masks_is_refused_for_classes() -> None:
    with pytest.raises(ConfigError, match=r"loss\.name bce_dice is a loss of masks"):
        TrainingLoss(LossSettings(name=LossName.BCE_DICE), task=Task.CLASSIFICATION)


def every_case() -> list[tuple[LossName, Task, int]]:
    masks = list(itertools.product(LossName, [Task.SEGMENTATION], [2, 4]))
    return [(name, Task.CLASSIFICATION, 3) for name in OF_CLASSES] + masks + [(LossName.DICE, Task.DUAL_HEAD, 2)]


@pytest.mark.parametrize(("name", "task", "classes"), every_case())
def test_each_image_is_judged_by_itself(name: LossName, task: Task, classes: int) -> None:
    outputs, targets = case(task, classes, smoothing=0.1)
    loss = TrainingLoss(LossSettings(name=name, focal_gamma=0.5), task=task)
    together = loss.per_image(outputs, targets, 1)
    assert together.shape == (4,)
    for row in range(4):
        alone = [type(parts)(*(None if p is None else p[row : row + 1] for p in parts)) for parts in (outputs, targets)]
        assert torch.allclose(loss.per_image(*alone, 1), together[row : row + 1], atol=1e-6)


@pytest.mark.parametrize(("name", "task", "classes"), every_case())
@pytest.mark.parametrize("size", [1e-30, 30.0, 1e4, 1e30])
def test_loss_and_gradient_stay_finite_at_extreme_logits(name: LossName, task: Task, classes: int, size: float) -> None:
    outputs, targets = case(task, classes)
    signs = [None if part is None else (part.sign() * size).requires_grad_() for part in outputs]
    settings = LossSettings(name=name, focal_gamma=0.5)
    values = TrainingLoss(settings, task=task).per_image(Outputs(*signs), targets, 1)
    assert torch.isfinite(values).all()
    values.sum().backward()
    assert all(torch.isfinite(part.grad).all() for part in signs if part is not None)


@pytest.mark.parametrize(("name", "task", "classes"), every_case())
def test_gradients_are_those_of_finite_differences(name: LossName, task: Task, classes: int) -> None:
    outputs, targets = case(task, classes, dtype=torch.float64)
    loss = TrainingLoss(LossSettings(name=name), task=task)
    parts = [part for part in outputs if part is not None]

    def values(*given):
        left = iter(given)
        return loss.per_image(Outputs(*(None if part is None else next(left) for part in outputs)), targets, 2)

    assert torch.autograd.gradcheck(values, [part.requires_grad_() for part in parts])


@pytest.mark.parametrize("name", list(LossName))
def test_autocast_changes_no_arithmetic(name: LossName) -> None:
    outputs, targets = case(Task.SEGMENTATION, 2)
    halves = Outputs(masks=outputs.masks.bfloat16())
    loss = TrainingLoss(LossSettings(name=name), task=Task.SEGMENTATION)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        within = loss.per_image(halves, targets, 1)
    assert within.dtype is torch.float32
    assert torch.equal(within, loss.per_image(Outputs(masks=halves.masks.float()), targets, 1))


@pytest.mark.parametrize("name", [name for name in LossName if name is not LossName.FOCAL])
@pytest.mark.parametrize("classes", [2, 4])
def test_a_step_down_the_gradient_finds_the_mask(name: LossName, classes: int) -> None:
    targets = targets_of(torch.zeros(4), masks_of(classes), task=Task.SEGMENTATION, classes=classes, smoothing=0.0)
    logits = torch.zeros_like(targets.masks, requires_grad=True)
    loss = TrainingLoss(LossSettings(name=name), task=Task.SEGMENTATION)
    for _ in range(30):
        (gradient,) = torch.autograd.grad(loss.per_image(Outputs(masks=logits), targets, 1).sum(), logits)
        with torch.no_grad():
            logits -= 0.5 * gradient.sign()
    guessed = (logits[:, 0] > 0).long() if classes == 2 else logits.argmax(dim=1)
    assert torch.equal(guessed, masks_of(classes))
