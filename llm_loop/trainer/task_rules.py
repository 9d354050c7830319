"""What goes with what: the sources, losses and metrics of each task, and rules between other keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llm_loop.trainer.choices import ClassWeights, DataSource, LossName, Metric, Norm, Precision, Sampling, Task
from llm_loop.trainer.networks.names import Family, family_of, objection_to_task
from llm_loop.trainer.settings import Settings

_OF_MASKS = (DataSource.MASK_FOLDER, DataSource.MANIFEST, DataSource.XRAY)
SOURCES = {
    Task.CLASSIFICATION: (DataSource.DIGITS, DataSource.IMAGE_FOLDER, DataSource.MANIFEST),
    Task.SEGMENTATION: _OF_MASKS,
    Task.DUAL_HEAD: _OF_MASKS,
}
_OF_PRESENCE = (Metric.ROC_AUC, Metric.AVERAGE_PRECISION, Metric.BEST_F1)
_OF_PIXELS = (Metric.DICE, Metric.DICE_POS, Metric.IOU)
METRICS = {
    Task.CLASSIFICATION: (Metric.LOG_LOSS, Metric.ACCURACY, Metric.MACRO_F1, *_OF_PRESENCE),
    Task.SEGMENTATION: (*_OF_PIXELS, *_OF_PRESENCE),
    Task.DUAL_HEAD: (*_OF_PIXELS, *_OF_PRESENCE),
}
_LOSSES_OF_CLASSES = (LossName.CROSS_ENTROPY, LossName.FOCAL)
_NEED_ROOT = {
    DataSource.IMAGE_FOLDER: "a folder with one sub-folder a class",
    DataSource.MASK_FOLDER: "a folder with the sub-folders images and masks",
    DataSource.MANIFEST: "the folder of manifest.csv",
}


def objections(settings: Settings) -> Iterator[str]:
    """Yield what is wrong between keys, one line each, with what would go; the most basic first."""
    yield from _of_task(settings)
    yield from _of_data(settings)
    yield from _of_training(settings)
    selection = settings.selection
    if selection.direction not in (None, selection.metric.direction):
        yield f"selection.direction: {selection.metric} is better {selection.metric.direction}"


def _of_task(settings: Settings) -> Iterator[str]:
    task, name = settings.task, settings.model.name
    if (objection := objection_to_task(name, task)) is not None:
        yield objection
    if settings.data.source not in SOURCES[task]:
        yield f"data.source {settings.data.source}: task {task} goes with {_or(SOURCES[task])}"
    if settings.selection.metric not in METRICS[task]:
        yield f"selection.metric {settings.selection.metric}: task {task} goes with {_or(METRICS[task])}"
    if not task.has_masks and settings.loss.name not in _LOSSES_OF_CLASSES:
        yield f"loss.name {settings.loss.name}: task {task} goes with {_or(_LOSSES_OF_CLASSES)}"
    if task.has_masks and settings.loss.class_weights is not ClassWeights.NONE:
        yield f"loss.class_weights {settings.loss.class_weights}: it weighs classes of images, and task is {task}"
    if settings.model.encoder is not None and family_of(name) is not Family.SMP:
        yield f"model.encoder {settings.model.encoder}: only models of smp have one, and model.name is {name}"


def _of_data(settings: Settings) -> Iterator[str]:
    data = settings.data
    if data.source in _NEED_ROOT and not data.root:
        yield f"data.source {data.source} needs data.root, {_NEED_ROOT[data.source]}"
    if data.source is DataSource.DIGITS:
        if not 10 <= (data.train_images or 300) <= 300:
            yield "data.train_images: the digits have 10 to 300 training images"
        if settings.selection.metric in _OF_PRESENCE:
            yield f"selection.metric {settings.selection.metric}: it is of two classes, and the digits have ten"
    if data.source is DataSource.XRAY and (data.mask_classes or 2) > 2:
        yield f"data.mask_classes {data.mask_classes}: the masks of xray have 2"


def _of_training(settings: Settings) -> Iterator[str]:
    training = settings.training
    if settings.model.norm is Norm.BATCH and training.batch_size < 2:
        yield "training.batch_size: batch normalisation needs at least 2 images a batch"
    if training.precision is Precision.FP16 and training.device == "cpu":
        yield "training.precision fp16: CPUs are slower by it; set it to auto"
    if training.sampling is Sampling.HARD_NEGATIVE and settings.data.source is DataSource.DIGITS:
        yield "training.sampling hard_negative: of ten digits none is the negative one; set it to balanced"


def _or(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
