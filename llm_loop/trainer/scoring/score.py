"""All validation metrics of a set of predictions, and how far chance alone could have moved one of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from llm_loop.trainer.choices import Metric, Task
from llm_loop.trainer.images.image_set import ImageSet
from llm_loop.trainer.images.splits import Rows
from llm_loop.trainer.scoring import likelihood, thresholds
from llm_loop.trainer.scoring.overlap import Masks, areas_of_numbers, areas_of_steps, macro_f1
from llm_loop.trainer.scoring.predictions import Predictions
from llm_loop.trainer.scoring.ranking import Ranking, f1_of
from llm_loop.trainer.scoring.weighing import Flags, Floats, Measure, all_once, mean_of, resamples
from llm_loop.trainer.settings import EvaluationSettings

Scores = dict[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Hold from which probability on a pixel and an image count as positive.

    ``best_f1`` is that of images for val_best_f1 alone; None: the best for the very images that are scored.
    """

    pixels: float
    images: float
    best_f1: float | None = None


def score(
    predictions: Predictions, truth: ImageSet, *, task: Task, classes: int, evaluation: EvaluationSettings
) -> Scores:
    """Return all validation metrics by name, None where one is undefined, and the thresholds they were taken at.

    ``predictions`` must be finite. ``classes`` are those of the images, or those of the pixels. ``threshold`` is that
    of pixels where there are masks of two classes, that of the second class where there are two classes of images, else
    None; ``presence_threshold``, of tasks with masks alone, is that of images. Where they are tuned, that of pixels is
    the best for val_dice, that of images the best for F1.

    Of all tasks: val_log_loss, val_accuracy, val_ece. Of classification also val_macro_f1. Of two classes, or the
    presence of anything in a mask: val_roc_auc, val_average_precision, val_best_f1, and at the threshold
    val_sensitivity and val_specificity. Of masks: val_dice, val_iou, val_pixel_precision and val_pixel_recall over all
    pixels together, averaged over the classes but the background that occur in truth or prediction, and val_dice_pos,
    the mean of the own Dice of images with a positive pixel.
    """
    chosen = _thresholds(predictions, truth, task, classes, evaluation)
    return score_at(chosen, predictions, truth, task=task, classes=classes)


def score_at(chosen: Thresholds, predictions: Predictions, truth: ImageSet, *, task: Task, classes: int) -> Scores:
    """Return what ``score`` does, at thresholds that were chosen before."""
    weights = all_once(len(truth))
    values = {
        name: _plain(measure(weights)[0]) for name, measure in _measures(predictions, truth, task, classes, chosen)
    }
    if task.has_masks:
        return values | {
            "threshold": chosen.pixels if classes == 2 else None,
            "presence_threshold": chosen.images,
        }
    return values | {"threshold": chosen.images if classes == 2 else None}


def interval(
    metric: Metric,
    predictions: Predictions,
    truth: ImageSet,
    *,
    task: Task,
    classes: int,
    threshold: float | None = None,
    presence_threshold: float | None = None,
) -> tuple[float, float] | None:
    """Return the 2.5 and 97.5 percentile of ``metric`` over 1,000 resamples of the images, from a fixed seed.

    The thresholds are those that ``score`` returned; they are not tuned anew. Resamples that leave the metric undefined
    are passed over; None when the metric is undefined for the images themselves, or not one of the task. The interval
    tells the spread that the choice of validation images brings, not that of the training seed.
    """
    pixels = 0.5 if threshold is None else threshold
    chosen = Thresholds(pixels=pixels, images=pixels if presence_threshold is None else presence_threshold)
    return interval_at(chosen, metric, predictions, truth, task=task, classes=classes)


def interval_at(
    chosen: Thresholds, metric: Metric, predictions: Predictions, truth: ImageSet, *, task: Task, classes: int
) -> tuple[float, float] | None:
    """Return what ``interval`` does, at thresholds that were chosen before."""
    measure = dict(_measures(predictions, truth, task, classes, chosen)).get(metric.value)
    if measure is None or _plain(measure(all_once(len(truth)))[0]) is None:
        return None
    values = np.concatenate([measure(weights) for weights in resamples(len(truth))])
    low, high = np.percentile(values[~np.isnan(values)], [2.5, 97.5])
    return float(low), float(high)


def thresholds_for_others(
    predictions: Predictions, truth: ImageSet, *, task: Task, classes: int, evaluation: EvaluationSettings
) -> Thresholds:
    """Return the thresholds that these images choose, all of them, for images on which nothing may be chosen.

    Where no image is positive, nothing can be chosen for val_best_f1: it is taken at ``evaluation.threshold`` then.
    """
    chosen = _thresholds(predictions, truth, task, classes, evaluation)
    if not task.has_masks and classes != 2:
        return chosen
    scores = _presence(predictions) if task.has_masks else _second_class(_logits(predictions))
    best = Ranking(scores, truth.labels > 0).best_f1_threshold()
    return replace(chosen, best_f1=evaluation.threshold if best is None else best)


