"""Optimizers are the named ones; the learning rate takes its course."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from llm_loop.errors import ConfigError  # noqa: E402
from llm_loop.trainer.choices import ScheduleName  # noqa: E402
from llm_loop.trainer.optimization import make_optimizer, rate_factor  # noqa: E402
from llm_loop.trainer.settings import OptimizerSettings, ScheduleSettings  # noqa: E402


@pytest.mark.parametrize("name", ["sgd", "adamw", "adam", "rmsprop", "timm:lion", "timm:nadamw"])
def test_decay_spares_biases_and_norms(name: str) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.LayerNorm(3))
    optimizer = make_optimizer(model, OptimizerSettings(name=name, learning_rate=0.1, weight_decay=0.5))
    assert type(optimizer).__name__.lower() == name.removeprefix("timm:")
    decayed, spared = optimizer.param_groups
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.5, 0.0)
    assert (len(decayed["params"]), len(spared["params"])) == (1, 3)


def course(name: ScheduleName, warmup: float) -> list[float]:
    settings = ScheduleSettings(name=name, warmup_fraction=warmup)
    return [rate_factor(settings, step / 100) for step in range(101)]


def test_the_courses() -> None:
    assert set(course(ScheduleName.CONSTANT, 0.0)) == {1.0}
    cosine = course(ScheduleName.COSINE, 0.0)
    assert cosine[0] == 1.0 and cosine[50] == pytest.approx(0.5) and cosine[100] == pytest.approx(0.0)
    cycle = course(ScheduleName.ONE_CYCLE, 0.3)
    assert cycle[0] == pytest.approx(1 / 25) and max(cycle) == cycle[30] == 1.0 and cycle[100] == pytest.approx(1e-4)
    assert course(ScheduleName.CONSTANT, 0.1)[:11] == pytest.approx([step / 10 for step in range(11)])
    assert all(factor > 0 for factor in course(ScheduleName.COSINE, 0.0)[:100])


def test_step_falls_after_each_share_of_the_steps() -> None:
    settings = ScheduleSettings(name=ScheduleName.STEP, warmup_fraction=0.0, step_fraction=0.25, step_factor=0.5)
    assert [rate_factor(settings, part / 8) for part in range(8)] == [1, 1, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125]


def test_an_optimizer_that_timm_does_not_know_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="timm has no optimizer lionn; the nearest: timm:lion"):
        make_optimizer(torch.nn.Linear(2, 2), OptimizerSettings(name="timm:lionn"))
