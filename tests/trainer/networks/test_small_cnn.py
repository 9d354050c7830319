"""The small network, and the batches of an epoch."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from llm_loop.trainer.batches import cut  # noqa: E402
from llm_loop.trainer.choices import Task  # noqa: E402
from llm_loop.trainer.networks.build import build_model  # noqa: E402
from llm_loop.trainer.settings import ModelSettings, Norm  # noqa: E402


def build(settings: ModelSettings, channels: int = 1, image_size: int = 8):
    return build_model(
        settings,
        task=Task.CLASSIFICATION,
        channels=channels,
        classes=10,
        image_size=image_size,
        mean=torch.full((channels,), 100.0),
        std=torch.full((channels,), 50.0),
    )


@pytest.mark.parametrize("norm", list(Norm))
@pytest.mark.parametrize(("depth", "size", "channels"), [(1, 4, 1), (3, 8, 1), (4, 33, 3), (6, 8, 1)])
def test_every_shape_gives_logits_and_gradients(norm: Norm, depth: int, size: int, channels: int) -> None:
    model = build(ModelSettings(norm=norm, depth=depth, width=3), channels, size).train()
    logits = model(torch.randint(256, (2, channels, size, size), dtype=torch.uint8)).classes
    logits.sum().backward()
    assert logits.shape == (2, 10)
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_the_state_dict_holds_the_normalisation() -> None:
    model = build(ModelSettings())
    assert model.state_dict()["mean"].item() == 100.0
    assert model.normalise(torch.tensor([[[[150]]]], dtype=torch.uint8)).item() == 1.0


def test_a_last_batch_of_one_joins_the_one_before() -> None:
    assert [len(part) for part in cut(torch.arange(13), 4)] == [4, 4, 5]
    assert [len(part) for part in cut(torch.arange(14), 4)] == [4, 4, 4, 2]
    assert [len(part) for part in cut(torch.arange(1), 4)] == [1]
    assert torch.cat(cut(torch.arange(13), 4)).tolist() == list(range(13))
