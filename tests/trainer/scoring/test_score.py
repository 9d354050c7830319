"""Our own metrics agree with scikit-learn to 1e-6 on random cases, and say None where there is no number."""

from __future__ import annotations

import itertools
import time
import warnings

import pytest

np = pytest.importorskip("numpy")
oracle = pytest.importorskip("sklearn.metrics")

from llm_loop.trainer.choices import Metric, Task  # noqa: E402
from llm_loop.trainer.images.image_set import ImageSet  # noqa: E402
from llm_loop.trainer.scoring import weighing  # noqa: E402
from llm_loop.trainer.scoring.predictions import Predictions  # noqa: E402
from llm_loop.trainer.scoring.score import interval, score  # noqa: E402
from llm_loop.trainer.settings import EvaluationSettings  # noqa: E402

SEEDS = pytest.mark.parametrize("seeds", [range(20), pytest.param(range(20, 240), marks=pytest.mark.slow)])
FIXED = EvaluationSettings(threshold=0.4)


def image_set(labels, masks=None) -> ImageSet:
    return ImageSet(images=np.zeros((len(labels), 1, 1, 1), np.uint8), labels=np.asarray(labels), masks=masks)


def mask_case(seed: int, n: int | None = None, classes: int = 2, size: int = 6) -> tuple[Predictions, ImageSet]:
    """Draw masks and presence: empty masks, images of one class, ties, constants and certainties among them."""
    draws = np.random.default_rng(seed)
    n = n or int(draws.integers(1, 12))
    truth = draws.integers(classes, size=(n, size, size), dtype=np.uint8)
    truth[draws.random(n) < draws.choice([0.0, 0.4, 1.0])] = 0
    masks = draws.integers(256 if classes == 2 else classes, size=truth.shape, dtype=np.uint8)
    if draws.random() < 0.2:
        masks[:] = draws.choice([0, 255 if classes == 2 else classes - 1])
    presence = draws.choice([draws.random(n), draws.integers(3, size=n) / 2, np.full(n, 0.3)], axis=0)
    labels = truth.any(axis=(1, 2)).astype(np.int64)
    return Predictions(masks=masks, presence=presence.astype(np.float32)), image_set(labels, truth)


def class_case(seed: int, n: int | None = None, classes: int = 2) -> tuple[Predictions, ImageSet]:
    draws = np.random.default_rng(seed)
    n = n or int(draws.integers(1, 30))
    logits = draws.choice([draws.normal(size=(n, classes)) * 3, draws.integers(2, size=(n, classes)) * 50.0], axis=0)
    return Predictions(classes=logits.astype(np.float32)), image_set(
        draws.integers(draws.integers(classes) + 1, size=n)
    )


def same(ours: float | None, theirs: float | None) -> bool:
    return ours is theirs is None or (ours is not None and theirs is not None and abs(ours - theirs) < 1e-6)


def of_library(name: str, *given, **more) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(getattr(oracle, name)(*given, **more))


def of_two(positive, probabilities, threshold: float) -> dict[str, float | None]:
    """Return by scikit-learn the metrics of two classes."""
    some, others, taken = positive.any(), not positive.all(), probabilities >= threshold
    precision, recall, _ = oracle.precision_recall_curve(positive, probabilities) if some else (np.ones(1),) * 3
    with np.errstate(invalid="ignore"):
        best = np.nanmax(2 * precision * recall / (precision + recall))
    return {
        "val_roc_auc": of_library("roc_auc_score", positive, probabilities) if some and others else None,
        "val_average_precision": of_library("average_precision_score", positive, probabilities) if some else None,
        "val_best_f1": float(best) if some else None,
        "val_sensitivity": of_library("recall_score", positive, taken) if some else None,
        "val_specificity": of_library("recall_score", ~positive, ~taken) if others else None,
    }


def own_dice(true, taken) -> float:
    """Return by scikit-learn the Dice of one image of several classes."""
    occur = [number for number in np.union1d(true, taken) if number]
    return of_library("f1_score", true.ravel(), taken.ravel(), labels=occur, average="macro")


def calibration(confidences, hits) -> float:
    """Return the expected calibration error, bin by bin."""
    total, edges = 0.0, np.arange(16) / 15
    for low, high in itertools.pairwise(edges):
        inside = (confidences > low) & (confidences <= high)
        if inside.any():
            total += inside.mean() * abs(confidences[inside].mean() - hits[inside].mean())
    return total


