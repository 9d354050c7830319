"""An epoch has as many images as there are, whichever it takes, and hard negatives come more often."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402

from llm_loop.errors import ConfigError  # noqa: E402
from llm_loop.trainer.choices import Sampling  # noqa: E402
from llm_loop.trainer.sampling import Sampler  # noqa: E402

CPU = torch.device("cpu")
LABELS = np.array([0] * 40 + [1] * 7, dtype=np.int64)


def counts(sampler: Sampler, epochs: int = 1) -> np.ndarray:
    draws = np.random.default_rng(0)
    orders = [sampler.order(draws) for _ in range(epochs)]
    assert all(len(order) == len(LABELS) for order in orders)
    return np.bincount(np.concatenate(orders), minlength=len(LABELS))


def test_uniform_takes_each_image_once() -> None:
    assert (counts(Sampler(Sampling.UNIFORM, LABELS, 2, CPU), 3) == 3).all()


def test_balanced_takes_both_classes_as_often_and_its_images_evenly() -> None:
    sampler = Sampler(Sampling.BALANCED, LABELS, 2, CPU)
    seen = counts(sampler)
    assert abs(int(seen[:40].sum()) - int(seen[40:].sum())) <= 1
    assert set(seen[40:]) <= {3, 4} and set(seen[:40]) <= {0, 1}
    many = counts(sampler, 40)
    assert abs(int(many[:40].sum()) - int(many[40:].sum())) <= 40 and many.min() > 0


def test_hard_negatives_come_more_often_and_no_negative_is_given_up() -> None:
    sampler = Sampler(Sampling.HARD_NEGATIVE, LABELS, 2, CPU)
    assert (counts(sampler) == 1).all(), "before the first losses all are alike"
    losses = torch.full((47,), 0.1)
    losses[3] = 4.0
    sampler.note(torch.arange(47), losses)
    seen = counts(sampler, 100)
    assert (seen[40:] == 100).all() and seen[:40].sum() == 4000
    share = 0.5 / 40 + 0.5 * 4 / (39 * 0.1 + 4)
    assert seen[3] == pytest.approx(4000 * share, abs=100) and seen[:40].min() >= 25


def test_losses_of_nothing_or_below_nothing_leave_even_chances() -> None:
    sampler = Sampler(Sampling.HARD_NEGATIVE, LABELS, 2, CPU)
    for value in (0.0, -1.0):
        sampler.note(torch.arange(47), torch.full((47,), value))
        assert (counts(sampler) == 1).all()


def test_without_negatives_or_with_many_classes() -> None:
    ones = np.ones(5, dtype=np.int64)
    assert sorted(Sampler(Sampling.HARD_NEGATIVE, ones, 2, CPU).order(np.random.default_rng(0))) == list(range(5))
    assert sorted(Sampler(Sampling.BALANCED, ones, 2, CPU).order(np.random.default_rng(0))) == list(range(5))
    with pytest.raises(ConfigError, match=r"hard_negative: of 3 classes"):
        Sampler(Sampling.HARD_NEGATIVE, LABELS, 3, CPU)
