"""Prepared data sets and their sealed test rows: ``dataset.json``, ``openings.jsonl``, and where they lie.

The test rows of a data set lie in ``SEALED_ROOT/NAME``, apart from all that a run sees; each look at them is first
written as a line of ``SEALED_ROOT/openings.jsonl``. Each line holds the hash of the one before, so that a line that was
changed or taken out later is noticed; that lines were cut off at the end is not, and nothing here is locked.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from llm_loop.contract import schemas
from llm_loop.errors import ContractError, CorruptFileError, LoopError, WorkspaceBusyError
from llm_loop.system import files
from llm_loop.system.instance_lock import InstanceLock

SCHEMA_VERSION = 1
MANIFEST = "manifest.csv"
DATASET = "dataset.json"
OPENINGS = "openings.jsonl"
_LOCK = ".openings.lock"
_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedRows:
    """Hold how many test rows were sealed, and the hash of their manifest, None where there are none."""

    rows: int
    manifest_sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedData:
    """Hold ``dataset.json``: what a data set was made from, and how. The schema says what each field means."""

    name: str
    source: str
    settings: dict[str, str | int | float | bool | None]
    labels: dict[str, str]
    images: dict[str, dict[str, int]]
    left_out: dict[str, int]
    manifest_sha256: str
    sealed: SealedRows
    schema_version: int = SCHEMA_VERSION

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a ``dataset.json``. Raises ContractError, CorruptFileError, OSError."""
        value = files.read_json(path)
        schemas.check("dataset", value, str(path))
        return cls(**{**value, "sealed": SealedRows(**value["sealed"])})

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """Hold one look at sealed rows: when (UTC), of which data set, for what, by which run."""

    utc: str
    name: str
    why: str
    run: str | None
    manifest_sha256: str
    previous: str | None
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Openings:
    """Hold all openings, and what is wrong with the record: a line each, empty when it is whole."""

    openings: tuple[Opening, ...]
    broken: tuple[str, ...]

    def of(self, name: str) -> int:
        """Return how often the rows of one data set were opened."""
        return sum(one.name == name for one in self.openings)

    def for_reason(self, rows_sha256: str, why: str) -> Opening | None:
        """Return the first opening of the rows of this hash, under whatever name, for this very reason, or None."""
        wanted = (rows_sha256, one_line(why))
        return next((one for one in self.openings if (one.manifest_sha256, one.why) == wanted), None)

    def number_of(self, opening: Opening) -> int:
        """Return which opening of its rows it is, from 1, under whatever names. Raises ValueError for none of these.

        Each thing that is wrong with the record counts as one: what was spoiled may have been an opening of these rows.
        """
        of_these = [one for one in self.openings if one.manifest_sha256 == opening.manifest_sha256]
        return 1 + of_these.index(opening) + len(self.broken)


class OpenedBeforeError(LoopError):
    """Say when the rows were opened for the same reason before: one reason, one look."""

    def __init__(self, path: Path, opening: Opening) -> None:
        self.opening = opening
        of = f" for {opening.run}" if opening.run else ""
        super().__init__(
            f"the test rows of {opening.name} were opened{of} at {opening.utc} for this reason; they are "
            f"not opened for it again ({path}: {opening.why})"
        )


def read_openings(sealed_root: Path) -> Openings:
    """Read the record; a missing one holds nothing. Raises OSError, CorruptFileError where it is no text."""
    path = sealed_root / OPENINGS
    lines = _text(path).splitlines()
    openings, broken = [], []
    before: str | None = None
    for number, line in enumerate(lines, start=1):
        where = f"{path}, line {number}"
        try:
            value = json.loads(line)
            schemas.check("opening", value, where)
            openings.append(Opening(**value))
            if value["previous"] != before:
                broken.append(f"{where}: what stood before it was changed or taken out")
        except (ValueError, RecursionError):
            broken.append(f"{where}: not JSON")
        except ContractError as error:
            broken.append(str(error))
        before = _hash(line)
    return Openings(openings=tuple(openings), broken=tuple(broken))


def record_opening(
    sealed_root: Path,
    *,
    name: str,
    why: str,
    run: str | None,
    now: datetime,
    content_sha256: str | None = None,
    once: bool = False,
) -> Opening:
    """Write one opening to the disk for good, and return it; to be called before the rows are read.

    ``content_sha256`` is the hash of rows that lie in no folder there, such as scikit-learn's digits; None: that of the
    sealed manifest is taken. Raises OpenedBeforeError where ``once`` is asked for and these rows were opened for this
    reason before, whatever the run; LoopError for an empty reason, CorruptFileError where the data set has no sealed
    rows or the record is no text, FileWriteError.
    """
    why = one_line(why)
    if not why:
        raise LoopError("sealed rows are opened for one named reason; none was given")
    path = sealed_root / OPENINGS
    try:
        with InstanceLock(sealed_root / _LOCK, patience_s=_PATIENCE_S):
            rows_sha256 = content_sha256 or manifest_hash(sealed_root / name / MANIFEST)
            earlier = read_openings(sealed_root).for_reason(rows_sha256, why) if once else None
            if earlier is not None:
                raise OpenedBeforeError(path, earlier)
            text = _text(path)
            lines = text.splitlines()
            opening = Opening(
                utc=now.isoformat(timespec="seconds"),
                name=name,
                why=why,
                run=None if run is None else one_line(run),
                manifest_sha256=rows_sha256,
                previous=_hash(lines[-1]) if lines else None,
            )
            torn = "" if not text or text.endswith("\n") else "\n"  # else both would be lost in one line
            files.append_line(path, torn + files.json_text(asdict(opening)))
    except WorkspaceBusyError as error:
        raise LoopError(f"{path}: another opening is being written; try again") from error
    return opening


def one_line(text: str) -> str:
    """Return a reason as the record holds it: one line."""
    return " ".join(text.split())


def manifest_hash(path: Path) -> str:
    """Return the SHA-256 of a manifest's bytes. Raises CorruptFileError when it cannot be read."""
    try:
        return hashlib.sha256(files.read_bytes(path)).hexdigest()
    except OSError as error:
        raise CorruptFileError(path, f"no sealed rows can be read here: {error.strerror or error}") from error


def _text(path: Path) -> str:
    try:
        return files.read_text(path)
    except FileNotFoundError:
        return ""


def _hash(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()