@SEEDS
def test_masks_of_two_classes_agree_with_scikit_learn(seeds: range) -> None:
    for seed in seeds:
        guess, truth = mask_case(seed)
        ours = score(guess, truth, task=Task.SEGMENTATION, classes=2, evaluation=FIXED)
        taken, true = (guess.masks / 255 >= 0.4), truth.masks > 0
        flat = true.ravel(), taken.ravel()
        some, with_truth = taken.any() or true.any(), true.any(axis=(1, 2))
        own = [of_library("f1_score", true[row].ravel(), taken[row].ravel()) for row in np.flatnonzero(with_truth)]
        theirs = {
            "val_dice": of_library("f1_score", *flat) if some else None,
            "val_iou": of_library("jaccard_score", *flat) if some else None,
            "val_pixel_precision": of_library("precision_score", *flat) if some else None,
            "val_pixel_recall": of_library("recall_score", *flat) if some else None,
            "val_dice_pos": float(np.mean(own)) if own else None,
        }
        assert all(same(ours[name], theirs[name]) for name in theirs), (seed, ours, theirs)


@SEEDS
def test_masks_of_more_classes_agree_with_scikit_learn(seeds: range) -> None:
    for seed in seeds:
        guess, truth = mask_case(seed, classes=5)
        ours = score(guess, truth, task=Task.SEGMENTATION, classes=5, evaluation=FIXED)
        flat = truth.masks.ravel(), guess.masks.ravel()
        occur = [number for number in range(1, 5) if any((part == number).any() for part in flat)]
        how = {"labels": occur, "average": "macro"}
        own = [own_dice(true, taken) for true, taken in zip(truth.masks, guess.masks, strict=True) if true.any()]
        theirs = {
            "val_dice": of_library("f1_score", *flat, **how) if occur else None,
            "val_iou": of_library("jaccard_score", *flat, **how) if occur else None,
            "val_pixel_precision": of_library("precision_score", *flat, **how) if occur else None,
            "val_pixel_recall": of_library("recall_score", *flat, **how) if occur else None,
            "val_dice_pos": float(np.mean(own)) if own else None,
        }
        assert all(same(ours[name], theirs[name]) for name in theirs), (seed, ours, theirs)


@SEEDS
def test_presence_agrees_with_scikit_learn(seeds: range) -> None:
    for seed in seeds:
        guess, truth = mask_case(seed)
        ours = score(guess, truth, task=Task.DUAL_HEAD, classes=2, evaluation=FIXED)
        positive, probabilities = truth.labels > 0, guess.presence.astype(float)
        theirs = of_two(positive, probabilities, 0.4) | {
            "val_accuracy": of_library("accuracy_score", positive, probabilities >= 0.4),
            "val_log_loss": of_library("log_loss", positive, guess.presence, labels=[False, True]),
            "val_ece": calibration(np.maximum(probabilities, 1 - probabilities), (probabilities >= 0.5) == positive),
        }
        assert all(same(ours[name], theirs[name]) for name in theirs), (seed, ours, theirs)


@pytest.mark.parametrize("classes", [2, 5])
@SEEDS
def test_classes_agree_with_scikit_learn(classes: int, seeds: range) -> None:
    for seed in seeds:
        guess, truth = class_case(seed, classes=classes)
        ours = score(guess, truth, task=Task.CLASSIFICATION, classes=classes, evaluation=FIXED)
        logits, labels = guess.classes.astype(float), truth.labels
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities, guessed = odds / odds.sum(axis=1, keepdims=True), logits.argmax(axis=1)
        theirs = {
            "val_accuracy": of_library("accuracy_score", labels, guessed),
            "val_macro_f1": of_library("f1_score", labels, guessed, average="macro"),
            "val_ece": calibration(probabilities.max(axis=1), guessed == labels),
        }
        if (probabilities[np.arange(len(labels)), labels] > 1e-15).all():  # beyond it scikit-learn clips
            theirs["val_log_loss"] = of_library("log_loss", labels, probabilities, labels=range(classes))
        if classes == 2:
            theirs |= of_two(labels > 0, probabilities[:, 1], 0.4)
        assert all(same(ours[name], theirs[name]) for name in theirs), (seed, ours, theirs)
        assert ours["threshold"] == (0.4 if classes == 2 else None)


