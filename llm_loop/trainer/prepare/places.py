"""Where a data set lies, and how it gets there: written aside, then moved whole."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from llm_loop.contract.sealed import DATASET, MANIFEST, PreparedData, SealedRows, manifest_hash
from llm_loop.errors import LoopError
from llm_loop.system import files
from llm_loop.trainer.failures import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Hold where a data set goes: ``out`` for what a run may see, ``sealed_root``/``name`` for the test rows."""

    out: Path
    sealed_root: Path
    name: str

    @property
    def sealed(self) -> Path:
        """The folder of the sealed rows."""
        return self.sealed_root / self.name

    def check(self, raw_root: Path | None) -> None:
        """Raise DataError where one place lies in another, or where something else is in the way."""
        out, sealed = self.out.resolve(), self.sealed_root.resolve()
        for one, other in [(out, sealed)] + ([] if raw_root is None else [(out, raw_root.resolve())]):
            if one == other or one.is_relative_to(other) or other.is_relative_to(one):
                raise DataError(f"{one} and {other} lie in each other; choose another --out, apart from both")
        if raw_root is not None and raw_root.resolve().is_relative_to(sealed):
            raise DataError(
                f"{raw_root} lies in {sealed}: sealed test rows are no raw pictures; choose another --raw-root"
            )
        if raw_root is not None and sealed.is_relative_to(raw_root.resolve()):
            raise DataError(f"{sealed} lies in {raw_root}; choose another --sealed-root")
        if self.out.is_dir() and any(self.out.iterdir()) and _name_of(self.out) != self.name:
            raise DataError(f"{self.out} holds something else than the data set {self.name}; choose another --out")
        if self.out.exists() and not self.out.is_dir():
            raise DataError(f"{self.out} is no folder; choose another --out")


def empty_aside(place: Path) -> Path:
    """Return an empty folder beside ``place``; what an interrupted call left there is removed."""
    aside = place.with_name(f".{place.name}.preparing")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    return aside


def seal(aside: Path, places: Places, told: SealedRows) -> None:
    """Move the sealed rows to their place; rows that are sealed there already have to be the same."""
    if (places.sealed / MANIFEST).is_file():
        if manifest_hash(places.sealed / MANIFEST) != told.manifest_sha256:
            raise DataError(
                f"{places.sealed}: other test rows are sealed under the name {places.name}; choose another --name "
                "(rows that were once sealed would be trained on), or remove that folder by hand if nothing was "
                "trained yet"
            )
        return
    if told.rows:
        _rename(aside, places.sealed)


def move_in(aside: Path, out: Path) -> None:
    """Put a whole folder where another may lie; either is there at any instant but between two renames."""
    before = _before(out)
    if out.exists():
        _rename(out, before)
    _rename(aside, out)
    shutil.rmtree(before, ignore_errors=True)


def put_back(out: Path) -> None:
    """Mend what was broken off between the two renames of ``_move_in``."""
    before = _before(out)
    if before.exists() and not out.exists():
        _rename(before, out)
    shutil.rmtree(before, ignore_errors=True)


def _rename(folder: Path, place: Path) -> None:
    files.patiently(place, lambda: folder.replace(place))


def _before(out: Path) -> Path:
    return out.with_name(f".{out.name}.before")


def _name_of(folder: Path) -> str | None:
    """Return the name of the prepared data set in a folder, None where there is none."""
    try:
        return PreparedData.read(folder / DATASET).name
    except (OSError, LoopError):
        return None
