"""Thresholds that some images choose and others are scored at."""

from __future__ import annotations

import pytest

np = pytest.importorskip("numpy")

from llm_loop.trainer.choices import Metric, Task  # noqa: E402
from llm_loop.trainer.images.image_set import ImageSet  # noqa: E402
from llm_loop.trainer.scoring.predictions import Predictions  # noqa: E402
from llm_loop.trainer.scoring.score import interval_at, score, score_at, thresholds_for_others  # noqa: E402
from llm_loop.trainer.settings import EvaluationSettings  # noqa: E402

TUNED = EvaluationSettings(tune_threshold=True)


def pictures(seed: int, positive: float = 0.4) -> tuple[Predictions, ImageSet]:
    """Draw masks, what is predicted for them, and whether there is anything."""
    draws = np.random.default_rng(seed)
    labels = (draws.random(40) < positive).astype(np.int64)
    masks = (draws.random((40, 6, 6)) < 0.3).astype(np.uint8) * labels[:, None, None].astype(np.uint8)
    steps = np.clip(masks * 90 + draws.integers(0, 140, masks.shape), 0, 255).astype(np.uint8)
    presence = np.clip(0.3 * labels + draws.random(40) * 0.7, 0, 1).astype(np.float32)
    images = ImageSet(images=np.zeros((40, 1, 6, 6), np.uint8), labels=labels, masks=masks)
    return Predictions(masks=steps, presence=presence), images


@pytest.mark.parametrize("seed", range(5))
def test_for_the_images_that_chose_them_nothing_changes(seed: int) -> None:
    predictions, truth = pictures(seed)
    kinds = {"task": Task.DUAL_HEAD, "classes": 2}
    chosen = thresholds_for_others(predictions, truth, evaluation=TUNED, **kinds)
    assert score_at(chosen, predictions, truth, **kinds) == score(predictions, truth, evaluation=TUNED, **kinds)


@pytest.mark.parametrize("seed", range(5))
def test_other_images_choose_nothing(seed: int) -> None:
    (known, truth), (other, others) = pictures(seed), pictures(seed + 100)
    kinds = {"task": Task.DUAL_HEAD, "classes": 2}
    chosen = thresholds_for_others(known, truth, evaluation=TUNED, **kinds)
    found = score_at(chosen, other, others, **kinds)
    assert (found["threshold"], found["presence_threshold"]) == (chosen.pixels, chosen.images)
    taken, positive = other.presence.astype(float) >= chosen.best_f1, others.labels > 0
    assert found["val_best_f1"] == pytest.approx(2 * (taken & positive).sum() / (taken.sum() + positive.sum()))
    assert found["val_best_f1"] <= score(other, others, evaluation=TUNED, **kinds)["val_best_f1"]
    low, high = interval_at(chosen, Metric.BEST_F1, other, others, **kinds)
    assert low < found["val_best_f1"] < high


def test_where_no_image_is_positive_others_still_choose_nothing() -> None:
    (known, truth), (other, others) = pictures(1, positive=0.0), pictures(2)
    kinds = {"task": Task.DUAL_HEAD, "classes": 2}
    chosen = thresholds_for_others(known, truth, evaluation=TUNED, **kinds)
    assert (chosen.pixels, chosen.images, chosen.best_f1) == (0.5, 0.5, 0.5)
    taken, positive = other.presence.astype(float) >= 0.5, others.labels > 0
    found = score_at(chosen, other, others, **kinds)["val_best_f1"]
    assert found == pytest.approx(2 * (taken & positive).sum() / (taken.sum() + positive.sum()))


def test_many_classes_have_none() -> None:
    draws = np.random.default_rng(0)
    predictions = Predictions(classes=draws.normal(size=(20, 3)).astype(np.float32))
    truth = ImageSet(images=np.zeros((20, 1, 2, 2), np.uint8), labels=draws.integers(0, 3, 20))
    chosen = thresholds_for_others(predictions, truth, task=Task.CLASSIFICATION, classes=3, evaluation=TUNED)
    assert chosen.best_f1 is None
    assert score_at(chosen, predictions, truth, task=Task.CLASSIFICATION, classes=3)["val_log_loss"] is not None
