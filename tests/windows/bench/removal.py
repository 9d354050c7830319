"""Remove a folder, never what is mounted in it: a bind mount would be emptied along."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.windows.bench.problem import BenchFailure

MOUNTS = Path("/proc/self/mountinfo")


def mounts_below(folder: Path, table: str | None = None) -> list[Path]:
    """Return what is mounted at ``folder`` or inside it, deepest first, from the kernel's table of mounts."""
    text = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape") if table is None else table
    # the fifth field is the place; blanks in it are written as octal numbers
    places = [Path(_plain(line.split(" ")[4])) for line in text.splitlines() if line.count(" ") > 4]
    inside = [place for place in places if place.is_relative_to(folder)]
    return sorted(inside, key=lambda place: len(place.parts), reverse=True)


def remove(folder: Path) -> None:
    """Remove a folder and all in it; raise BenchFailure, and touch nothing, when something is mounted there."""
    real = folder.resolve()
    if mounted := mounts_below(real):
        raise BenchFailure(f"{mounted[0]} is mounted; `umount` it, then run this again")
    if real.exists():
        shutil.rmtree(real)


def _plain(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field)
