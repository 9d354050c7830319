"""Open sealed test rows: for one named reason, written down before anything is handed out.

No training calls this. It is for the one scoring at the end of a search, and for people; the gate refuses commands and
code that name its function (``sealed.loaders`` in ``config/command_policy.yaml``).
"""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from llm_loop.contract.sealed import DATASET, MANIFEST, Opening, PreparedData, manifest_hash, record_opening
from llm_loop.system import files
from llm_loop.trainer.failures import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedRows:
    """Hold the sealed rows of a data set: their folder, the rows of its manifest, and the opening that was recorded."""

    folder: Path
    rows: tuple[dict[str, str], ...]
    opening: Opening


def load_sealed_rows(
    sealed_root: Path,
    name: str,
    *,
    why: str,
    run: str | None,
    dataset: Path | None = None,
    now: datetime | None = None,
    once: bool = False,
) -> OpenedRows:
    """Record an opening in ``openings.jsonl``, durably, then return the test rows of the data set ``name``.

    ``why`` is the one reason, ``run`` the run that is to be scored, ``dataset`` the folder of the data set, whose
    ``dataset.json`` then has to hold the hash of the sealed manifest; ``once`` refuses a second opening for the same
    reason. Raises LoopError for an empty reason, OpenedBeforeError, DataError where there are no such rows or others
    than were sealed, FileWriteError where the record cannot be written: then nothing was opened.
    """
    folder = sealed_root / name
    if not (folder / MANIFEST).is_file():
        raise DataError(f"{folder / MANIFEST}: no sealed rows of this name; `llm-loop data prepare` seals them")
    if dataset is not None:
        sealed = PreparedData.read(dataset / DATASET).sealed.manifest_sha256
        if sealed != manifest_hash(folder / MANIFEST):
            raise DataError(f"{folder / MANIFEST}: these are not the rows that were sealed with {dataset / DATASET}")
    opening = record_opening(sealed_root, name=name, why=why, run=run, now=now or datetime.now(UTC), once=once)
    return OpenedRows(folder=folder, rows=_rows(folder / MANIFEST, opening), opening=opening)


def _rows(manifest: Path, opening: Opening) -> tuple[dict[str, str], ...]:
    """Return the rows of a sealed manifest. Raises DataError where it is not the one whose opening was recorded."""
    try:
        data = files.read_bytes(manifest)
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{manifest}: cannot be read: {error}") from error
    if hashlib.sha256(data).hexdigest() != opening.manifest_sha256:
        raise DataError(f"{manifest}: it was changed while it was opened")
    return tuple(csv.DictReader(io.StringIO(text, newline="")))  # a name may hold what splitlines parts at
