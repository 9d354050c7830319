"""How much memory a run is expected to take, by what earlier runs took at most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llm_loop.memory.history import HistoryRow

LAST_RUNS = 20
LAST_OF_MODEL = 8
_MODEL_KEYS = ("model.name", "model", "model_name", "arch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """Hold the most memory that one ended run took, in bytes: of the machine and of its device; None if unknown."""

    model: str | None = None
    host_bytes: int | None = None
    device_bytes: int | None = None


def peak_of(row: HistoryRow) -> Peak:
    """Return what an ended run took."""
    told = None if row.result is None else row.result.model
    params = row.params if row.result is None or row.result.params is None else row.result.params
    return Peak(
        model=model_of(params) or told,
        host_bytes=row.peak_memory_bytes,
        device_bytes=row.device_peak_bytes,
    )


def expected(peaks: Sequence[Peak], model: str | None) -> Peak:
    """Return what the next run may take, the latest run last in ``peaks``.

    The most that the last 8 of its model took; for a model that never ran, or is not known, the most of the last 20.
    """
    return Peak(
        model=model,
        host_bytes=_most([(peak.model, peak.host_bytes) for peak in peaks], model),
        device_bytes=_most([(peak.model, peak.device_bytes) for peak in peaks], model),
    )


def model_of(params: Mapping[str, Any] | None) -> str | None:
    """Return the model that flat parameters name, as the reference trainer or most others spell it."""
    found = next((value for key in _MODEL_KEYS if (value := (params or {}).get(key))), None)
    return found if isinstance(found, str) else None


def _most(known: Sequence[tuple[str | None, int | None]], model: str | None) -> int | None:
    """Return the largest of the last known values of the model, else of any."""
    counted = [(name, value) for name, value in known if value]
    same = [value for name, value in counted if model is not None and name == model and value]
    return max(same[-LAST_OF_MODEL:] or [value for _, value in counted[-LAST_RUNS:] if value], default=None)
