"""The device of a training, and whether it is there."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

from llm_loop.errors import ConfigError
from llm_loop.system.short_run import run_short

DEVICES_ARE_HIDDEN = "LLM_LOOP_CHECK_HIDES_DEVICES"
"""The variable that says 1 where the loop hides the devices from a check, which then can say nothing about them."""
_COUNT = "import torch; print(torch.cuda.device_count() if torch.cuda.is_available() else 0)"
_PATIENCE_S = 60.0
_REFUSED = "does not have a deterministic implementation"


def choose_device(name: str) -> torch.device:
    """Return the device for "auto", "cpu", "cuda" or "cuda:N". Raises ConfigError when it is not there."""
    found = torch.cuda.device_count() if name != "cpu" and torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda" if found else "cpu")
    _refuse_missing(torch.device(name), name, found)
    return torch.device(name)


def expect_device(name: str, environ: Mapping[str, str]) -> None:
    """Raise ConfigError as ``choose_device`` does, but never call CUDA in this process.

    Whatever asks CUDA for its devices lets the optimizers of torch take hold of the first one, even for weights on the
    CPU. So another process counts them, with ``environ``; where that brings no number, nothing is said.
    """
    device = torch.device("cpu" if name == "auto" else name)
    if device.type == "cpu" or environ.get(DEVICES_ARE_HIDDEN) == "1":
        return
    found = _counted(environ) if torch.backends.cuda.is_built() else 0
    if found is not None:
        _refuse_missing(device, name, found)


@contextmanager
def repeatable(device: torch.device, *, strictly: bool) -> Iterator[None]:
    """Let torch refuse operations whose results differ from run to run, where ``strictly``.

    Elsewhere cuDNN may try which of its algorithms is the fastest for each shape. Both are settings of the process:
    they are put back. Raises ConfigError for an operation that is refused.
    """
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(strictly)
    torch.backends.cudnn.benchmark = device.type == "cuda" and not strictly
    try:
        yield
    except RuntimeError as error:
        if not strictly or _REFUSED not in str(error):
            raise
        operation = str(error).split(maxsplit=1)[0]
        raise ConfigError(
            f"training.deterministic: {operation} gives other results from run to run on {device}; set it to false"
        ) from error
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]


def is_of_cpu_for_sure(name: str) -> bool:
    """Tell whether a training on this device certainly takes the CPU, without asking for devices."""
    return name == "cpu" or (name == "auto" and not torch.backends.cuda.is_built())


def _counted(environ: Mapping[str, str]) -> int | None:
    ended = run_short([sys.executable, "-c", _COUNT], deadline_s=_PATIENCE_S, env=environ)
    said = ended.stdout.strip()
    return int(said) if ended.exit_code == 0 and said.isdecimal() else None


def _refuse_missing(device: torch.device, name: str, found: int) -> None:
    if device.type == "cuda" and (device.index or 0) >= found:
        raise ConfigError(
            f"training.device {name}: torch {torch.__version__} finds {found} CUDA devices; set it to auto"
        )
