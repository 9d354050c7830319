"""Images with masks, from folders and by manifest: split as said, and each thing that does not fit is named."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

pytest.importorskip("torch")

import numpy as np
from PIL import Image

from llm_loop.trainer.choices import DataSource, Task
from llm_loop.trainer.failures import DataError
from llm_loop.trainer.images.image_set import Dataset
from llm_loop.trainer.images.load import load_data, load_few
from llm_loop.trainer.settings import DataSettings, Settings
from tests.windows.marks import not_under_wine

SIZE = 8
Files = Mapping[str, np.ndarray]


def grey(value: int, size: tuple[int, int] = (SIZE, SIZE)) -> np.ndarray:
    return np.full(size, value, np.uint8)


def marked(index: int) -> np.ndarray:
    """Return a mask with a positive square in every second one."""
    mask = grey(0)
    mask[2:5, 2:5] = 255 * (index % 2)
    return mask


def write(root: Path, files: Files) -> None:
    for name, pixels in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten images with masks, in ``images`` and ``masks``."""
    root = tmp_path / "my data"
    write(root, {f"images/{i}.png": grey(10 * i) for i in range(10)})
    write(root, {f"masks/{i}.png": marked(i) for i in range(10)})
    return root


def load(root: Path, source: DataSource, task: Task = Task.SEGMENTATION, **data: object) -> Dataset:
    given = {"source": source, "root": str(root), "image_size": SIZE} | data
    return load_data(Settings(task=task, data=DataSettings(**given)).resolved())


def refusal(root: Path, source: DataSource, task: Task = Task.SEGMENTATION, **data: object) -> str:
    with pytest.raises(DataError) as caught:
        load(root, source, task, **data)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_folder_is_split_with_positives_on_both_sides(folder: Path) -> None:
    data = load(folder, DataSource.MASK_FOLDER)
    assert (len(data.train), len(data.val)) == (6, 4)
    assert data.train.labels.sum() == 3 and data.val.labels.sum() == 2
    for side in (data.train, data.val):
        assert side.masks is not None
        for key, image, mask, label in zip(side.keys, side.images, side.masks, side.labels, strict=True):
            assert image.max() == 10 * int(key) and mask.any() == label == int(key) % 2
            assert mask.sum() == 9 * label
    assert data.data_hash == load(folder, DataSource.MASK_FOLDER).data_hash
    write(folder, {"masks/3.png": grey(1)})
    assert data.data_hash != load(folder, DataSource.MASK_FOLDER).data_hash


def test_a_folder_of_another_split_seed_has_other_sides(folder: Path) -> None:
    sides = {load(folder, DataSource.MASK_FOLDER, split_seed=seed).val.keys for seed in range(5)}
    assert len(sides) > 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda root: (root / "masks" / "4.png").unlink(), "4.png: there is no mask"),
        (lambda root: (root / "images" / "4.png").unlink(), "there is no image"),
        (lambda root: write(root, {"masks/4.png": grey(0, (9, 8))}), "is 8 x 8 pixels (upright), its mask"),
        (lambda root: write(root, {"images/4.jpg": grey(0)}), "has the same name"),
        (lambda root: write(root, {"masks/4.png": np.stack([grey(0), grey(9), grey(0)], 2)}), "picture in colours"),
        (lambda root: write(root, {f"masks/{i}.png": grey(0) for i in range(10)}), "no train image has a positive"),
        (lambda root: [path.unlink() for path in (root / "images").iterdir()], "no images"),
        (lambda root: [path.write_bytes(b"x") for path in (root / "images").iterdir()], "none of its 10 images"),
    ],
)
def test_what_does_not_fit_in_a_folder_is_named(folder: Path, change: Callable[[Path], object], words: str) -> None:
    change(folder)
    assert words in refusal(folder, DataSource.MASK_FOLDER)


def test_a_broken_file_is_left_out_with_its_partner_and_named(folder: Path) -> None:
    (folder / "images" / "2.png").write_bytes((folder / "images" / "2.png").read_bytes()[:45])
    (folder / "masks" / "3.png").write_bytes(b"no picture")
    data = load(folder, DataSource.MASK_FOLDER)
    assert len(data.train) + len(data.val) == 8
    assert [line.split(" ")[0] for line in data.skipped] == ["2", "3"] and "no image in a known format" in data.skipped[
        1
    ]


