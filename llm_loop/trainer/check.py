"""All of a training that can fail before it trains: one step on a few images, on the CPU, with nothing written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from llm_loop.trainer.checkpoint import Resume
from llm_loop.trainer.choices import Precision
from llm_loop.trainer.device import expect_device, is_of_cpu_for_sure, repeatable
from llm_loop.trainer.epoch import train_epoch
from llm_loop.trainer.failures import is_of_host_memory
from llm_loop.trainer.fit_state import FitState, start
from llm_loop.trainer.images.image_set import Dataset, ImageSet
from llm_loop.trainer.images.load import load_few
from llm_loop.trainer.networks.build import weight_count
from llm_loop.trainer.outputs import RunFolder
from llm_loop.trainer.settings import Settings
from llm_loop.trainer.settings_file import flatten, to_mapping
from llm_loop.trainer.stop_request import StopRequest
from llm_loop.trainer.train import make_model

_MOST_IMAGES = 4
_FEWEST_IMAGES = 2  # batch normalisation divides by the spread of a batch


def check(settings: Settings, output_dir: Path, environ: Mapping[str, str], resume: Resume | None = None) -> str:
    """Take one step of a training, as its first would be but on at most four images; return what was checked.

    ``environ`` are the variables of a training: this process is to see no CUDA device, but hears whether there is one.
    Raises what ``train`` raises. What a training that may run elsewhere does not need is no failure: where the memory
    of the CPU is too small for the step, the line says that the step was left out.
    """
    checkpoint = None if resume is None else resume.load()
    RunFolder(output_dir).expect_place()
    torch.set_num_threads(settings.training.threads)
    expect_device(settings.training.device, environ)
    data = _few_images(settings)
    if resume is not None and checkpoint is not None:
        resume.fitting(checkpoint, flatten(to_mapping(settings)), None)
    model = make_model(settings, data)
    run = start(model, data, _one_step(settings, len(data.train)), torch.device("cpu"), StopRequest(output_dir))
    size = data.train.images.shape[-1]
    step = f"one {settings.optimizer.name} step on {len(data.train)} images of {size} x {size} pixels on the CPU"
    if not _takes_step(run, must=_must_fit(settings, len(data.train))):
        step = "no step, since the memory of the CPU is too small for it"
    return f"checked: {len(data.classes)} classes; {settings.model.name}, {weight_count(model):,} weights; {step}"


def _few_images(settings: Settings) -> Dataset:
    """Return at most four training images and all classes. Raises DataError where a training would."""
    most = min(_MOST_IMAGES, max(_FEWEST_IMAGES, settings.training.batch_size))
    data = load_few(settings, most)
    train = data.train
    masks = None if train.masks is None else train.masks[:most]
    few = ImageSet(images=train.images[:most], labels=train.labels[:most], masks=masks, keys=train.keys[:most])
    return replace(data, train=few)


def _one_step(settings: Settings, images: int) -> Settings:
    """Return the settings for one step on the CPU: what only a device can do, and compiling, are left out."""
    training = replace(
        settings.training, batch_size=images, accumulate_steps=1, max_minutes=None, compile=False, channels_last=False
    )
    if not is_of_cpu_for_sure(training.device):
        training = replace(training, precision=Precision.FP32)
    return replace(settings, training=training)


def _takes_step(run: FitState, *, must: bool) -> bool:
    """Take the step; tell whether the memory of the CPU held it, which is a failure only where it ``must``."""
    try:
        with repeatable(torch.device("cpu"), strictly=run.settings.training.deterministic):
            train_epoch(run, 1)
    except (MemoryError, RuntimeError) as error:
        if must or not is_of_host_memory(error):
            raise
        return False
    return True


def _must_fit(settings: Settings, images: int) -> bool:
    """Tell whether a training surely needs the memory that ``images`` at once need on the CPU."""
    return is_of_cpu_for_sure(settings.training.device) and settings.training.batch_size >= images
