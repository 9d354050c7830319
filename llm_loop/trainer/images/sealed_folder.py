"""Tell a folder of sealed test rows by its manifest, so that nothing is trained on it by mistake."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from llm_loop.contract.sealed import MANIFEST
from llm_loop.errors import CorruptFileError
from llm_loop.system import files
from llm_loop.trainer.failures import DataError


def expect_unsealed(folder: Path) -> None:
    """Raise DataError where a manifest in ``folder``, or in the one above it, says that its images are test rows.

    Links are followed. A manifest that cannot be read says nothing: whoever trains by it hears why.
    """
    found = folder.resolve()
    for place in (found, found.parent):
        try:
            rows = csv.DictReader(io.StringIO(files.read_text(place / MANIFEST), newline=""))
            is_sealed = any((row.get("split") or "").strip().lower() == "test" for row in rows)
        except (OSError, CorruptFileError, csv.Error):
            continue
        if is_sealed:
            raise DataError(f"{folder}: {place / MANIFEST} has test rows; sealed images are never trained on")
