"""Read a folder of one's own: one sub-folder a class, or ``images`` and ``masks`` with files of the same stem."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from llm_loop.trainer.failures import DataError
from llm_loop.trainer.images.home import expanded
from llm_loop.trainer.images.image_folder import list_images
from llm_loop.trainer.images.sealed_folder import expect_unsealed
from llm_loop.trainer.prepare.masks import read_mask
from llm_loop.trainer.prepare.source import NEGATIVE, POSITIVE, SUFFIXES, Archive, Source


def read_folder(raw_root: Path) -> Archive:
    """Return the pictures below ``raw_root``; with masks, a label tells whether the mask has a pixel that is not 0.

    Raises DataError for a picture without a mask, a mask without a picture, and a folder with neither layout.
    """
    root = expanded(raw_root, "--raw-root")
    if (root / "images").is_dir() and (root / "masks").is_dir():
        return _with_masks(root)
    found = list_images(root)
    classes = sorted({name for name, _ in found})
    if len(classes) < 2:
        raise DataError(f"{root}: one folder of images, {classes[0]}; two classes are wanted, or images/ and masks/")
    stems = Counter((name, path.stem) for name, path in found)
    sources = []
    for name, path in found:
        stem = path.stem if stems[name, path.stem] == 1 else f"{path.stem}-{path.suffix[1:]}"
        sources.append(Source(name=f"{name}-{stem}{path.suffix}", path=path, label=name))
    return Archive(kind="folder", sources=sources, labels={name: f"folder {name}" for name in classes})


def _with_masks(root: Path) -> Archive:
    expect_unsealed(root / "images")
    images, masks = _by_stem(root / "images"), _by_stem(root / "masks")
    for one, other, what in ((images, masks, "mask"), (masks, images, "image")):
        lonely = sorted(one.keys() - other.keys())
        if lonely:
            place = root / ("masks" if what == "mask" else "images")
            raise DataError(f"{one[lonely[0]]}: no {what} of this name in {place} ({len(lonely)} in all lack one)")
    sources = []
    for stem, path in images.items():
        has_positive = bool(read_mask(masks[stem].read_bytes(), str(masks[stem])).any())
        sources.append(
            Source(name=path.name, path=path, label=POSITIVE if has_positive else NEGATIVE, mask=masks[stem])
        )
    labels = {NEGATIVE: "nothing but background in the mask", POSITIVE: "something in the mask"}
    return Archive(kind="folder", sources=sources, labels=labels)


def _by_stem(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
            continue
        if path.stem in found:
            raise DataError(f"{path}: {found[path.stem].name} has the same stem; rename one of them")
        found[path.stem] = path
    if not found:
        raise DataError(f"{folder}: no images (.png, .jpg or .jpeg)")
    return found
