"""Averaging over mirror images averages probabilities, and what is not finite is said."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402

from llm_loop.trainer.batches import BatchSource  # noqa: E402
from llm_loop.trainer.choices import Norm, Precision, Task, Tta  # noqa: E402
from llm_loop.trainer.evaluate import NotFiniteError, averaged, predict  # noqa: E402
from llm_loop.trainer.images.image_set import ImageSet  # noqa: E402
from llm_loop.trainer.networks.build import build_model  # noqa: E402
from llm_loop.trainer.networks.model import Model  # noqa: E402
from llm_loop.trainer.networks.outputs import Outputs  # noqa: E402
from llm_loop.trainer.precision import choose_arithmetic  # noqa: E402
from llm_loop.trainer.settings import ModelSettings  # noqa: E402

CPU = torch.device("cpu")
ARITHMETIC = choose_arithmetic(Precision.FP32, CPU)


def dual() -> Model:
    torch.manual_seed(0)
    level = torch.tensor([100.0])
    settings = ModelSettings(name="simple_unet_dual_head", width=4, depth=2, norm=Norm.GROUP)
    model = build_model(settings, task=Task.DUAL_HEAD, channels=1, classes=2, image_size=16, mean=level, std=level)
    torch.nn.init.normal_(model.network.head[1].weight, std=0.5)  # an untrained head says background everywhere
    return model


def source(images: np.ndarray) -> BatchSource:
    labels = np.zeros(len(images), dtype=np.int64)
    return BatchSource(ImageSet(images=images, labels=labels), CPU, resident=True, masks=False)


def test_the_mean_is_one_of_probabilities() -> None:
    torch.manual_seed(1)
    one, other = (
        Outputs(classes=3 * torch.randn(5, 4), masks=3 * torch.randn(5, 1, 3, 3), presence=3 * torch.randn(5))
        for _ in range(2)
    )
    mean = averaged(one, other)
    assert torch.allclose(mean.classes.softmax(1), (one.classes.softmax(1) + other.classes.softmax(1)) / 2, atol=1e-6)
    assert torch.allclose(mean.masks.sigmoid(), (one.masks.sigmoid() + other.masks.sigmoid()) / 2, atol=1e-6)
    assert torch.allclose(mean.presence.sigmoid(), (one.presence.sigmoid() + other.presence.sigmoid()) / 2, atol=1e-6)
    many = averaged(Outputs(masks=torch.randn(2, 3, 4, 4)), Outputs(masks=torch.randn(2, 3, 4, 4)))
    assert torch.allclose(many.masks.softmax(1).sum(1), torch.ones(2, 4, 4))
    far = averaged(Outputs(presence=torch.tensor([-200.0])), Outputs(presence=torch.tensor([200.0])))
    assert far.presence == pytest.approx(0.0, abs=1e-5)


def test_flips_make_a_prediction_of_the_mirror_image_the_mirror_of_the_prediction() -> None:
    model = dual()
    images = np.random.default_rng(0).integers(256, size=(5, 1, 16, 16)).astype(np.uint8)

    def found(pixels: np.ndarray, tta: Tta):
        return predict(model, source(pixels), task=Task.DUAL_HEAD, tta=tta, arithmetic=ARITHMETIC, at_once=2)

    mirrored = np.ascontiguousarray(images[..., ::-1])
    plain, plain_mirrored = found(images, Tta.NONE), found(mirrored, Tta.NONE)
    both, both_mirrored = found(images, Tta.FLIP), found(mirrored, Tta.FLIP)
    assert not np.array_equal(plain.masks, plain_mirrored.masks[..., ::-1])
    assert np.abs(both.masks.astype(int) - both_mirrored.masks[..., ::-1].astype(int)).max() <= 1
    assert both.presence == pytest.approx(both_mirrored.presence, abs=1e-6)
    assert both.presence == pytest.approx((plain.presence + plain_mirrored.presence) / 2, abs=1e-6)


def test_what_is_not_finite_is_said() -> None:
    model = dual()
    with torch.no_grad():
        next(model.network.parameters()).fill_(float("nan"))
    images = np.zeros((3, 1, 16, 16), dtype=np.uint8)
    with pytest.raises(NotFiniteError):
        predict(model, source(images), task=Task.DUAL_HEAD, tta=Tta.NONE, arithmetic=ARITHMETIC, at_once=2)
