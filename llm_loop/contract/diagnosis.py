"""Why a run failed, as the loop understands it: a cause, how sure it is, and the line that tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self


class Cause(StrEnum):
    """The causes that are told apart."""

    MISSING_MODULE = "missing_module"
    MODULE_VERSION = "module_version"
    UNKNOWN_MODEL = "unknown_model"
    CUDA_OUT_OF_MEMORY = "cuda_out_of_memory"
    HOST_OUT_OF_MEMORY = "host_out_of_memory"
    NO_CUDA = "no_cuda"
    DRIVER_MISMATCH = "driver_mismatch"
    DEVICE_FAULT = "device_fault"
    DIVERGENCE = "divergence"
    DATA = "data"
    SHAPE_MISMATCH = "shape_mismatch"
    CONFIG_KEY_UNKNOWN = "config_key_unknown"
    CONFIG_INVALID = "config_invalid"
    CHECKPOINT = "checkpoint"
    DOWNLOAD = "download"
    FILE_LOCK = "file_lock"
    PERMISSION = "permission"
    PORT_IN_USE = "port_in_use"
    DISK_FULL = "disk_full"
    PROGRAM_MISSING = "program_missing"
    CODE_ERROR = "code_error"
    KILLED = "killed"
    CRASHED = "crashed"
    DEADLINE = "deadline"
    STALL = "stall"
    STOP_PATTERN = "stop_pattern"
    STOPPED = "stopped"
    INTERRUPT = "interrupt"
    NO_RESULT = "no_result"
    UNKNOWN = "unknown"


class Severity(StrEnum):
    """How far a cause reaches.

    low: nothing is wrong with the experiment or the machine; medium: this experiment as it stands; high: others that
    need the same module, file or device too; critical: nothing trains on this machine until it is mended.
    """

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Hold why a run failed. ``confidence`` is 0 to 1; ``evidence_line`` one clean line, None where nothing tells.

    ``details`` are data out of a hostile text. A name in them (``module``, ``model``) has the form of one; where the
    text named something else, ``name_is_usable`` is False and the name is not there. A failure that is not
    ``is_failure_of_idea`` says nothing about the idea that was tried.
    """

    cause: Cause
    confidence: float
    severity: Severity
    is_failure_of_idea: bool
    evidence_line: str | None = None
    details: Mapping[str, str | int | bool] = field(default_factory=dict)

    def named(self, detail: str) -> str | None:
        """Return a detail that is a text, None where there is none."""
        value = self.details.get(detail)
        return value if isinstance(value, str) else None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "cause": self.cause.value,
            "confidence": self.confidence,
            "severity": self.severity.value,
            "is_failure_of_idea": self.is_failure_of_idea,
            "evidence_line": self.evidence_line,
            "details": dict(self.details),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Build a diagnosis from its JSON form."""
        fields = {**value, "cause": Cause(value["cause"]), "severity": Severity(value["severity"])}
        return cls(**fields)
