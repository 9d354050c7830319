"""The checkpoint of a training, ``last.pt``: all that a later training needs to go on from the end of an epoch."""

from __future__ import annotations

import io
import pickle
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from llm_loop.contract.run import CHECKPOINT
from llm_loop.system import files
from llm_loop.trainer.failures import CheckpointError, is_of_host_memory
from llm_loop.trainer.settings import Settings
from llm_loop.trainer.settings_file import flatten, to_mapping

SHARE_OF_TIME = 0.05
"""What writing checkpoints may cost at most, as a share of the training's time."""
_VERSION = 2
_EARLIER = range(1, _VERSION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Hold a training at the end of an epoch.

    ``params`` are the flat settings, ``spent_s`` the seconds trained so far, over all attempts. ``model``, ``average``,
    ``best_model``, ``optimizer`` and ``scaler`` are state dicts; ``average`` and ``scaler`` are None where there is
    none, ``best_model`` where this epoch is the best. ``best_predictions`` are the parts of those by name,
    ``sample_losses`` (training images) what hard_negative knows. ``generators`` are the states of the random
    generators by name, ``shuffling`` numpy's as JSON.
    """

    params: dict[str, Any]
    data_hash: str
    step: int
    spent_s: float
    rows: list[dict[str, Any]]
    best_epoch: int
    best_value: float
    best_predictions: dict[str, Tensor | None]
    model: dict[str, Any]
    average: dict[str, Any] | None
    best_model: dict[str, Any] | None
    optimizer: dict[str, Any]
    scaler: dict[str, Any] | None
    sample_losses: Tensor | None
    generators: dict[str, Any]
    shuffling: str

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a checkpoint, or the one in a folder. Raises CheckpointError."""
        file = path / CHECKPOINT if path.is_dir() else path
        try:
            value = torch.load(file, map_location="cpu", weights_only=True)
            if (version := value.pop("version")) != _VERSION:
                which = "an earlier version" if version in _EARLIER else "another version"
                raise CheckpointError(file, f"it is of {which} of this trainer, which kept other things")
            later = flatten(to_mapping(Settings().resolved()))  # what it does not know was as it is by default
            return cls(**value | {"params": later | value["params"]})
        except FileNotFoundError as error:
            raise CheckpointError(file, "there is none") from error
        except (AttributeError, EOFError, KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
            if is_of_host_memory(error):
                raise
            raise CheckpointError(file, f"it cannot be read ({type(error).__name__})") from error
        except pickle.UnpicklingError as error:
            raise CheckpointError(file, "it holds more than weights and numbers") from error

    def refuse_other(self, params: dict[str, Any], data_hash: str | None, path: Path) -> None:
        """Raise CheckpointError unless this checkpoint is of a training with these settings on these images.

        ``data_hash`` None: the images are not known yet.
        """
        other = [key for key in params.keys() | self.params.keys() if params.get(key) != self.params.get(key)]
        if other:
            raise CheckpointError(path, f"it is of other settings: {', '.join(sorted(other)[:4])}")
        if data_hash is not None and self.data_hash != data_hash:
            raise CheckpointError(path, "it is of other images")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Hold where a training shall go on. What does not fit an ``order`` is an error, an offer is then let be."""

    path: Path
    is_order: bool

    @classmethod
    def wanted(cls, path: Path | None, environ: Mapping[str, str]) -> Self | None:
        """Return the order of the command line, else the offer of the loop (LLM_LOOP_RESUME_DIR); None for neither."""
        if path is not None:
            return cls(path=path, is_order=True)
        offered = environ.get("LLM_LOOP_RESUME_DIR")
        return cls(path=Path(offered), is_order=False) if offered else None

    def load(self) -> Checkpoint | None:
        """Return the checkpoint there. Raises CheckpointError where an order cannot be followed."""
        return self._unless_offer(lambda: Checkpoint.load(self.path))

    def fitting(self, checkpoint: Checkpoint, params: dict[str, Any], data_hash: str | None) -> Checkpoint | None:
        """Return the checkpoint if it is of this training. Raises CheckpointError as ``load`` does."""

        def look() -> Checkpoint:
            checkpoint.refuse_other(params, data_hash, self.path)
            return checkpoint

        return self._unless_offer(look)

    def _unless_offer(self, act: Callable[[], Checkpoint]) -> Checkpoint | None:
        try:
            return act()
        except CheckpointError as error:
            if self.is_order:
                raise
            print(f"warning: {str(error).splitlines()[0]}; it begins anew", file=sys.stderr, flush=True)
            return None


class CheckpointFile:
    """Write the checkpoint of a run folder, as often as its cost allows; a kill leaves the last whole one.

    ``clock`` tells monotonic seconds.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = folder / CHECKPOINT
        self._clock = clock
        self._began_s = clock()
        self._cost_s = 0.0

    def offer(self, make: Callable[[], Checkpoint], *, due: bool = False) -> bool:
        """Write what ``make`` returns unless that would cost too much by now; ``due`` writes in any case.

        Tells whether it was written. Raises FileWriteError.
        """
        began_s = self._clock()
        if not due and self._cost_s > SHARE_OF_TIME * (began_s - self._began_s):
            return False
        checkpoint = make()
        value = {name: getattr(checkpoint, name) for name in checkpoint.__slots__}
        data = io.BytesIO()  # torch's own writer hides what the disk says
        torch.save({"version": _VERSION, **value}, data)
        files.replace_bytes(self._path, data.getbuffer())
        self._cost_s += self._clock() - began_s
        return True

    def remove(self) -> None:
        """Remove it: the training has come to its end. Raises FileWriteError."""
        files.remove(self._path)
