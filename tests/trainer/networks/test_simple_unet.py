"""Our own U-Nets: their shapes, where they start, and what presence leans on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from llm_loop.errors import ConfigError  # noqa: E402
from llm_loop.trainer.choices import Norm  # noqa: E402
from llm_loop.trainer.networks.batch_norm import reestimate_batch_norm, set_batch_norm_momentum  # noqa: E402
from llm_loop.trainer.networks.simple_unet import highest_evidence  # noqa: E402

Build = Callable[..., Any]


@pytest.mark.parametrize("norm", list(Norm))
@pytest.mark.parametrize(("depth", "size", "channels", "classes"), [(1, 4, 1, 2), (3, 33, 3, 4), (4, 46, 1, 2)])
@pytest.mark.parametrize("task", ["segmentation", "dual_head"])
def test_every_shape_gives_maps_of_its_own_size_and_learns(
    build: Build, learns: Callable[..., None], norm: Norm, depth: int, size: int, channels: int, classes: int, task: str
) -> None:
    name = "simple_unet" if task == "segmentation" else "simple_unet_dual_head"
    model = build(name, task, classes, channels, size, width=4, depth=depth, norm=norm, dropout=0.1)
    outputs = model(torch.zeros(2, channels, size, size))
    assert outputs.masks.shape == (2, 1 if classes == 2 else classes, size, size) and outputs.classes is None
    assert (None if outputs.presence is None else outputs.presence.shape) == (None if task == "segmentation" else (2,))
    learns(model, classes, channels, size)


@pytest.mark.parametrize("classes", [2, 3])
def test_an_untrained_network_expects_background(build: Build, classes: int) -> None:
    masks = build("simple_unet", classes=classes, width=4)(torch.randint(256, (4, 1, 32, 32))).masks
    foreground = masks.sigmoid() if classes == 2 else masks.softmax(1)[:, 1:].sum(1)
    assert 0.003 < foreground.mean().item() < 0.03


def test_a_crack_is_learned_from_a_few_images(build: Build) -> None:
    masks = torch.zeros(8, 1, 32, 32)
    for row in range(8):
        masks[row, 0, 3 + 3 * row] = 1.0
    pixels = 100 + 50 * torch.randn(8, 1, 32, 32, generator=torch.Generator().manual_seed(0)) - 120 * masks
    model = build("simple_unet", width=4, depth=3)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(30):
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(model.train()(pixels).masks, masks).backward()
        optimizer.step()
    with torch.no_grad():
        found = model.eval()(pixels).masks > 0
    assert 2 * (found * masks).sum() / (found.sum() + masks.sum()) > 0.8


def test_presence_leans_on_the_strongest_pixel_and_teaches_it(build: Build) -> None:
    model = build("simple_unet_dual_head", "dual_head", width=4, depth=2)
    model(torch.randint(256, (2, 1, 32, 32))).presence.sum().backward()
    assert model.network.head[-1].weight.grad.abs().sum() > 0
    maps = torch.zeros(1, 3, 4, 4)
    maps[0, 2, 1, 1], maps[0, 0, 1, 1] = 5.0, 2.0
    assert highest_evidence(maps).item() == 3.0
    assert highest_evidence(maps[:, 2:]).item() == 5.0


def test_too_many_levels_for_the_size_name_a_size_that_goes(build: Build) -> None:
    with pytest.raises(ConfigError, match=r"does not take 8 x 8 pixels .*\nset data.image_size: 32, the nearest"):
        build("simple_unet", size=8, depth=5, width=2)


def test_a_network_of_another_task_names_those_that_fit(build: Build) -> None:
    for name, task, fitting in [
        ("small_cnn", "segmentation", "simple_unet or smp"),
        ("simple_unet", "dual_head", "simple_unet_dual_head or smp"),
        ("simple_unet_dual_head", "segmentation", "simple_unet or smp"),
        ("smp:Unet", "classification", "small_cnn or timm"),
    ]:
        with pytest.raises(ConfigError, match=f"model.name {name} is not for task {task}: take {fitting}"):
            build(name, task)


def test_batch_norm_takes_the_momentum_and_starts_untouched(build: Build) -> None:
    model = build("small_cnn", "classification", size=8, batch_norm_momentum=0.4)
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert len(norms) == 3 and {norm.momentum for norm in norms} == {0.4}
    assert all(norm.num_batches_tracked == 0 for norm in norms)
    set_batch_norm_momentum(model, 0.1)
    assert {norm.momentum for norm in norms} == {0.1}


def test_statistics_taken_anew_are_the_average_of_the_batches(build: Build) -> None:
    model = build("simple_unet", width=4, depth=2, dropout=0.5).train()
    batches = [torch.randn(3, 1, 16, 16), 2 + torch.randn(3, 1, 16, 16)]
    first = model.network.down[0]
    wanted = torch.stack([first[0](batch).mean((0, 2, 3)) for batch in batches]).mean(0)
    before = torch.get_rng_state()
    reestimate_batch_norm(model, batches)
    assert torch.allclose(first[1].running_mean, wanted, atol=1e-6)
    assert torch.equal(torch.get_rng_state(), before)  # dropout is off: a resumed training draws the same numbers
    assert all(module.training for module in model.modules()) and first[1].momentum == 0.3
    reestimate_batch_norm(model, [])
    assert torch.allclose(first[1].running_mean, wanted, atol=1e-6)
