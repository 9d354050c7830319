"""``predictions.npz``: the validation predictions of the best epoch, and what else it takes to score them anew."""

from __future__ import annotations

import io
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import numpy as np

from llm_loop.trainer.failures import DataError
from llm_loop.trainer.images.image_set import ImageSet, content_hash
from llm_loop.trainer.scoring.predictions import Predictions

_FORM = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedPredictions:
    """Hold the predictions, the names of their images (may be empty), the hash of the truth, and the thresholds.

    A threshold is None where none is used; in the file it is NaN then.
    """

    predictions: Predictions
    keys: tuple[str, ...]
    truth_hash: str
    threshold: float | None = None
    presence_threshold: float | None = None

    def to_bytes(self) -> bytes:
        """Return the file's content: a compressed numpy archive without pickled objects."""
        parts = {field.name: getattr(self.predictions, field.name) for field in fields(Predictions)}
        arrays = {name: part for name, part in parts.items() if part is not None}
        data = io.BytesIO()
        np.savez_compressed(
            data,
            form=np.int64(_FORM),
            keys=np.array(self.keys, dtype=np.str_),
            truth_hash=np.array(self.truth_hash),
            threshold=np.float64(np.nan if self.threshold is None else self.threshold),
            presence_threshold=np.float64(np.nan if self.presence_threshold is None else self.presence_threshold),
            **arrays,
        )
        return data.getvalue()

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read such a file. Raises DataError."""
        from zipfile import BadZipFile  # a tenth of a second, and no training reads one

        try:
            with np.load(path, allow_pickle=False) as archive:
                found = {name: archive[name] for name in archive.files}
            if int(found["form"]) != _FORM:
                raise DataError(f"{path}: it is of another version of this trainer")
            return cls(
                predictions=Predictions(**{field.name: found.get(field.name) for field in fields(Predictions)}),
                keys=tuple(found["keys"].tolist()),
                truth_hash=str(found["truth_hash"]),
                threshold=_given(float(found["threshold"])),
                presence_threshold=_given(float(found["presence_threshold"])),
            )
        except (AttributeError, EOFError, KeyError, OSError, TypeError, ValueError, BadZipFile) as error:
            raise DataError(f"{path}: no predictions can be read from it ({type(error).__name__})") from error


def _given(value: float) -> float | None:
    return None if np.isnan(value) else value


def truth_hash(truth: ImageSet) -> str:
    """Return the hash of labels and masks: what predictions are scored against."""
    parts = [np.ascontiguousarray(truth.labels)]
    if truth.masks is not None:
        parts.append(np.ascontiguousarray(truth.masks))
    return content_hash(*parts)
