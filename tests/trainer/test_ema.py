"""The average follows the weights as its decay says, and is what is evaluated and kept."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from llm_loop.trainer.choices import Task  # noqa: E402
from llm_loop.trainer.ema import WeightAverage  # noqa: E402
from llm_loop.trainer.networks.build import build_model  # noqa: E402
from llm_loop.trainer.networks.model import Model  # noqa: E402
from llm_loop.trainer.settings import ModelSettings  # noqa: E402


def small() -> Model:
    torch.manual_seed(0)
    level = torch.tensor([8.0])
    settings = ModelSettings(width=4)
    return build_model(settings, task=Task.CLASSIFICATION, channels=1, classes=3, image_size=8, mean=level, std=level)


def test_it_is_the_exponential_average_from_the_first_step_on() -> None:
    model = small()
    average = WeightAverage(model, 0.9)
    weight = model.network.head[1].bias
    expected = None
    for step in range(5):
        with torch.no_grad():
            weight.add_(float(step + 1))
        average.take()
        now = weight.detach().clone()
        expected = now if expected is None else 0.9 * expected + 0.1 * now
        assert torch.allclose(average.model.network.head[1].bias, expected)
    assert weight.requires_grad and not average.model.network.head[1].bias.requires_grad


def test_statistics_are_taken_over_when_asked_and_not_averaged() -> None:
    model = small()
    average = WeightAverage(model, 0.9)
    norm, same = (
        next(m for m in one.modules() if isinstance(m, torch.nn.BatchNorm2d)) for one in (model, average.model)
    )
    norm.running_mean.fill_(3.0)
    average.take()
    assert (same.running_mean != 3.0).all()
    average.take_statistics()
    assert (same.running_mean == 3.0).all()


def test_a_state_gone_on_with_stays_on_its_course() -> None:
    model = small()
    average = WeightAverage(model, 0.5)
    average.take()
    again = WeightAverage(model, 0.5)
    again.go_on(average.model.state_dict())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    average.take()
    again.take()
    pairs = zip(average.model.parameters(), again.model.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
