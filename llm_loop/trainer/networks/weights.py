"""Start a network from the weights in a file: one of ours, of the same network elsewhere, or of an encoder alone."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from llm_loop.errors import ConfigError
from llm_loop.trainer.failures import is_of_host_memory

_OURS = "network."  # how best_model.pt names the parts of a network
_WRAPPED = ("model", "state_dict")  # where checkpoints, ours too, keep the weights among other things
_HEADS = ("head", "presence", "segmentation_head", "classification_head")
_COUNTERS = "num_batches_tracked"
_NAMED = 3


def load_weights(network: nn.Module, file: str) -> str | None:
    """Load the weights in ``file`` into ``network``; return one line on what of the network is not from there, or None.

    The file holds a state dict: ``best_model.pt`` or the checkpoint of a run, one of the network as its library saves
    it, or one of a plain encoder. Heads may be missing or of another size: they keep
    their random weights. A first layer for three channels is summed up for one, as timm does with grey images. The
    normalisation of the images is not taken over. Raises ConfigError where the file cannot be read or is of another
    network.
    """
    path = Path(file)
    state = _read(path)
    own = network.state_dict()
    heads = _head_names(network)
    prefix, given = max(
        ((prefix, _renamed(state, prefix)) for prefix in _prefixes(network)),
        key=lambda choice: sum(_fits(choice[1].get(name), value) for name, value in own.items()),
    )
    body = [name for name in own if not _is_in(name, heads) and not name.endswith(_COUNTERS)]
    wanted = [name for name in body if name.startswith(prefix)]
    wrong = [name for name in wanted if not _fits(given.get(name), own[name])]
    if wrong or not wanted:
        raise ConfigError(_of_another(path, wrong, own, given))
    fitting = {name: _like(given[name], value) for name, value in own.items() if _fits(given.get(name), value)}
    network.load_state_dict(fitting, strict=False)
    fresh = sorted({name.rpartition(".")[0] for name in own if name not in fitting and not name.endswith(_COUNTERS)})
    if not fresh:
        return None
    named = "everything but the encoder" if prefix else ", ".join(fresh[:_NAMED])
    return f"model.weights_file {path}: not from there, so with random weights: {named}"


def _read(path: Path) -> dict[str, Tensor]:
    """Return the state dict in a file. Raises ConfigError."""
    try:
        value: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ConfigError(f"model.weights_file {path}: there is no such file") from error
    except pickle.UnpicklingError as error:
        raise ConfigError(f"model.weights_file {path}: it holds more than weights: save a state dict") from error
    except (AttributeError, EOFError, KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        if is_of_host_memory(error):
            raise
        raise ConfigError(f"model.weights_file {path}: it cannot be read ({type(error).__name__})") from error
    for wrapped in _WRAPPED:
        if isinstance(value, Mapping) and isinstance(value.get(wrapped), Mapping):
            value = value[wrapped]
    parts = value.items() if isinstance(value, Mapping) else ()
    state = {str(name): part for name, part in parts if isinstance(part, Tensor)}
    if not state:
        raise ConfigError(f"model.weights_file {path}: it holds no weights by name: save a state dict")
    return state


def _prefixes(network: nn.Module) -> list[str]:
    """Return under which names the file's may stand in the network: as they are, or as those of its encoder."""
    names = {name for name, _ in network.named_modules()}
    return ["", *(f"{name}." for name in ("encoder", "encoder.model") if name in names)]


def _renamed(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the weights as the network would name them; the normalisation of images is no part of the network."""
    if any(name.startswith(_OURS) for name in state):
        state = {name.removeprefix(_OURS): value for name, value in state.items() if name.startswith(_OURS)}
    return {prefix + name: value for name, value in state.items()}


def _fits(given: Tensor | None, wanted: Tensor) -> bool:
    return given is not None and (given.shape == wanted.shape or _is_of_colours(given, wanted))


def _is_of_colours(given: Tensor, wanted: Tensor) -> bool:
    """Tell whether ``given`` is a convolution of three channels where one of a single channel is wanted."""
    return given.ndim == wanted.ndim == 4 and given.shape[1] == 3 and given[:, :1].shape == wanted.shape


def _like(given: Tensor, wanted: Tensor) -> Tensor:
    return given if given.shape == wanted.shape else given.sum(1, keepdim=True)


def _head_names(network: nn.Module) -> tuple[str, ...]:
    """Return the names of the layers that depend on the classes: of ours, of smp, and the classifier of timm."""
    config = getattr(network, "pretrained_cfg", None)
    of_timm = config.get("classifier") if isinstance(config, Mapping) else None
    return (*_HEADS, *([of_timm] if isinstance(of_timm, str) else of_timm or ()))


def _is_in(name: str, heads: tuple[str, ...]) -> bool:
    return any(name.startswith(f"{head}.") for head in heads)


def _of_another(path: Path, wrong: list[str], own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str:
    told = f"model.weights_file {path}: it is of another network than model.name and its keys say"
    if not wrong:
        return told
    name = wrong[0]
    has = f"has the shape {tuple(given[name].shape)} there" if name in given else "is not there"
    return f"{told}: {len(wrong)} of its weights do not fit; {name}, here {tuple(own[name].shape)}, {has}"
