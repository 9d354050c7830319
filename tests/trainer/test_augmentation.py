"""Augmentation changes what it says, by as much as it says."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from llm_loop.trainer.augmentation import Augmentation  # noqa: E402
from llm_loop.trainer.settings import AugmentationSettings  # noqa: E402


def augment(settings: AugmentationSettings, images, seed: int = 0):
    return Augmentation(settings, torch.Generator().manual_seed(seed))(images)


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