def test_an_empty_answer_has_dice_0_and_an_empty_truth_none() -> None:
    truth = np.zeros((2, 4, 4), np.uint8)
    guess = Predictions(masks=np.zeros((2, 4, 4), np.uint8), presence=np.zeros(2, np.float32))
    empty = score(guess, image_set([0, 0], truth), task=Task.SEGMENTATION, classes=2, evaluation=FIXED)
    assert empty["val_dice"] is empty["val_dice_pos"] is empty["val_roc_auc"] is empty["val_sensitivity"] is None
    assert empty["val_specificity"] == empty["val_accuracy"] == 1.0
    truth[0, 1, 1] = 1
    missed = score(guess, image_set([1, 0], truth), task=Task.SEGMENTATION, classes=2, evaluation=FIXED)
    assert missed["val_dice"] == missed["val_dice_pos"] == missed["val_pixel_precision"] == 0.0
    assert missed["val_roc_auc"] == 0.5


def test_certain_and_wrong_is_finite() -> None:
    guess = Predictions(classes=np.array([[3e38, -3e38], [0.0, 3e38]], np.float32))
    values = score(guess, image_set([1, 0]), task=Task.CLASSIFICATION, classes=2, evaluation=FIXED)
    assert np.isfinite([value for value in values.values() if value is not None]).all()
    guess = Predictions(masks=np.zeros((2, 1, 1), np.uint8), presence=np.array([0.0, 1.0], np.float32))
    truth = image_set([1, 0], np.array([[[1]], [[0]]], np.uint8))
    values = score(guess, truth, task=Task.DUAL_HEAD, classes=2, evaluation=FIXED)
    assert values["val_log_loss"] == pytest.approx(15.9, abs=0.1)


@pytest.mark.parametrize("seed", range(6))
def test_a_tuned_threshold_is_the_best_of_all_steps(seed: int) -> None:
    guess, truth = mask_case(seed, n=8)

    def values(threshold: float) -> dict[str, float | None]:
        fixed = EvaluationSettings(threshold=threshold)
        return score(guess, truth, task=Task.DUAL_HEAD, classes=2, evaluation=fixed)

    every = {level: values(level / 255) for level in range(1, 256)}
    tuned = score(
        guess, truth, task=Task.DUAL_HEAD, classes=2, evaluation=EvaluationSettings(threshold=0.3, tune_threshold=True)
    )
    if not truth.labels.any():
        assert tuned["threshold"] == tuned["presence_threshold"] == 0.3
        return
    highest = max(every[level]["val_dice"] for level in every)
    nearest = min((level for level in every if every[level]["val_dice"] == highest), key=lambda x: abs(x - 127.5))
    assert tuned["threshold"] == nearest / 255 and tuned["val_dice"] == highest
    positive = truth.labels > 0
    f1 = {level: of_library("f1_score", positive, guess.presence >= level / 255) for level in every}
    assert f1[round(tuned["presence_threshold"] * 255)] == pytest.approx(max(f1.values()))
    ties = [level for level in f1 if f1[level] == pytest.approx(max(f1.values()))]
    assert tuned["presence_threshold"] == min(ties, key=lambda x: abs(x - 127.5)) / 255


def test_a_classifier_of_two_has_its_threshold_tuned_and_keeps_its_accuracy() -> None:
    guess, truth = class_case(3, n=60)
    plain = score(guess, truth, task=Task.CLASSIFICATION, classes=2, evaluation=EvaluationSettings())
    tuned = score(guess, truth, task=Task.CLASSIFICATION, classes=2, evaluation=EvaluationSettings(tune_threshold=True))
    assert plain["val_accuracy"] == tuned["val_accuracy"]
    assert tuned["threshold"] != 0.5
    assert tuned["val_sensitivity"] >= plain["val_sensitivity"]


OF_MASKS = [metric for metric in Metric if metric is not Metric.MACRO_F1]


