"""The pictures that a training leaves: its curves, and predictions beside the truth."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from llm_loop.trainer.chart import Panel, chart
from llm_loop.trainer.choices import Metric, Task
from llm_loop.trainer.images.image_set import Dataset
from llm_loop.trainer.scoring.predictions import Predictions
from llm_loop.trainer.scoring.thresholds import level_of

_CELL = 160
_GAP = 6
_TEXT = 14
_ROWS = 8
_COLUMNS = 6
_CLASSES_SHOWN = 24
_COLOURS = [(230, 60, 50), (60, 150, 240), (250, 190, 40), (70, 190, 90), (180, 90, 220), (240, 130, 180)]


def curves(rows: Sequence[dict[str, Any]], metric: Metric, best_epoch: int) -> bytes:
    """Return a PNG of the training loss and the selection metric over the epochs."""
    loss = Panel(title="train_loss", values=[row["train_loss"] for row in rows])
    selected = Panel(title=metric.value, values=[row[metric.value] for row in rows], marked=best_epoch)
    return chart((loss, selected))


def sheet(data: Dataset, predictions: Predictions, threshold: float | None, task: Task) -> bytes:
    """Return a PNG of validation images with their truth and what was predicted.

    Of masks: up to 8 images, from the one that is hit worst to the one that is hit best. Of classes: up to 24, the
    most wrong first.
    """
    if task.has_masks:
        return _sheet_of_masks(data, predictions, threshold)
    return _sheet_of_classes(data, predictions)


def _sheet_of_masks(data: Dataset, predictions: Predictions, threshold: float | None) -> bytes:
    assert data.val.masks is not None and predictions.masks is not None
    truth = data.val.masks
    found = predictions.masks
    if threshold is not None:
        found = (found >= level_of(threshold)).astype(np.uint8)
    shown = _from_worst_to_best(truth, found)
    table = _Table(("image", "truth", "prediction"), len(shown))
    for line, (row, dice) in enumerate(shown):
        image = _picture(data.val.images[row])
        table.put(line, 0, image, _name(data, row))
        table.put(line, 1, _overlaid(image, truth[row]), "")
        table.put(line, 2, _overlaid(image, found[row]), "nothing to find" if dice is None else f"Dice {dice:.3f}")
    return table.png()


def _from_worst_to_best(truth: NDArray[np.uint8], found: NDArray[np.uint8]) -> list[tuple[int, float | None]]:
    """Return up to 8 rows with their Dice: of images with a positive pixel, evenly spaced; else of the first."""
    hit = ((truth == found) & (truth > 0)).sum(axis=(1, 2))
    both = (truth > 0).sum(axis=(1, 2)) + (found > 0).sum(axis=(1, 2))
    positive = np.flatnonzero((truth > 0).any(axis=(1, 2)))
    if len(positive) == 0:
        return [(row, None) for row in range(min(_ROWS, len(truth)))]
    dice = 2 * hit[positive] / both[positive]
    order = np.argsort(dice, kind="stable")
    places = np.unique(np.linspace(0, len(order) - 1, min(_ROWS, len(order))).round().astype(int))
    return [(int(positive[order[place]]), float(dice[order[place]])) for place in places]


def _sheet_of_classes(data: Dataset, predictions: Predictions) -> bytes:
    assert predictions.classes is not None
    logits = predictions.classes.astype(np.float64)
    shifted = logits - logits.max(axis=1, keepdims=True)
    chances = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
    of_truth = chances[np.arange(len(chances)), data.val.labels]
    shown = np.argsort(of_truth, kind="stable")[:_CLASSES_SHOWN]
    table = _Table(("",) * min(_COLUMNS, len(shown)), -(-len(shown) // _COLUMNS))
    for place, row in enumerate(shown.tolist()):
        likely = int(chances[row].argmax())
        words = f"{data.classes[data.val.labels[row]]}: {data.classes[likely]} {chances[row, likely]:.2f}"
        table.put(place // _COLUMNS, place % _COLUMNS, _picture(data.val.images[row]), words)
    return table.png()


class _Table:
    """Lay pictures into cells, each with a line of words below it, under a line of headings."""

    def __init__(self, headings: Sequence[str], lines: int) -> None:
        width = len(headings) * (_CELL + _GAP) + _GAP
        height = lines * (_CELL + _GAP + _TEXT) + _GAP + _TEXT
        self._page = Image.new("RGB", (width, height), "white")
        self._draw = ImageDraw.Draw(self._page)
        for column, heading in enumerate(headings):
            self._draw.text((_GAP + column * (_CELL + _GAP), 2), heading, fill="black")

    def put(self, line: int, column: int, image: Image.Image, words: str) -> None:
        """Lay one picture, enlarged or reduced to a cell."""
        left = _GAP + column * (_CELL + _GAP)
        top = _TEXT + _GAP + line * (_CELL + _GAP + _TEXT)
        self._page.paste(image.resize((_CELL, _CELL), Image.Resampling.NEAREST), (left, top))
        plain = words.encode("latin-1", "replace").decode("latin-1")  # what the built-in font has
        self._draw.text((left, top + _CELL), plain[-26:], fill="black")

    def png(self) -> bytes:
        """Return the whole as a PNG."""
        data = io.BytesIO()
        self._page.save(data, format="PNG")
        return data.getvalue()


def _picture(pixels: NDArray[np.uint8]) -> Image.Image:
    """Return an image (channels, height, width) in colour."""
    return Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)).convert("RGB")


def _overlaid(image: Image.Image, mask: NDArray[np.uint8]) -> Image.Image:
    """Return an image in which the pixels of each class but the background have that class's colour."""
    pixels = np.asarray(image).copy()
    for number in np.unique(mask[mask > 0]).tolist():
        pixels[mask == number] = _COLOURS[(number - 1) % len(_COLOURS)]
    return Image.fromarray(pixels)


def _name(data: Dataset, row: int) -> str:
    return data.val.keys[row] if data.val.keys else f"validation image {row}"
