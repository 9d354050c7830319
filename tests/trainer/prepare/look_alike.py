"""An archive like FracAtlas in small, with every trap that is known of the real one; nobody here has opened that."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

COLUMNS = "image_id hand leg hip shoulder mixed hardware multiscan fractured fracture_count frontal lateral oblique"
SMALL, LARGE = (93, 113), (192, 240)  # a quarter and a twelfth of the two usual sizes
POSITIVES, NEGATIVES = 40, 60
TURNED, TRUNCATED, BOTH_FOLDERS, INSTANCES = 7, 4028, 3375, 11
OPPOSITE = (2886, 4243)
SAME_PIXELS, SAME_BYTES, NEARLY = (2626, 4059), (2627, 4060), (2628, 4061)
MISSING_ON_DISK, BOXED_NEGATIVE, UNDRAWN_POSITIVE, UNLISTED = 4300, 3298, 4301, 4388
MIXED, MULTISCAN = 13, 15


def name_of(number: int) -> str:
    return f"IMG{number:07d}.jpg"


def picture(number: int, size: tuple[int, int]) -> Image.Image:
    """Return a picture of its own: a bright bone on a dark ground, its place and noise following from the number."""
    draws = np.random.default_rng(number)
    image = Image.new("L", size, int(draws.integers(10, 40)))
    pen = ImageDraw.Draw(image)
    for _ in range(5):
        ends = [int(draws.integers(0, size[axis % 2])) for axis in range(4)]
        pen.line(ends, fill=int(draws.integers(90, 230)), width=int(draws.integers(4, 5 + size[0] // 8)))
    noise = draws.normal(0, 4, (size[1], size[0]))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def jpeg(image: Image.Image, quality: int = 90, **more: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality, **more)
    return stream.getvalue()


class LookAlike:
    """Build the archive below ``folder``, nested twice as some mirrors unpack it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "FracAtlas" / "FracAtlas"
        self.rows: list[dict[str, int | str]] = []
        self.polygons: dict[str, list[list[tuple[float, float]]]] = {}
        self.sizes: dict[str, tuple[int, int]] = {}

    def build(self) -> LookAlike:
        for label in ("Fractured", "Non_fractured"):
            (self.root / "images" / label).mkdir(parents=True)
        for number in range(POSITIVES):
            self.add(number * 2 + 1 + 40 * (number > 20), 1)  # ids with gaps
        for number in range(NEGATIVES):
            self.add(2000 + number * 3, 0)
        self._traps()
        self._write()
        return self

    def add(self, number: int, label: int, data: bytes | None = None, **flags: int) -> None:
        size = LARGE if number % 7 == 0 else SMALL
        image = picture(number, size)
        if number % 5 == 0 and data is None:
            image = image.convert("RGB")
        self._file(number, label, data or jpeg(image))
        row: dict[str, int | str] = dict.fromkeys(COLUMNS.split(), 0)
        row |= {"image_id": name_of(number), "hand": 1, "frontal": 1, "fractured": label, "fracture_count": label}
        row |= {"hardware": int(label == 1 and number % 4 == 1)}
        self.rows.append(row | flags)
        self.sizes[name_of(number)] = size
        if label:
            width, height = size
            self.draw(
                number, [(width * 0.25, height * 0.5), (width * 0.55, height * 0.45), (width * 0.5, height * 0.62)]
            )

    def draw(self, number: int, points: list[tuple[float, float]]) -> None:
        self.polygons.setdefault(name_of(number), []).append([(round(x, 3), round(y, 3)) for x, y in points])

    def _file(self, number: int, label: int, data: bytes) -> None:
        folder = "Fractured" if label else "Non_fractured"
        (self.root / "images" / folder / name_of(number)).write_bytes(data)

    def _traps(self) -> None:
        self._turned()
        whole = jpeg(picture(TRUNCATED, LARGE), subsampling=2)
        self.add(TRUNCATED, 0, whole[: int(len(whole) * 0.8)])
        both = jpeg(picture(BOTH_FOLDERS, SMALL))
        self.add(BOTH_FOLDERS, 1, both)
        self._file(BOTH_FOLDERS, 0, both)
        self._several_instances()
        self._pairs()
        self.add(MISSING_ON_DISK, 0)
        (self.root / "images" / "Non_fractured" / name_of(MISSING_ON_DISK)).unlink()
        self.add(BOXED_NEGATIVE, 0)
        self.draw(BOXED_NEGATIVE, [(10, 10), (30, 12), (20, 40)])
        self.add(UNDRAWN_POSITIVE, 1)
        del self.polygons[name_of(UNDRAWN_POSITIVE)]
        self._file(UNLISTED, 0, jpeg(picture(UNLISTED, SMALL)))
        for row in self.rows:
            if row["image_id"] == name_of(MIXED):
                row.update({"shoulder": 1, "mixed": 1})
            if row["image_id"] == name_of(MULTISCAN):
                row.update({"lateral": 1, "multiscan": 1})

    def _turned(self) -> None:
        """Store one positive lying on its side, with the flag that says so; its polygon fits the upright picture."""
        upright = picture(TURNED, LARGE)
        exif = Image.Exif()
        exif[0x0112] = 6  # to be turned by 90 degrees clockwise
        self._file(TURNED, 1, jpeg(upright.transpose(Image.Transpose.ROTATE_90), exif=exif.tobytes()))

    def _several_instances(self) -> None:
        """Give one picture three instances, two of which overlap."""
        row = next(row for row in self.rows if row["image_id"] == name_of(INSTANCES))
        row["fracture_count"] = 3
        self.draw(INSTANCES, [(40, 50), (60, 50), (60, 75), (40, 75)])
        self.draw(INSTANCES, [(5.5, 5.25), (20, 6), (18, 21), (6, 20)])

    def _pairs(self) -> None:
        """Repeat pictures under other numbers: with the other label, by pixels, by bytes, and nearly."""
        twice = picture(OPPOSITE[0], SMALL)
        self.add(OPPOSITE[0], 1, jpeg(twice))
        self.add(OPPOSITE[1], 0, jpeg(twice) + b"\0")  # other bytes, the same pixels
        for number, data in zip(SAME_PIXELS, (jpeg(picture(SAME_PIXELS[0], SMALL)), b"\0"), strict=True):
            self.add(number, 0, jpeg(picture(SAME_PIXELS[0], SMALL)) + (data if data == b"\0" else b""))
        for number in SAME_BYTES:
            self.add(number, 0, jpeg(picture(SAME_BYTES[0], SMALL)))
        for number, quality in zip(NEARLY, (95, 60), strict=True):
            self.add(number, 0, jpeg(picture(NEARLY[0], SMALL), quality))

    def _write(self) -> None:
        lines = [",".join(COLUMNS.split())]
        lines += [",".join(str(row[column]) for column in COLUMNS.split()) for row in self.rows]
        (self.root / "dataset.csv").write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
        for folder, name, value in (
            ("COCO JSON", "COCO_fracture_masks.json", self._coco()),
            ("VGG JSON", "VGG_fracture_masks.json", self._vgg()),
        ):
            (self.root / "Annotations" / folder).mkdir(parents=True)
            (self.root / "Annotations" / folder / name).write_text(json.dumps(value), encoding="utf-8")

    def _coco(self) -> dict[str, Any]:
        ids = {name: number for number, name in enumerate(sorted(self.polygons), start=1)}
        images = [
            {"id": ids[name], "width": self.sizes[name][0], "height": self.sizes[name][1], "file_name": name}
            for name in ids
        ]
        annotations = [
            {
                "id": 0,
                "iscrowd": 0,
                "image_id": ids[name],
                "category_id": 1,
                "segmentation": [[axis for point in ring for axis in point]],
            }
            for name, rings in self.polygons.items()
            for ring in rings
        ]
        for number, annotation in enumerate(annotations):
            annotation["id"] = number
        return {
            "info": {"description": ""},
            "images": images,
            "annotations": annotations,
            "categories": [{"id": 1, "name": "fractured"}],
        }

    def _vgg(self) -> dict[str, Any]:
        """Return the VGG form: the first point again at the end; regions as an object, of every third as a list."""
        value = {}
        for number, (name, rings) in enumerate(self.polygons.items()):
            regions = []
            for ring in rings:
                closed = [*ring, ring[0]]
                shape = {"name": "polygon", "all_points_x": [x for x, _ in closed]}
                shape |= {"all_points_y": [y for _, y in closed]}
                regions.append({"shape_attributes": shape, "region_attributes": {"label": "fractured"}})
            keyed = regions if number % 3 == 0 else {str(key): one for key, one in enumerate(regions)}
            value[name] = {"fileref": "", "size": 1, "filename": name, "base64_img_data": "", "file_attributes": {}}
            value[name] |= {"regions": keyed}
        return value
