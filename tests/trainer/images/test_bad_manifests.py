"""What a careless or hostile manifest or folder says is refused in one line, and by ``--check`` as by a training."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

np = pytest.importorskip("numpy")
Image = pytest.importorskip("PIL.Image")

from llm_loop.errors import ConfigError  # noqa: E402
from llm_loop.trainer.choices import DataSource, Task  # noqa: E402
from llm_loop.trainer.failures import DataError  # noqa: E402
from llm_loop.trainer.images.decode import decode_mask  # noqa: E402
from llm_loop.trainer.images.load import load_data, load_few  # noqa: E402
from llm_loop.trainer.prepare.masks import read_mask  # noqa: E402
from llm_loop.trainer.settings import DataSettings, Settings  # noqa: E402

COLUMNS = ("image", "mask", "label", "split")
Rows = list[dict[str, str]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "data" / "images").mkdir(parents=True)
    (tmp_path / "data" / "masks").mkdir()
    rows: Rows = []
    for i in range(8):
        mask = np.zeros((8, 8), np.uint8)
        mask[2:5, 2:5] = 255 * (i % 2)
        Image.fromarray(np.full((8, 8), 20 * i, np.uint8)).save(tmp_path / f"data/images/{i}.png")
        Image.fromarray(mask).save(tmp_path / f"data/masks/{i}.png")
        split = "train" if i < 6 else "val"
        rows.append({"image": f"images/{i}.png", "mask": f"masks/{i}.png", "label": str(i % 2), "split": split})
    write(tmp_path / "data", rows)
    return tmp_path / "data"


def write(root: Path, rows: Rows, columns: tuple[str, ...] = COLUMNS) -> None:
    with (root / "manifest.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows([row[name] for name in COLUMNS] for row in rows)


def read(root: Path) -> Rows:
    with (root / "manifest.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def settings(root: Path, task: Task, source: DataSource = DataSource.MANIFEST) -> Settings:
    return Settings(task=task, data=DataSettings(source=source, root=str(root), image_size=8)).resolved()


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(DataError) as caught:
        call()
    assert str(caught.value).isprintable()
    return str(caught.value)


def refusal_of_both(root: Path, task: Task, source: DataSource = DataSource.MANIFEST) -> str:
    given = settings(root, task, source)
    told = refusal(lambda: load_data(given))
    assert refusal(lambda: load_few(given, 4)) == told
    return told


def test_the_same_file_spelled_in_two_ways_is_noticed(root: Path) -> None:
    for spelling in ("./images/1.png", "images//1.png", "images/./1.png"):
        rows = read(root)
        rows[7]["image"] = spelling
        write(root, rows)
        assert f"{spelling} stands in row 3 too" in refusal_of_both(root, Task.SEGMENTATION)


@pytest.mark.parametrize("task", [Task.CLASSIFICATION, Task.SEGMENTATION])
def test_the_same_bytes_on_both_sides_are_a_leak(root: Path, task: Task) -> None:
    shutil.copy(root / "images/1.png", root / "images/7.png")
    told = refusal(lambda: load_data(settings(root, task)))
    assert "row 9: images/7.png (val) is the same file as images/1.png (train): a leak" in told


def test_labels_of_one_class_are_refused_before_an_image_is_read(root: Path) -> None:
    write(root, [row | {"label": "1"} for row in read(root)])
    assert "the train rows have one class only, 1" in refusal_of_both(root, Task.CLASSIFICATION)


def test_a_column_of_measurements_is_no_label(root: Path) -> None:
    write(root, [row | {"label": f"{0.1 * i:.2f}"} for i, row in enumerate(read(root))])
    assert "6 train rows have 6 labels, such as 0.00" in refusal_of_both(root, Task.CLASSIFICATION)


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_side_without_a_mask_is_refused_before_an_image_is_read(root: Path, split: str) -> None:
    rows = [row | {"mask": "", "label": "0"} if row["split"] == split else row for row in read(root)]
    write(root, rows)
    assert f"no {split} row names a mask" in refusal_of_both(root, Task.SEGMENTATION)


def test_two_columns_of_one_name_are_refused(root: Path) -> None:
    write(root, read(root), ("image", "mask", "split", "split"))
    assert "two columns are called split" in refusal_of_both(root, Task.SEGMENTATION)


def test_a_nul_byte_in_a_name_is_shown_as_an_escape(root: Path) -> None:
    text = (root / "manifest.csv").read_text(encoding="utf-8")
    (root / "manifest.csv").write_text(text.replace("images/3", "images/a\0b"), encoding="utf-8")
    assert "row 5: the image" in refusal_of_both(root, Task.SEGMENTATION)


def test_a_name_may_hold_a_character_at_which_lines_are_parted(root: Path) -> None:
    (root / "images/3.png").rename(root / "images/a\u2028b.png")
    rows = read(root)
    rows[3]["image"] = "images/a\u2028b.png"
    write(root, rows)
    assert len(load_data(settings(root, Task.SEGMENTATION)).train) == 6


def test_a_broken_mask_is_named_as_such(root: Path) -> None:
    (root / "masks/1.png").write_bytes(b"")
    assert load_data(settings(root, Task.SEGMENTATION)).skipped == (
        "images/1.png (its mask 1.png: no image in a known format)",
    )


def test_a_side_that_broken_files_emptied_says_so(root: Path) -> None:
    (root / "images/7.png").write_bytes(b"")
    told = refusal(lambda: load_data(settings(root, Task.SEGMENTATION)))
    assert told.endswith("(1 broken image(s) left out; the first: images/7.png (no image in a known format))")


@pytest.mark.parametrize("source", [DataSource.MASK_FOLDER, DataSource.IMAGE_FOLDER])
def test_a_folder_of_sealed_rows_is_never_trained_on(root: Path, tmp_path: Path, source: DataSource) -> None:
    task = Task.SEGMENTATION if source is DataSource.MASK_FOLDER else Task.CLASSIFICATION
    load_data(settings(root, task, source))
    write(root, [row | {"split": "test"} for row in read(root)])
    assert "sealed images are never trained on" in refusal_of_both(root, task, source)
    linked = tmp_path / "linked"
    linked.mkdir()
    for name in ("images", "masks"):
        try:
            (linked / name).symlink_to(root / name, target_is_directory=True)
        except OSError:
            pytest.skip("this system makes no links")
    assert "sealed images are never trained on" in refusal_of_both(linked, task, source)


@pytest.mark.parametrize("source", [DataSource.MANIFEST, DataSource.MASK_FOLDER, DataSource.IMAGE_FOLDER])
def test_a_root_that_is_no_path_is_refused(source: DataSource) -> None:
    for root, why in (("~nobody-of-this-name/data", "no such home folder"), ("a\0b", "NUL byte")):
        given = settings(Path(root), Task.CLASSIFICATION, source)
        for call in (lambda given=given: load_data(given), lambda given=given: load_few(given, 4)):
            with pytest.raises(ConfigError, match=f"data.root.*{why}"):
                call()


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_what_a_mask_shows_nowhere_is_not_marked(mode: str) -> None:
    """Some programs save what was erased as white with alpha 0."""
    alpha = np.zeros((8, 8), np.uint8)
    alpha[2:5, 2:5] = 255
    mask = Image.new(mode, (8, 8), "white")
    mask.putalpha(Image.fromarray(alpha))
    stream = BytesIO()
    mask.save(stream, "PNG")
    assert (decode_mask(stream.getvalue(), 8, None).pixels == alpha // 255).all()
    assert (read_mask(stream.getvalue(), "mask.png") == alpha).all()


@pytest.mark.parametrize("source", [DataSource.MASK_FOLDER, DataSource.IMAGE_FOLDER])
def test_a_folder_whose_split_parts_the_same_file_says_so(root: Path, source: DataSource) -> None:
    task = Task.SEGMENTATION if source is DataSource.MASK_FOLDER else Task.CLASSIFICATION
    given = settings(root, task, source)
    for i in range(8):  # no two masks alike: as a folder of classes they are images, too
        Image.fromarray(np.full((8, 8), (i % 2) * (i + 100), np.uint8)).resize((8 + i, 8)).save(root / f"masks/{i}.png")
        Image.fromarray(np.full((8, 8), 20 * i, np.uint8)).resize((8 + i, 8)).save(root / f"images/{i}.png")
    assert not [line for line in load_data(given).warnings if "a leak" in line]
    for i in range(8):
        Image.fromarray(np.full((8, 8), 9, np.uint8)).save(root / f"images/{i}.png")
        Image.fromarray(np.full((8, 8), i % 2, np.uint8)).save(root / f"masks/{i}.png")
    (line,) = (line for line in load_data(given).warnings if "a leak" in line)
    assert "validation image(s) are the same file as one to train on" in line
