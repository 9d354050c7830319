"""Read the polygons of FracAtlas: one JSON file in the form of COCO, one in that of the VGG Image Annotator.

Both are exports of the same drawings. Points are x and y in pixels of the upright picture.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from llm_loop.errors import CorruptFileError
from llm_loop.system import files
from llm_loop.trainer.failures import DataError
from llm_loop.trainer.prepare.polygons import Polygon, same

_LEAST_POINTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Hold the polygons of one export by file name, and the picture sizes (width, height) that it tells."""

    polygons: dict[str, list[Polygon]] = field(default_factory=dict)
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)


def read_coco(path: Path) -> Drawn:
    """Read a COCO file: polygons in ``segmentation``, joined to pictures by ``images[].file_name``.

    Raises DataError when the file is no such JSON; a single polygon that cannot be used goes into ``broken``.
    """
    value = _json(path)
    drawn = Drawn()
    try:
        names = {image["id"]: Path(image["file_name"]).name for image in value["images"]}
        drawn.sizes.update({names[one["id"]]: (one["width"], one["height"]) for one in value["images"]})
        for number, annotation in enumerate(value["annotations"]):
            name = names.get(annotation["image_id"])
            rings = annotation["segmentation"]
            if name is None or not isinstance(rings, list):
                drawn.broken.append(f"{path.name}, annotation {number}: no picture or no polygon")
                continue
            for ring in rings:
                _add(drawn, name, _pairs(ring), f"{path.name}, annotation {number}")
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: not the form of COCO: {error!r}; download the archive again") from error
    return drawn


def read_vgg(path: Path) -> Drawn:
    """Read a VGG file: an object by file name, its ``regions`` an object or a list. Raises DataError as above."""
    value = _json(path)
    drawn = Drawn()
    try:
        for key, entry in value.items():
            name = Path(entry.get("filename") or key).name
            regions = entry["regions"]
            for region in regions.values() if isinstance(regions, dict) else regions:
                shape = region["shape_attributes"]
                if shape["name"] == "polygon":
                    pairs = _without_closing([*zip(shape["all_points_x"], shape["all_points_y"], strict=True)])
                    _add(drawn, name, pairs, f"{path.name}, {name}")
                else:
                    drawn.broken.append(f"{path.name}, {name}: a {shape['name']}, no polygon")
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(f"{path}: not the form of VGG: {error!r}; download the archive again") from error
    return drawn


def disagreements(coco: Drawn, vgg: Drawn) -> list[str]:
    """Return a line for each picture whose polygons differ by more than a pixel between the two exports."""
    lines = []
    for name in sorted(coco.polygons.keys() | vgg.polygons.keys()):
        first, second = coco.polygons.get(name, []), vgg.polygons.get(name, [])
        if not same(first, second):
            lines.append(f"{name}: {len(first)} polygon(s) in COCO, {len(second)} in VGG, not the same")
    return lines


def _add(drawn: Drawn, name: str, pairs: list[Any], where: str) -> None:
    """Keep a ring of at least three finite points."""
    try:
        points = np.array(pairs, dtype=np.float64)
    except (TypeError, ValueError):
        points = np.empty(0)
    if points.ndim != 2 or len(points) < _LEAST_POINTS or not np.isfinite(points).all():
        drawn.broken.append(f"{where}: no ring of {_LEAST_POINTS} points or more")
        return
    drawn.polygons.setdefault(name, []).append(points)


def _pairs(flat: Any) -> list[Any]:
    """Turn x, y, x, y into pairs; a list of another length has none."""
    if not isinstance(flat, list) or len(flat) % 2:
        return []
    return _without_closing([*zip(flat[::2], flat[1::2], strict=True)])


def _without_closing(pairs: list[Any]) -> list[Any]:
    """Drop the repeated first point with which VGG closes a ring."""
    return pairs[:-1] if len(pairs) > 1 and pairs[0] == pairs[-1] else pairs


def _json(path: Path) -> Any:
    try:
        return files.read_json(path)
    except (OSError, CorruptFileError) as error:
        raise DataError(f"{path}: cannot be read ({error}); download the archive again") from error
