"""Keep a person's version of a markdown file for a day before the loop replaces it."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path

from llm_loop.system import files
from llm_loop.system.clock import parse_utc, utc_stamp

KEPT_FOR = timedelta(days=1)
KEPT_VERSIONS = 20


def keep(folder: Path, path: Path, data: bytes, digest: str, now: datetime) -> Path:
    """Write ``data`` (UTF-8) to ``folder/<name>-<stamp>-<digest>`` and return that path. Raises FileWriteError."""
    kept = folder / f"{path.stem}-{utc_stamp(now)}-{digest[:8]}{path.suffix}"
    files.replace_text(kept, data.decode("utf-8"))
    prune(folder, path, now)
    return kept


def prune(folder: Path, path: Path, now: datetime) -> list[Path]:
    """Remove versions of ``path`` older than a day, and the oldest beyond 20; return what was removed.

    Only files that ``keep`` has named are touched. Raises FileWriteError.
    """
    pattern = re.compile(rf"{re.escape(path.stem)}-(\d{{8}}T\d{{6}}Z)-[0-9a-f]{{8}}{re.escape(path.suffix)}")
    found = sorted(
        ((match[1], entry) for entry in folder.glob(f"*{path.suffix}") if (match := pattern.fullmatch(entry.name))),
        reverse=True,
    )
    gone = [
        entry
        for place, (stamp, entry) in enumerate(found)
        if place >= KEPT_VERSIONS or now - parse_utc(stamp) > KEPT_FOR
    ]
    for entry in gone:
        files.remove(entry)
    return gone
