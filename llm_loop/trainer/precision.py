"""The arithmetic of the forward pass, and what a device can do of it."""

from __future__ import annotations

import platform
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from llm_loop.errors import ConfigError
from llm_loop.trainer.choices import Precision

_ARM = {"aarch64", "arm64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Arithmetic:
    """Hold the type in which a network computes on a device; None: that of its weights, 32 bits."""

    device_type: str
    dtype: torch.dtype | None = None

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context of a forward pass; losses belong outside of it."""
        if self.dtype is None:
            return nullcontext()
        return torch.autocast(self.device_type, self.dtype)

    def scaler(self) -> torch.amp.GradScaler | None:
        """Return what keeps small gradients of fp16 from vanishing (loss scaling); None where none is needed."""
        return torch.amp.GradScaler(self.device_type) if self.dtype is torch.float16 else None

    @property
    def precision(self) -> Precision:
        """Return its name, for people."""
        return {torch.bfloat16: Precision.BF16, torch.float16: Precision.FP16}.get(self.dtype, Precision.FP32)


def choose_arithmetic(wanted: Precision, device: torch.device) -> Arithmetic:
    """Return the arithmetic for ``training.precision``. Raises ConfigError where the device would be slower by it."""
    match wanted:
        case Precision.BF16:
            _refuse_slow_bf16(device)
            return Arithmetic(device_type=device.type, dtype=torch.bfloat16)
        case Precision.FP16:
            if device.type == "cpu":
                raise ConfigError("training.precision fp16: CPUs are slower by it; set it to auto, or take a GPU")
            return Arithmetic(device_type=device.type, dtype=torch.float16)
        case Precision.AUTO if device.type == "cuda" and has_native_bf16(device):
            return Arithmetic(device_type=device.type, dtype=torch.bfloat16)
    return Arithmetic(device_type=device.type)


def has_native_bf16(device: torch.device) -> bool:
    """Tell whether a device computes in bf16 itself: CUDA from Ampere on; CPUs with AVX512-BF16, AMX or Arm's BF16."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if platform.machine().lower() in _ARM:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # what torch knows of them, by version
    return any(bool(getattr(torch.cpu, name, bool)()) for name in names)


def _refuse_slow_bf16(device: torch.device) -> None:
    if not has_native_bf16(device):
        name = "this CPU" if device.type == "cpu" else torch.cuda.get_device_name(device)
        raise ConfigError(
            f"training.precision bf16: {name} has no native bf16 and would be many times slower; set it to auto or fp32"
        )
