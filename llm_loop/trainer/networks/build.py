"""Build the network that the settings name, and find out before a training whether it takes the images."""

from __future__ import annotations

import sys

import torch
from torch import Tensor, nn

from llm_loop.errors import ConfigError
from llm_loop.trainer.choices import Norm, Task
from llm_loop.trainer.failures import UnsupportedModelError, is_of_host_memory
from llm_loop.trainer.networks.batch_norm import SHORT_RUN_MOMENTUM, set_batch_norm_momentum, with_group_norm
from llm_loop.trainer.networks.from_smp import build_smp
from llm_loop.trainer.networks.from_timm import build_timm
from llm_loop.trainer.networks.model import Model, mask_maps
from llm_loop.trainer.networks.names import ALLOWED_MODELS, Family, family_of, objection_to_task
from llm_loop.trainer.networks.simple_unet import SimpleUnet, SimpleUnetDualHead
from llm_loop.trainer.networks.small_cnn import SmallCnn
from llm_loop.trainer.networks.weights import load_weights
from llm_loop.trainer.settings import ModelSettings

__all__ = ["Model", "build_model", "weight_count"]

_LIBRARIES = (Family.TIMM, Family.SMP)
_TRIED_SIZES = tuple(range(32, 513, 32))  # what the networks of timm and smp halve five times


def build_model(
    settings: ModelSettings, *, task: Task, channels: int, classes: int, image_size: int, mean: Tensor, std: Tensor
) -> Model:
    """Build the named network on the CPU, with random weights unless ``pretrained`` or ``weights_file`` say other.

    ``classes`` are those of images, or those of pixels where the task has masks: two of these are one map of logits.
    ``mean`` and ``std`` are those of each channel over the training images. Every BatchNorm layer, also one of timm
    or smp, gets ``batch_norm_momentum``, and where none is given what fits short runs: whoever knows the number of
    steps may set another. With a ``weights_file`` nothing is fetched. Raises UnsupportedModelError, or ConfigError
    when the network is not for this task, does not take images of this size, or its weights cannot be had.
    """
    family = family_of(settings.name)
    if family is None:
        raise UnsupportedModelError(settings.name, ALLOWED_MODELS)
    if objection := objection_to_task(settings.name, task):
        raise ConfigError(objection)
    if family in _LIBRARIES:
        network = _of_library(settings, family, task, channels, classes, image_size)
    else:
        network = _of_ours(settings, family, channels, classes, image_size)
    set_batch_norm_momentum(network, settings.batch_norm_momentum or SHORT_RUN_MOMENTUM)
    model = Model(network, task, mean, std)
    _try_out(model, settings.name, channels, classes, image_size)
    if settings.weights_file is not None and (left_out := load_weights(network, settings.weights_file)):
        print(f"warning: {left_out}", file=sys.stderr, flush=True)
    return model


def weight_count(model: nn.Module) -> int:
    """Return the number of trainable weights."""
    return sum(parameter.numel() for parameter in model.parameters())


def _of_ours(settings: ModelSettings, family: Family, channels: int, classes: int, image_size: int) -> nn.Module:
    if family is Family.SMALL_CNN:
        return SmallCnn(settings, channels, classes, image_size)
    kind = SimpleUnet if family is Family.SIMPLE_UNET else SimpleUnetDualHead
    return kind(settings, channels, mask_maps(classes))


def _of_library(
    settings: ModelSettings, family: Family, task: Task, channels: int, classes: int, image_size: int
) -> nn.Module:
    if settings.norm is Norm.NONE:
        raise ConfigError(
            f"model.norm none is for our own networks alone, not for {settings.name}: take batch or group"
        )
    pretrained = settings.pretrained and settings.weights_file is None
    try:
        if family is Family.TIMM:
            network = build_timm(
                settings, channels=channels, classes=classes, image_size=image_size, pretrained=pretrained
            )
        else:
            network = build_smp(
                settings,
                task=task,
                channels=channels,
                maps=mask_maps(classes),
                image_size=image_size,
                pretrained=pretrained,
            )
    except ConfigError:
        raise
    except (OSError, RuntimeError, ValueError, TypeError, AssertionError, LookupError, AttributeError) as error:
        if is_of_host_memory(error):
            raise
        raise ConfigError(_cannot_build(settings, image_size, error, pretrained=pretrained)) from error
    return with_group_norm(network) if settings.norm is Norm.GROUP else network


def _cannot_build(settings: ModelSettings, image_size: int, error: Exception, *, pretrained: bool) -> str:
    reason = _reason(error)
    encoder = f" with model.encoder {settings.encoder}" if settings.encoder else ""
    if pretrained:
        return (
            f"model.name {settings.name}{encoder}: its pretrained weights cannot be had here ({reason})\n"
            "set model.pretrained: false, or fetch them once on a machine with a network, or give model.weights_file"
        )
    return f"model.name {settings.name}{encoder} cannot be built for {image_size} x {image_size} pixels ({reason})"


def _try_out(model: Model, name: str, channels: int, classes: int, image_size: int) -> None:
    """Send two empty images through, in evaluation mode, so that statistics stay as they are.

    The model stays in evaluation mode. Raises ConfigError where it does not take the size or returns something else
    than the task wants.
    """
    model.eval()
    error = _trouble(model, channels, classes, image_size)
    if error is None:
        return
    if isinstance(error, ConfigError):
        raise error
    fitting = (size for size in sorted(_TRIED_SIZES, key=lambda size: abs(size - image_size)) if size != image_size)
    near = next((size for size in fitting if _trouble(model, channels, classes, size) is None), None)
    advice = "raise data.image_size" if near is None else f"set data.image_size: {near}, the nearest that goes"
    raise ConfigError(
        f"model.name {name} does not take {image_size} x {image_size} pixels ({_reason(error)})\n{advice}"
    ) from error


def _trouble(model: Model, channels: int, classes: int, image_size: int) -> Exception | None:
    """Return what goes wrong with images of this size, None for nothing; a ConfigError for a result of wrong shape."""
    try:
        with torch.no_grad():
            outputs = model(torch.zeros(2, channels, image_size, image_size))
    except (RuntimeError, ValueError, AssertionError, IndexError) as error:
        if is_of_host_memory(error):
            raise
        return error
    found = [tuple(part.shape) for part in outputs if part is not None]
    masks, presence = (2, mask_maps(classes), image_size, image_size), (2,)
    wanted = {
        Task.CLASSIFICATION: [(2, classes)],
        Task.SEGMENTATION: [masks],
        Task.DUAL_HEAD: [masks, presence],
    }[model.task]
    if found != wanted:
        return ConfigError(f"a network for task {model.task} returns the shapes {wanted}, but this one {found}")
    return None


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
