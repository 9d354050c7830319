"""A data set of generated pictures like X-rays, written as files: to see the layout, and to try trainings with it."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from llm_loop.trainer.prepare.polygons import POSITIVE as POSITIVE_PIXEL
from llm_loop.trainer.prepare.source import NEGATIVE, POSITIVE, Archive, Source


def draw_pictures(folder: Path, *, images: int, size: int, seed: int) -> Archive:
    """Draw ``images`` pictures of ``size`` x ``size`` pixels and their masks into ``folder``, and return them."""
    from llm_loop.trainer.images.xray import draw

    for inner in ("images", "masks"):
        (folder / inner).mkdir(parents=True, exist_ok=True)
    sources = []
    for index in range(images):
        picture, mask = draw(seed, index, size)
        name = f"xray{index:06d}.png"
        Image.fromarray(picture).save(folder / "images" / name)
        Image.fromarray((mask > 0).astype("uint8") * POSITIVE_PIXEL).save(folder / "masks" / name)
        label = POSITIVE if mask.any() else NEGATIVE
        sources.append(Source(name=name, path=folder / "images" / name, label=label, mask=folder / "masks" / name))
    return Archive(kind="xray", sources=sources, labels={NEGATIVE: "not fractured", POSITIVE: "fractured"})