def learned(seed: int, n: int, size: int = 8) -> tuple[Predictions, ImageSet]:
    """Draw masks that are half right: each pixel and each presence tells something of the truth."""
    draws = np.random.default_rng(seed)
    truth = (draws.random((n, size, size)) < 0.1).astype(np.uint8)
    truth[: n // 2] = 0
    chance = 1 / (1 + np.exp(-(2.5 * truth - 1.5 + draws.normal(size=truth.shape))))
    presence = 1 / (1 + np.exp(-(1.5 * truth.any(axis=(1, 2)) - 0.7 + draws.normal(size=n))))
    guess = Predictions(masks=(chance * 255).round().astype(np.uint8), presence=presence.astype(np.float32))
    return guess, image_set(truth.any(axis=(1, 2)).astype(np.int64), truth)


@pytest.mark.parametrize("metric", OF_MASKS)
def test_the_interval_of_masks_holds_the_value_and_repeats(metric: Metric) -> None:
    guess, truth = learned(1, 60)
    how = {"task": Task.DUAL_HEAD, "classes": 2}
    value = score(guess, truth, **how, evaluation=EvaluationSettings())[metric.value]
    low, high = interval(metric, guess, truth, **how, threshold=0.5, presence_threshold=0.5)
    assert low < value < high and high - low < 0.6
    assert (low, high) == interval(metric, guess, truth, **how, threshold=0.5, presence_threshold=0.5)


@pytest.mark.parametrize("metric", list(Metric)[:6])
def test_the_interval_of_classes_holds_the_value(metric: Metric) -> None:
    guess, truth = class_case(8, n=80)
    truth = image_set(np.where(np.arange(80) % 3 == 0, truth.labels, guess.classes.argmax(axis=1)))
    value = score(guess, truth, task=Task.CLASSIFICATION, classes=2, evaluation=EvaluationSettings())[metric.value]
    low, high = interval(metric, guess, truth, task=Task.CLASSIFICATION, classes=2, threshold=0.5)
    assert low < value < high


@pytest.mark.parametrize("metric", OF_MASKS)
def test_a_resample_is_scored_as_the_images_drawn_would_be(metric: Metric, monkeypatch: pytest.MonkeyPatch) -> None:
    guess, truth = learned(2, 12)
    rows = np.random.default_rng(0).integers(12, size=12)
    drawn = Predictions(masks=guess.masks[rows], presence=guess.presence[rows])
    again = image_set(truth.labels[rows], truth.masks[rows])
    how = {"task": Task.DUAL_HEAD, "classes": 2}
    value = score(drawn, again, **how, evaluation=EvaluationSettings())[metric.value]
    weights = np.bincount(rows, minlength=12)[None].astype(float)
    monkeypatch.setattr("llm_loop.trainer.scoring.score.resamples", lambda n: iter([weights]))
    assert interval(metric, guess, truth, **how, threshold=0.5) == pytest.approx((value, value))


def test_the_interval_has_the_width_that_theory_gives() -> None:
    guess, truth = learned(3, 540)
    how = {"task": Task.DUAL_HEAD, "classes": 2}
    rate = score(guess, truth, **how, evaluation=EvaluationSettings())["val_accuracy"]
    low, high = interval(Metric.ACCURACY, guess, truth, **how, threshold=0.5)
    assert high - low == pytest.approx(2 * 1.96 * (rate * (1 - rate) / 540) ** 0.5, rel=0.1)


def test_resamples_without_a_number_are_passed_over_and_none_has_none() -> None:
    guess, truth = learned(4, 6)
    one = image_set([0, 0, 0, 0, 0, 1], truth.masks)  # many resamples lack the only positive
    how = {"task": Task.DUAL_HEAD, "classes": 2, "threshold": 0.5}
    low, high = interval(Metric.ROC_AUC, guess, one, **how)
    assert 0 <= low <= high <= 1
    assert interval(Metric.ROC_AUC, guess, image_set([0] * 6, truth.masks), **how) is None
    assert interval(Metric.MACRO_F1, guess, one, **how) is None


@pytest.mark.parametrize("metric", [Metric.ROC_AUC, Metric.DICE_POS, Metric.LOG_LOSS])
def test_chunks_do_not_change_the_interval(metric: Metric, monkeypatch: pytest.MonkeyPatch) -> None:
    guess, truth = learned(5, 40)
    how = {"task": Task.DUAL_HEAD, "classes": 2, "threshold": 0.5}
    whole = interval(metric, guess, truth, **how)
    monkeypatch.setattr(weighing, "_CHUNK_CELLS", 1000)
    assert interval(metric, guess, truth, **how) == pytest.approx(whole, abs=1e-12)


@pytest.mark.parametrize("metric", OF_MASKS)
def test_the_interval_is_cheap(metric: Metric) -> None:
    guess, truth = learned(6, 540, size=64)
    started = time.process_time()
    interval(metric, guess, truth, task=Task.DUAL_HEAD, classes=2, threshold=0.5)
    assert time.process_time() - started < 1.0
