"""What each cause means: how far it reaches, whether it may be held against the idea."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from llm_loop.contract.diagnosis import Cause, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """Hold what follows from a cause, whatever the run."""

    severity: Severity
    is_of_idea: bool


_LOW, _MEDIUM, _HIGH, _CRITICAL = Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL


def _idea(severity: Severity) -> Meaning:
    return Meaning(severity=severity, is_of_idea=True)


def _not_idea(severity: Severity) -> Meaning:
    return Meaning(severity=severity, is_of_idea=False)


MEANINGS: Mapping[Cause, Meaning] = MappingProxyType(
    {
        Cause.MISSING_MODULE: _not_idea(_HIGH),
        Cause.MODULE_VERSION: _not_idea(_HIGH),
        Cause.UNKNOWN_MODEL: _not_idea(_MEDIUM),
        Cause.CUDA_OUT_OF_MEMORY: _idea(_MEDIUM),
        Cause.HOST_OUT_OF_MEMORY: _idea(_MEDIUM),
        Cause.NO_CUDA: _not_idea(_HIGH),
        Cause.DRIVER_MISMATCH: _not_idea(_CRITICAL),
        Cause.DEVICE_FAULT: _not_idea(_CRITICAL),
        Cause.DIVERGENCE: _idea(_MEDIUM),
        Cause.DATA: _not_idea(_HIGH),
        Cause.SHAPE_MISMATCH: _idea(_MEDIUM),
        Cause.CONFIG_KEY_UNKNOWN: _not_idea(_MEDIUM),
        Cause.CONFIG_INVALID: _not_idea(_MEDIUM),
        Cause.CHECKPOINT: _not_idea(_MEDIUM),
        Cause.DOWNLOAD: _not_idea(_HIGH),
        Cause.FILE_LOCK: _not_idea(_MEDIUM),
        Cause.PERMISSION: _not_idea(_HIGH),
        Cause.PORT_IN_USE: _not_idea(_MEDIUM),
        Cause.DISK_FULL: _not_idea(_CRITICAL),
        Cause.PROGRAM_MISSING: _not_idea(_MEDIUM),
        Cause.CODE_ERROR: _not_idea(_MEDIUM),
        Cause.KILLED: _not_idea(_MEDIUM),
        Cause.CRASHED: _not_idea(_MEDIUM),
        Cause.DEADLINE: _idea(_MEDIUM),
        Cause.STALL: _not_idea(_MEDIUM),
        Cause.STOP_PATTERN: _idea(_LOW),
        Cause.STOPPED: _not_idea(_LOW),
        Cause.INTERRUPT: _not_idea(_LOW),
        Cause.NO_RESULT: _not_idea(_MEDIUM),
        Cause.UNKNOWN: _not_idea(_MEDIUM),
    }
)
"""An unknown cause is held against the idea only where the training's own exception was seen: see ``diagnose``."""
