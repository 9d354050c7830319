"""What a reader of a downloaded archive or a folder hands on: the pictures, their labels and where their masks are."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from llm_loop.trainer.prepare.polygons import Polygon

NEGATIVE, POSITIVE = "0", "1"
SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Hold one picture: a name of its own (a file name without folder), its file and its label.

    Its mask is drawn by ``polygons``, or lies in the file ``mask``, or there is none (both None). ``size`` (width,
    height) is what the annotations say of the upright picture. ``block`` names pictures that shall share a split.
    """

    name: str
    path: Path
    label: str
    polygons: tuple[Polygon, ...] | None = None
    mask: Path | None = None
    size: tuple[int, int] | None = None
    flags: dict[str, str] = field(default_factory=dict)
    block: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Hold all that a reader found. ``left_out`` are (why, name) pairs; ``remarks`` are lines for the report.

    ``kind`` names the reader, ``labels`` say what each label means.
    """

    kind: str
    sources: list[Source]
    labels: dict[str, str]
    left_out: list[tuple[str, str]] = field(default_factory=list)
    remarks: dict[str, list[str]] = field(default_factory=dict)
