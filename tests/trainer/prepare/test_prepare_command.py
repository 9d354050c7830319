"""The command: a folder of one's own, generated pictures, and what it refuses."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import pytest

np = pytest.importorskip("numpy")
Image = pytest.importorskip("PIL.Image")

from llm_loop.trainer.prepare.__main__ import main  # noqa: E402
from tests.trainer.prepare.look_alike import SMALL, picture  # noqa: E402

Capture = pytest.CaptureFixture[str]


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def prepare(tmp_path: Path, *words: str) -> int:
    out, sealed = str(tmp_path / "data" / "mine"), str(tmp_path / "sealed")
    return main(["prepare", words[0], "--out", out, "--sealed-root", sealed, *words[1:]])


def with_masks(root: Path, count: int = 40) -> Path:
    for inner in ("images", "masks"):
        (root / inner).mkdir(parents=True)
    for number in range(count):
        picture(number, SMALL).save(root / "images" / f"{number}.png")
        mask = np.zeros(SMALL[::-1], np.uint8)
        mask[3:9, 5:30] = number % 3  # none, class 1, class 2
        Image.fromarray(mask).save(root / "masks" / f"{number}.png")
    return root


def test_images_and_masks_are_split_and_sealed(tmp_path: Path, capsys: Capture) -> None:
    raw = with_masks(tmp_path / "raw")
    assert prepare(tmp_path, "folder", "--raw-root", str(raw), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    visible, sealed = rows_of(tmp_path / "data" / "mine"), rows_of(tmp_path / "sealed" / "mine")
    assert Counter(row["split"] for row in visible + sealed) == {"train": 28, "val": 6, "test": 6}
    assert told["images"] == {"train": {"0": 10, "1": 18}, "val": {"0": 2, "1": 4}}
    assert told["sealed"]["rows"] == len(sealed) == 6
    for row in visible:
        original = raw / "masks" / Path(row["mask"]).name
        assert (
            np.asarray(Image.open(tmp_path / "data" / "mine" / row["mask"])) == np.asarray(Image.open(original))
        ).all()
    assert main(["check", str(tmp_path / "data" / "mine"), "--sealed-root", str(tmp_path / "sealed")]) == 0
    assert (tmp_path / "data" / "mine" / "contact_sheet.png").is_file()


def test_folders_of_classes_keep_their_names_as_labels(tmp_path: Path) -> None:
    for number in range(40):
        folder = tmp_path / "raw" / ("cat" if number % 2 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        picture(number, SMALL).save(folder / f"{number // 2}.png")
    assert prepare(tmp_path, "folder", "--raw-root", str(tmp_path / "raw"), "--test", "0") == 0
    rows = rows_of(tmp_path / "data" / "mine")
    assert len(rows) == 40 and {row["label"] for row in rows} == {"cat", "dog"} and not any(row["mask"] for row in rows)
    assert len({row["image"] for row in rows}) == 40
    assert not (tmp_path / "sealed" / "mine").exists()


def test_generated_pictures(tmp_path: Path, capsys: Capture) -> None:
    pytest.importorskip("llm_loop.trainer.images.xray")
    assert prepare(tmp_path, "xray", "--images", "60", "--size", "32") == 0
    rows = rows_of(tmp_path / "data" / "mine") + rows_of(tmp_path / "sealed" / "mine")
    assert len(rows) == 60 and "sealed: 9 test images" in capsys.readouterr().out
    assert (
        main(["check", str(tmp_path / "data" / "mine"), "--no-sheet", "--sealed-root", str(tmp_path / "sealed")]) == 0
    )


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--val", "0.5", "--test", "0.5"], 2, "val needs a share, and train one too"),
        (["--val", "0"], 2, "val needs a share, and train one too"),
        (["--val", "many"], 2, "is no share"),
        (["--image-size", "3"], 2, "no whole number from 16"),
        (["--name", "../up"], 2, "letters, digits"),
        ([], 3, "no mask of this name"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, capsys: Capture, words: list[str], code: int, said: str) -> None:
    raw = with_masks(tmp_path / "raw", 10)
    (raw / "masks" / "4.png").unlink()
    try:
        ended = prepare(tmp_path, "folder", "--raw-root", str(raw), *words)
    except SystemExit as exit_:
        ended = exit_.code
    assert ended == code and said in capsys.readouterr().err
    assert not (tmp_path / "data").exists() and not (tmp_path / "sealed").exists()


def test_a_mask_of_another_size_is_named(tmp_path: Path, capsys: Capture) -> None:
    raw = with_masks(tmp_path / "raw")
    Image.new("L", (4, 4)).save(raw / "masks" / "3.png")
    assert prepare(tmp_path, "folder", "--raw-root", str(raw)) == 3
    said = capsys.readouterr().err
    assert "3.png: the mask has 4 x 4 pixels, its image 93 x 113" in said
    assert list((tmp_path / "data").iterdir()) == [] and list((tmp_path / "sealed").iterdir()) == []
