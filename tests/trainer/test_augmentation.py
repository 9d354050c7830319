"""Augmentation changes what it says, by as much as it says."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from llm_loop.trainer.augmentation import PRESETS, Augmentation, strengths_of  # noqa: E402
from llm_loop.trainer.choices import AugmentationPreset  # noqa: E402
from llm_loop.trainer.settings import AugmentationSettings  # noqa: E402


def augment(settings: AugmentationSettings, images, seed: int = 0):
    return Augmentation(settings, torch.Generator().manual_seed(seed))(images)[0]


def augment_both(settings: AugmentationSettings, images, masks):
    return Augmentation(settings, torch.Generator().manual_seed(0))(images, masks)


def middle(images):
    """Return the centre of mass (right, down) of each image, in pixels."""
    mass = images[:, 0] / images[:, 0].sum(dim=(1, 2), keepdim=True)
    places = torch.arange(images.shape[-1], dtype=torch.float32)
    return torch.stack([(mass.sum(dim=1) * places).sum(dim=1), (mass.sum(dim=2) * places).sum(dim=1)], dim=1)


def dot(batch: int = 64, size: int = 15):
    images = torch.zeros(batch, 1, size, size)
    images[:, :, size // 2, size // 2] = 1.0
    return images


def test_nothing_asked_nothing_changed() -> None:
    images = torch.rand(3, 1, 8, 8)
    assert augment(AugmentationSettings(), images) is images


def test_shift_is_in_pixels_within_its_bound() -> None:
    moved = middle(augment(AugmentationSettings(shift_pixels=3.0), dot())) - 7
    assert 2.5 < moved.abs().max() <= 3.01
    assert moved.min() < -1 and moved.max() > 1


def test_rotation_keeps_the_centre_and_turns_the_rest() -> None:
    images = dot()
    assert torch.allclose(middle(augment(AugmentationSettings(rotate_degrees=90.0), images)), middle(images), atol=0.05)
    images = torch.zeros(64, 1, 15, 15)
    images[:, :, 7, 12] = 1.0
    turned = middle(augment(AugmentationSettings(rotate_degrees=90.0), images)) - 7
    assert torch.allclose(turned.norm(dim=1), torch.full((64,), 5.0), atol=0.3)
    assert turned[:, 1].min() < -3 and turned[:, 1].max() > 3


def test_scale_moves_mass_in_and_out() -> None:
    images = torch.zeros(64, 1, 31, 31)
    images[:, :, 15, 25] = 1.0
    away = middle(augment(AugmentationSettings(scale=0.2), images))[:, 0] - 15
    assert 7.8 < away.min() < 9 and 11 < away.max() < 12.2


def test_noise_has_its_deviation() -> None:
    images = torch.zeros(16, 1, 32, 32)
    assert augment(AugmentationSettings(noise=0.5), images).std().item() == pytest.approx(0.5, rel=0.05)


def test_each_image_has_its_own_draw_and_the_seed_decides() -> None:
    settings = AugmentationSettings(shift_pixels=2.0, rotate_degrees=20.0, scale=0.1, noise=0.1)
    images = torch.rand(1, 1, 8, 8).expand(4, 1, 8, 8)
    first = augment(settings, images)
    assert not torch.equal(first[0], first[1])
    assert torch.equal(first, augment(settings, images))
    assert not torch.equal(first, augment(settings, images, seed=1))


def test_flips_are_exact_and_as_often_as_asked() -> None:
    images = torch.rand(400, 1, 6, 5)
    flipped = augment(AugmentationSettings(flip_horizontal=0.3), images)
    mirrored = (flipped == images.flip(-1)).flatten(1).all(dim=1)
    assert (mirrored | (flipped == images).flatten(1).all(dim=1)).all()
    assert 0.2 < mirrored.float().mean().item() < 0.4
    assert torch.equal(augment(AugmentationSettings(flip_vertical=1.0), images), images.flip(-2))


def test_brightness_shifts_and_contrast_spreads_about_the_mean() -> None:
    images = torch.randn(200, 1, 8, 8)
    shifts = (augment(AugmentationSettings(brightness=0.5), images) - images).flatten(1)
    assert shifts.std(dim=1).max() < 1e-5
    assert 0.45 < shifts.abs().max() <= 0.5001 and abs(shifts.mean().item()) < 0.1
    spread = augment(AugmentationSettings(contrast=0.4), images)
    assert torch.allclose(spread.mean(dim=(1, 2, 3)), images.mean(dim=(1, 2, 3)), atol=1e-5)
    ratios = spread.std(dim=(1, 2, 3)) / images.std(dim=(1, 2, 3))
    assert 0.59 < ratios.min() < 0.65 and 1.35 < ratios.max() < 1.41


def test_the_preset_and_the_keys_hold_the_larger_of_both() -> None:
    both = strengths_of(AugmentationSettings(preset=AugmentationPreset.LIGHT, rotate_degrees=20.0, contrast=0.01))
    assert both.rotate_degrees == 20.0 and both.contrast == 0.1 and both.flip_horizontal == 0.5
    weaker = [list(PRESETS).index(preset) for preset in AugmentationPreset]
    assert weaker == sorted(weaker)
    assert not PRESETS[AugmentationPreset.MEDIUM].elastic_share and PRESETS[AugmentationPreset.STRONG].elastic_share


@pytest.mark.parametrize("preset", ["light", "medium", "strong"])
@pytest.mark.parametrize("shape", [(3, 1, 8, 8), (2, 3, 33, 20)])
def test_a_preset_changes_images_and_masks_by_the_same_draw(preset: str, shape: tuple[int, ...]) -> None:
    settings = AugmentationSettings(preset=AugmentationPreset(preset))
    images = torch.randn(shape)
    masks = torch.randint(4, (shape[0], 1, *shape[2:])).float()
    changed, moved = augment_both(settings, images, masks)
    assert changed.shape == images.shape and moved.shape == masks.shape
    assert torch.isfinite(changed).all() and not torch.equal(changed, images)
    assert set(moved.unique().tolist()) <= {0.0, 1.0, 2.0, 3.0}
    again = augment_both(settings, images, masks)
    assert torch.equal(changed, again[0]) and torch.equal(moved, again[1])
    assert torch.equal(changed, augment(settings, images))  # with or without a mask


@pytest.mark.parametrize("strong", [False, True])
def test_a_mask_goes_where_its_image_goes(strong: bool) -> None:
    images = torch.zeros(64, 1, 64, 64)
    images[:, :, 20:44, 30:36] = 1.0
    settings = AugmentationSettings(flip_vertical=0.5, shift_pixels=8.0, rotate_degrees=40.0, scale=0.2)
    if strong:
        settings = AugmentationSettings(preset=AugmentationPreset.STRONG)
    geometry = Augmentation(settings, torch.Generator().manual_seed(0))
    geometry._shade = lambda images: images
    changed, moved = geometry(images, images.clone())
    common = ((changed > 0.5) * moved).sum(dim=(1, 2, 3)) * 2 / ((changed > 0.5).sum((1, 2, 3)) + moved.sum((1, 2, 3)))
    stayed = 2 * (images * moved).sum((1, 2, 3)) / (images.sum((1, 2, 3)) + moved.sum((1, 2, 3)))
    assert common.min() > 0.9
    assert stayed.mean() < 0.7


def test_outside_of_an_image_lies_its_border_and_outside_of_a_mask_nothing() -> None:
    images = torch.ones(32, 1, 16, 16)
    changed, moved = augment_both(AugmentationSettings(shift_pixels=8.0), images, images.clone())
    assert torch.allclose(changed, images)
    assert moved.mean() < 0.9


def test_blur_keeps_the_sum_and_lowers_the_peak() -> None:
    strong = AugmentationSettings(preset=AugmentationPreset.STRONG)
    blurred = Augmentation(strong, torch.Generator().manual_seed(0))._blur(dot(32, 21))
    assert torch.allclose(blurred.sum(dim=(1, 2, 3)), torch.ones(32), atol=1e-5)
    peaks = blurred.amax(dim=(1, 2, 3))
    spread = (blurred.sum(dim=(1, 2)) * (torch.arange(21) - 10.0) ** 2).sum(dim=1).sqrt()
    assert 0.9 < spread.max() < 1.0
    assert peaks.max() > 0.99 and peaks.min() < 0.25  # from next to none to one pixel, whose peak is 1 / 2 pi


def test_an_elastic_move_bends_but_never_folds() -> None:
    settings = AugmentationSettings(preset=AugmentationPreset.STRONG)
    bent = Augmentation(settings, torch.Generator().manual_seed(0))
    grid = bent._grid(torch.zeros(64, 1, 64, 64))
    right, down = grid[:, 1:, 1:] - grid[:, 1:, :-1], grid[:, 1:, 1:] - grid[:, :-1, 1:]
    areas = right[..., 0] * down[..., 1] - right[..., 1] * down[..., 0]
    assert areas.min() > 0
    assert areas.std(dim=(1, 2)).min() > 0.01 * areas.mean()  # an affine move has the same area everywhere


def test_the_generator_alone_decides_so_that_a_resumed_training_goes_on_alike() -> None:
    settings = AugmentationSettings(preset=AugmentationPreset.STRONG)
    generator = torch.Generator().manual_seed(3)
    augmentation, images = Augmentation(settings, generator), torch.randn(4, 1, 16, 16)
    augmentation(images)
    state = generator.get_state()
    first = augmentation(images)[0]
    torch.manual_seed(99)
    generator.set_state(state)
    assert torch.equal(Augmentation(settings, generator)(images)[0], first)