def test_several_classes_of_pixels(folder: Path) -> None:
    write(folder, {f"masks/{i}.png": marked(i) // 255 * (1 + i % 3) for i in range(10)})
    data = load(folder, DataSource.MASK_FOLDER, mask_classes=4)
    assert data.classes == ("background", "class 1", "class 2", "class 3")
    assert data.train.masks is not None and set(np.unique(data.train.masks)) <= {0, 1, 2, 3}
    assert "go to 3; data.mask_classes 3 are 0 to 2" in refusal(folder, DataSource.MASK_FOLDER, mask_classes=3)


# ---------------------------------------------------------------- by manifest


def manifest(root: Path, *changes: str, header: str = "image,mask,label,split,group,sha256") -> None:
    """Write a manifest of the folder; ``changes`` replace its rows from the first on."""
    rows = [f"images/{i}.png,masks/{i}.png,,{'val' if i > 6 else 'train'},," for i in range(10)]
    rows[: len(changes)] = changes
    (root / "manifest.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8-sig")


def test_a_manifest_splits_as_it_says(folder: Path) -> None:
    manifest(folder)
    data = load(folder, DataSource.MANIFEST)
    assert data.val.keys == ("images/7.png", "images/8.png", "images/9.png") and len(data.train) == 7
    assert data.sealed is None
    fewer = load(folder, DataSource.MANIFEST, train_images=4)
    assert len(fewer.train) == 4 and fewer.val.keys == data.val.keys


def test_an_empty_cell_is_an_image_with_nothing_marked(folder: Path) -> None:
    manifest(folder, "images/0.png,,0,train,,")
    data = load(folder, DataSource.MANIFEST)
    assert data.train.keys[0] == "images/0.png" and data.train.labels[0] == 0


def test_labels_of_a_manifest_are_classes_in_the_order_of_their_numbers(folder: Path) -> None:
    labels = ["10", "9", "10", "9", "2", "2", "10", "9", "2", "10"]
    rows = [f"images/{i}.png,{label},{'val' if i > 6 else 'train'}" for i, label in enumerate(labels)]
    manifest(folder, *rows, header="image,label,split")
    data = load(folder, DataSource.MANIFEST, Task.CLASSIFICATION)
    assert data.classes == ("2", "9", "10") and data.train.masks is None
    assert [data.classes[label] for label in data.train.labels] == labels[:7]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("images/0.png,masks/0.png,,test,,", "row 2: a test row"),
        ("images/0.png,masks/0.png,,valid,,", "row 2: split 'valid'; train or val"),
        ("images/0.png,masks/0.png,,,,", "row 2: split ''"),
        ("images/1.png,masks/1.png,,train,,", "row 3: images/1.png stands in row 2 too"),
        ("images/nix.png,masks/0.png,,train,,", "row 2: the image"),
        ("images/0.png,masks/nix.png,,train,,", "row 2: the mask"),
        ("images,masks/0.png,,train,,", "is no file"),
        (",masks/0.png,,train,,", "row 2: no image"),
        ("images/0.png,,1,train,,", "row 2: label 1, but no mask"),
        ("images/0.png,masks/1.png,0,train,,", "row 2: label 0, but its mask has positive pixels"),
        ("images/0.png,masks/0.png,,train", "row 2: not as many cells"),
        ("images/0.png,masks/0.png,,train,,,more", "row 2: not as many cells"),
        ("images/0.png,masks/0.png,,train,,00ff", "has changed since its sha256 was written"),
        ("../secret.png,masks/0.png,,train,,", "is not below"),
        ("images/../../secret.png,masks/0.png,,train,,", "is not below"),
        ("/etc/secret.png,masks/0.png,,train,,", "is not below"),
        ("C:/secret.png,masks/0.png,,train,,", "is not below"),
        ("C:secret.png,masks/0.png,,train,,", "is not below"),
        (r"\\host\share\secret.png,masks/0.png,,train,,", "is not below"),
        (r"..\secret.png,masks/0.png,,train,,", "is not below"),
        ("images/0.png,../secret.png,,train,,", "row 2: the mask ../secret.png is not below"),
    ],
)
def test_a_row_that_does_not_fit_is_named(folder: Path, row: str, words: str) -> None:
    write(folder.parent, {"secret.png": grey(1)})
    manifest(folder, row)
    assert words in refusal(folder, DataSource.MANIFEST)