def _thresholds(
    predictions: Predictions, truth: ImageSet, task: Task, classes: int, evaluation: EvaluationSettings
) -> Thresholds:
    fixed = evaluation.threshold
    images = pixels = fixed
    if evaluation.tune_threshold and task.has_masks:
        images = thresholds.tune_images(_presence(predictions), truth.labels > 0, fixed)
        if classes == 2:
            pixels = thresholds.tune_pixels(*_masks(predictions, truth), fixed)
    elif evaluation.tune_threshold and classes == 2:
        images = thresholds.tune_images(_second_class(_logits(predictions)), truth.labels > 0, fixed)
    return Thresholds(pixels=pixels, images=images)


def _measures(
    predictions: Predictions, truth: ImageSet, task: Task, classes: int, chosen: Thresholds
) -> list[tuple[str, Measure]]:
    """Return every metric of the task by name, as a function of how often each image counts."""
    if not task.has_masks:
        measures = _of_classes(_logits(predictions), truth.labels, classes)
        if classes == 2:
            measures += _of_two(_second_class(_logits(predictions)), truth.labels > 0, chosen)
        return measures
    presence, positive = _presence(predictions), truth.labels > 0
    return (
        _of_masks(*_masks(predictions, truth), classes, chosen.pixels)
        + _of_two(presence, positive, chosen)
        + _of_presence(presence, positive, chosen.images)
    )


def _of_classes(logits: Floats, labels: Rows, classes: int) -> list[tuple[str, Measure]]:
    guessed = logits.argmax(axis=1)
    hits = guessed == labels
    confidences = np.exp(likelihood.log_probabilities(logits).max(axis=1))
    return [
        (Metric.LOG_LOSS.value, mean_of(likelihood.row_log_loss(logits, labels))),
        (Metric.ACCURACY.value, mean_of(hits)),
        (Metric.MACRO_F1.value, macro_f1(guessed, labels, classes)),
        ("val_ece", likelihood.calibration_error(confidences, hits)),
    ]


def _of_two(probabilities: Floats, positive: Flags, chosen: Thresholds) -> list[tuple[str, Measure]]:
    ranking, taken = Ranking(probabilities, positive), probabilities >= chosen.images
    fixed = chosen.best_f1
    best_f1 = ranking.best_f1 if fixed is None else f1_of(probabilities >= fixed, positive)
    return [
        (Metric.ROC_AUC.value, ranking.roc_auc),
        (Metric.AVERAGE_PRECISION.value, ranking.average_precision),
        (Metric.BEST_F1.value, best_f1),
        ("val_sensitivity", mean_of(taken, positive)),
        ("val_specificity", mean_of(~taken, ~positive)),
    ]


def _of_presence(probabilities: Floats, positive: Flags, threshold: float) -> list[tuple[str, Measure]]:
    likelier = np.maximum(probabilities, 1 - probabilities)
    right = (probabilities >= 0.5) == positive
    return [
        (Metric.LOG_LOSS.value, mean_of(likelihood.row_binary_log_loss(probabilities, positive))),
        (Metric.ACCURACY.value, mean_of((probabilities >= threshold) == positive)),
        ("val_ece", likelihood.calibration_error(likelier, right)),
    ]


def _of_masks(masks: Masks, truth: Masks, classes: int, threshold: float) -> list[tuple[str, Measure]]:
    if classes == 2:
        areas = areas_of_steps(masks, truth, thresholds.level_of(threshold))
    else:
        areas = areas_of_numbers(masks, truth, classes)
    return [
        (Metric.DICE.value, areas.dice),
        (Metric.DICE_POS.value, areas.dice_of_positives()),
        (Metric.IOU.value, areas.iou),
        ("val_pixel_precision", areas.precision),
        ("val_pixel_recall", areas.recall),
    ]


def _logits(predictions: Predictions) -> Floats:
    if predictions.classes is None:
        raise ValueError("a classification needs predictions of classes")
    return predictions.classes.astype(float)


def _second_class(logits: Floats) -> Floats:
    return np.exp(likelihood.log_probabilities(logits)[:, 1])


def _presence(predictions: Predictions) -> Floats:
    if predictions.presence is None:
        raise ValueError("a task with masks needs predictions of presence")
    return predictions.presence.astype(float)


def _masks(predictions: Predictions, truth: ImageSet) -> tuple[Masks, Masks]:
    if predictions.masks is None or truth.masks is None:
        raise ValueError("a task with masks needs masks, predicted and true")
    return predictions.masks, truth.masks


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
