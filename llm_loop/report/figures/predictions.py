"""Predictions beside truths: the sheet that the reference trainer leaves in a run's folder."""

from __future__ import annotations

from pathlib import Path

from llm_loop.contract.outside_file import read_outside
from llm_loop.report.figures.figure import Figure, Png
from llm_loop.views.untrusted import clean

NAME, TITLE = "predictions", "Predictions beside the truth"
SHEET = "predictions.png"
_MOST_BYTES = 4_000_000
_MOST_PIXELS = 6_000
_SIGNATURE = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"


def predictions_sheet(folder: Path | None, run_id: str, label: str, *, has_masks: bool) -> Figure | None:
    """Return the figure of the run whose last attempt is in ``folder``; None where it left no sheet that is a PNG."""
    picture = None if folder is None else _png(folder / SHEET)
    if picture is None:
        return None
    which = (
        "From the image that is hit worst to the one that is hit best."
        if has_masks
        else "The most wrong ones first: most images are told apart better than these."
    )
    caption = f"{run_id} ({clean(label, 60)}) on validation images, as the run drew it itself. {which}"
    return Figure(name=NAME, title=TITLE, caption=caption, picture=picture)


def _png(path: Path) -> Png | None:
    try:
        data = read_outside(path, _MOST_BYTES)
    except OSError:
        return None
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if not data.startswith(_SIGNATURE) or not 0 < width <= _MOST_PIXELS or not 0 < height <= _MOST_PIXELS:
        return None
    return Png(data=data, width=width, height=height)