@not_under_wine("a symbolic link to a file does not lead there")
def test_a_link_out_of_the_folder_is_refused(folder: Path) -> None:
    write(folder.parent, {"secret.png": grey(1)})
    (folder / "images" / "0.png").unlink()
    try:
        (folder / "images" / "0.png").symlink_to(folder.parent / "secret.png")
    except OSError:
        pytest.skip("no links may be made here")
    manifest(folder)
    assert "leads out of" in refusal(folder, DataSource.MANIFEST)


def test_a_group_on_both_sides_is_a_leak(folder: Path) -> None:
    rows = [
        f"images/{i}.png,masks/{i}.png,,{'val' if i > 6 else 'train'},{'p1' if i in (0, 8) else ''}," for i in range(10)
    ]
    manifest(folder, *rows)
    assert "row 10: group p1 is in val, but in train in row 2: a leak" in refusal(folder, DataSource.MANIFEST)


def test_a_hash_that_holds_is_taken(folder: Path) -> None:
    digest = hashlib.sha256((folder / "images" / "0.png").read_bytes()).hexdigest()
    manifest(folder, f"images/0.png,masks/0.png,,train,,{digest}")
    assert len(load(folder, DataSource.MANIFEST).train) == 7


@pytest.mark.parametrize(
    ("header", "rows", "task", "words"),
    [
        ("image,label,split", ["images/0.png,1,train"] * 1, Task.SEGMENTATION, "no column mask"),
        ("image,mask,split", [], Task.CLASSIFICATION, "no column label"),
        ("image,label,split", ["images/0.png,1,train"], Task.CLASSIFICATION, "no row of the split val"),
        ("image,label,split", ["images/0.png,1,train", "images/1.png,1,val"], Task.CLASSIFICATION, "one class only, 1"),
        ("image,label,split", ["images/0.png,,train", "images/1.png,1,val"], Task.CLASSIFICATION, "row 2: no label"),
    ],
)
def test_a_manifest_that_does_not_do_is_refused(
    folder: Path, header: str, rows: list[str], task: Task, words: str
) -> None:
    (folder / "manifest.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    assert words in refusal(folder, DataSource.MANIFEST, task)


def test_no_manifest_and_no_csv_are_named(folder: Path) -> None:
    assert "manifest.csv: cannot be read" in refusal(folder, DataSource.MANIFEST)
    (folder / "odd.csv").write_text('image,mask,split\n"never closed', encoding="utf-8")
    assert "odd.csv: not a valid CSV" in refusal(folder, DataSource.MANIFEST, manifest="odd.csv")


def test_few_images_are_read_as_all_would_be(folder: Path) -> None:
    manifest(folder)
    for source in (DataSource.MASK_FOLDER, DataSource.MANIFEST):
        data = DataSettings(source=source, root=str(folder), image_size=SIZE)
        few = load_few(Settings(task=Task.SEGMENTATION, data=data).resolved(), 3)
        assert len(few.train) == 3 and few.train.masks is not None and len(few.val) == 0
        assert few.classes == ("background", "positive")


def test_a_check_reads_some_validation_images_too(folder: Path) -> None:
    manifest(folder)
    write(folder, {"masks/7.png": grey(0, (9, 8))})
    data = DataSettings(source=DataSource.MANIFEST, root=str(folder), image_size=SIZE)
    with pytest.raises(DataError, match=r"row 9: .*its mask"):
        load_few(Settings(task=Task.SEGMENTATION, data=data).resolved(), 3)


@pytest.mark.skipif(os.name == "nt", reason="there both are the same")
def test_a_path_with_backslashes_is_told_what_to_write(folder: Path) -> None:
    manifest(folder, r"images\0.png,masks/0.png,,train,,")
    assert refusal(folder, DataSource.MANIFEST).endswith("is not there; write / between folders")
