"""The small network, and the BatchNorm momentum that short runs need."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from llm_loop.errors import ConfigError  # noqa: E402
from llm_loop.trainer.fit import batches  # noqa: E402
from llm_loop.trainer.models import build_model  # noqa: E402
from llm_loop.trainer.settings import ModelSettings, Norm  # noqa: E402


def build(settings: ModelSettings, channels: int = 1, image_size: int = 8):
    return build_model(
        settings, channels, 10, image_size, torch.full((channels,), 100.0), torch.full((channels,), 50.0)
    )


@pytest.mark.parametrize("norm", list(Norm))
@pytest.mark.parametrize(("depth", "size", "channels"), [(1, 4, 1), (3, 8, 1), (4, 33, 3), (6, 8, 1)])
def test_every_shape_gives_logits_and_gradients(norm: Norm, depth: int, size: int, channels: int) -> None:
    model = build(ModelSettings(norm=norm, depth=depth, width=3), channels, size).train()
    logits = model(torch.randint(256, (2, channels, size, size), dtype=torch.uint8))
    logits.sum().backward()
    assert logits.shape == (2, 10)
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_batch_norm_takes_the_momentum_and_starts_untouched() -> None:
    model = build(ModelSettings(batch_norm_momentum=0.4))
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert len(norms) == 3 and {norm.momentum for norm in norms} == {0.4}
    assert all(norm.num_batches_tracked == 0 for norm in norms)


def test_the_state_dict_holds_the_normalisation() -> None:
    model = build(ModelSettings())
    assert model.state_dict()["mean"].item() == 100.0
    assert model.normalise(torch.tensor([[[[150]]]], dtype=torch.uint8)).item() == 1.0


def test_a_last_batch_of_one_joins_the_one_before() -> None:
    assert [len(part) for part in batches(torch.arange(13), 4)] == [4, 4, 5]
    assert [len(part) for part in batches(torch.arange(14), 4)] == [4, 4, 4, 2]
    assert [len(part) for part in batches(torch.arange(1), 4)] == [1]
    assert torch.cat(batches(torch.arange(13), 4)).tolist() == list(range(13))


def test_a_network_that_cannot_take_the_images_is_a_config_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_loop.trainer.models.SmallCnn", lambda *_: torch.nn.Conv2d(1, 1, 99))
    with pytest.raises(ConfigError, match=r"8 x 8 pixels .*\nraise data.image_size"):
        build(ModelSettings())
