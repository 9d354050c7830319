"""``check`` finds leaks, test rows in sight, shortcuts and broken files, and says so in its exit code."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

np = pytest.importorskip("numpy")
Image = pytest.importorskip("PIL.Image")

from llm_loop.trainer.failures import DataError  # noqa: E402
from llm_loop.trainer.prepare.__main__ import main  # noqa: E402
from llm_loop.trainer.prepare.check import check  # noqa: E402
from llm_loop.trainer.prepare.findings import Findings  # noqa: E402
from tests.trainer.prepare.look_alike import SMALL, jpeg, picture  # noqa: E402
from tests.trainer.prepare.preparation import Prepared  # noqa: E402


class Copy:
    """A copy of the prepared look-alike, to be spoiled."""

    def __init__(self, prepared: Prepared, folder: Path) -> None:
        self.root = Path(shutil.copytree(prepared.places.out, folder / "frac"))
        self.sealed_root = prepared.places.sealed_root
        self.sealed = prepared.places.sealed

    def rows(self) -> list[dict[str, str]]:
        with (self.root / "manifest.csv").open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))

    def write(self, rows: list[dict[str, str]]) -> None:
        with (self.root / "manifest.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    def check(self, sheet: Path | None = None) -> Findings:
        return check(self.root, sealed_root=self.sealed_root, sheet=sheet)


@pytest.fixture
def copy(prepared: Prepared, tmp_path: Path) -> Copy:
    return Copy(prepared, tmp_path)


def first(rows: list[dict[str, str]], split: str) -> dict[str, str]:
    return next(row for row in rows if row["split"] == split)


def test_a_prepared_set_is_good_and_its_planted_shortcut_is_told(copy: Copy, tmp_path: Path) -> None:
    findings = copy.check(tmp_path / "sheet.png")
    assert findings.errors == []
    assert [one.feature for one in findings.shortcuts if one.flagged] == ["flag hardware"]
    assert len(findings.warnings) == 1 and "flag hardware alone predicts the label 1" in findings.warnings[0]
    assert findings.duplicates["identical bytes within a split"] == 1
    assert sum(findings.duplicates.values()) == 3
    assert findings.sealed is not None and findings.sealed["found"]
    assert sum(sum(counts.values()) for counts in findings.images.values()) == len(copy.rows())
    with Image.open(tmp_path / "sheet.png") as sheet:
        pixels = np.asarray(sheet).astype(int)
    assert (pixels == (255, 48, 48)).all(axis=-1).any()  # an outline


def test_no_test_row_is_shown_or_named(copy: Copy, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["check", str(copy.root), "--sealed-root", str(copy.sealed_root), "--sheet", str(tmp_path / "sheet.png")]
    assert main([*argv, "--json"]) == 0
    said = capsys.readouterr().out
    with (copy.sealed / "manifest.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            assert Path(row["image"]).stem not in said and row["sha256"] not in said
    assert json.loads(said)["verdict"] == "good"


@pytest.mark.parametrize("kind", ["identical bytes", "identical pixels", "near-identical pixels"])
def test_the_same_picture_in_two_splits_is_a_leak(copy: Copy, kind: str) -> None:
    rows = [{**row, "sha256": ""} for row in copy.rows()]
    source, target = (copy.root / first(rows, split)["image"] for split in ("train", "val"))
    first(rows, "val")["mask"] = ""
    data = source.read_bytes()
    with Image.open(source) as image:
        again = jpeg(image, 50)
    target.write_bytes({"identical bytes": data, "identical pixels": data + b"\0"}.get(kind, again))
    copy.write(rows)
    leaks = [line for line in copy.check().errors if line.startswith("a leak")]
    assert len(leaks) == 1 and kind in leaks[0] and target.name in leaks[0] and source.name in leaks[0]


def test_a_torn_group_is_a_leak(copy: Copy) -> None:
    rows = copy.rows()
    first(rows, "val")["group"] = first(rows, "train")["group"]
    copy.write(rows)
    assert any(line.startswith("a leak: 1 group(s) in more than one split") for line in copy.check().errors)


def test_test_rows_in_sight_are_errors(copy: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    rows = copy.rows()
    rows[3]["split"] = "test"
    with (copy.sealed / "manifest.csv").open(encoding="utf-8", newline="") as stream:
        hidden = next(csv.DictReader(stream))
    shutil.copy(copy.sealed / hidden["image"], copy.root / rows[5]["image"])
    copy.write(rows)
    assert main(["check", str(copy.root), "--sealed-root", str(copy.sealed_root), "--no-sheet"]) == 3
    said = capsys.readouterr().out
    assert "manifest.csv, line 5: a test row in sight" in said
    assert f"({rows[5]['image']}) is a sealed test image" in said
    assert "is not the manifest that was prepared" in said


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda root, row: (root / row["image"]).unlink(), "No such file"),
        (lambda root, row: (root / row["image"]).write_bytes(b"x"), "unreadable"),
        (lambda root, row: (root / row["image"]).write_bytes((root / row["image"]).read_bytes()[:-900]), "truncated"),
        (lambda root, row: (root / row["image"]).write_bytes(jpeg(picture(999, SMALL))), "not the one of the manifest"),
        (lambda root, row: Image.new("L", (5, 7)).save(root / row["mask"]), "the mask has 5 x 7 pixels"),
        (lambda root, row: (root / row["mask"]).unlink(), "No such file"),
        (lambda root, row: row.update(image="../away.png"), "lies outside of"),
        (lambda root, row: row.update(split="Train"), "the split is 'Train'"),
        (lambda root, row: row.update(image=""), "no image is named"),
    ],
)
def test_each_bad_row_is_named_by_its_line(copy: Copy, spoil, words: str) -> None:
    rows = copy.rows()
    spoil(copy.root, rows[0])
    copy.write(rows)
    (line,) = [line for line in copy.check().errors if line.startswith("manifest.csv, line 2")]
    assert words in line


def class_folder(root: Path, **more: object) -> Path:
    for number in range(24):
        label = "cat" if number % 2 else "dog"
        (root / label).mkdir(parents=True, exist_ok=True)
        size = SMALL if number % 2 else (SMALL[0] + 9, SMALL[1])
        (root / label / f"{number}.jpg").write_bytes(jpeg(picture(number, size)))
    return root


def test_a_class_folder_its_shortcut_its_duplicates_its_test_folder(tmp_path: Path) -> None:
    root = class_folder(tmp_path / "pictures")
    findings = check(root, sealed_root=None, sheet=None)
    assert findings.errors == [] and findings.images == {"all": {"cat": 12, "dog": 12}}
    flagged = {one.feature: one for one in findings.shortcuts if one.flagged}
    assert flagged["width"].auc == 1.0 and flagged["width"].n == 24 and "mean grey" not in flagged
    shutil.copy(root / "cat" / "1.jpg", root / "dog" / "copy.jpg")
    (root / "test").mkdir()
    shutil.copy(root / "cat" / "3.jpg", root / "test" / "3.jpg")
    findings = check(root, sealed_root=None, sheet=None)
    assert [line for line in findings.errors if "test images in sight" in line] == findings.errors != []
    assert any("1 pair(s) of the same picture with different labels" in line for line in findings.warnings)
    assert any("a random split parts them" in line for line in findings.warnings)


def test_images_and_masks_have_to_match(tmp_path: Path) -> None:
    for number in range(12):
        for inner, image in (("images", picture(number, SMALL)), ("masks", Image.new("L", SMALL, 255 * (number % 2)))):
            (tmp_path / inner).mkdir(exist_ok=True)
            image.save(tmp_path / inner / f"{number}.png")
    assert check(tmp_path, sealed_root=None, sheet=None).images == {"all": {"0": 6, "1": 6}}
    (tmp_path / "masks" / "3.png").unlink()
    (tmp_path / "images" / "4.png").unlink()
    errors = check(tmp_path, sealed_root=None, sheet=None).errors
    assert sorted(errors) == ["images/3.png: no mask of this name", "masks/4.png: no image of this name"]


def test_nothing_to_check_is_said(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "gone"):
        with pytest.raises(DataError):
            check(place, sealed_root=None, sheet=None)
    (tmp_path / "manifest.csv").write_text("image,mask\n")
    with pytest.raises(DataError, match="line 1: no column split"):
        check(tmp_path, sealed_root=None, sheet=None)


def test_a_sealed_image_is_a_leak_without_dataset_json_too_and_on_no_sheet(copy: Copy, tmp_path: Path) -> None:
    """The sheet of a set with nothing but sealed images, copied into sight, is not drawn at all."""
    copied = tmp_path / "copied" / "pictures"
    shutil.copytree(copy.sealed / "images", copied)
    findings = check(copied.parent, sealed_root=copy.sealed_root, sheet=tmp_path / "sheet.png")
    assert len([line for line in findings.errors if "is a sealed test image" in line]) == len(list(copied.iterdir()))
    assert not (tmp_path / "sheet.png").exists() and findings.contact_sheet is None


def test_sealed_rows_are_checked_without_a_sheet_beside_them(copy: Copy) -> None:
    sheet = copy.sealed / "contact_sheet.png"
    assert check(copy.sealed, sealed_root=copy.sealed_root, sheet=sheet).errors
    assert not sheet.exists()


def test_sealed_rows_are_no_raw_pictures(copy: Copy, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for sealed_root in (copy.sealed_root, tmp_path / "another"):
        words = ["prepare", "folder", "--raw-root", str(copy.sealed), "--out", str(tmp_path / "out")]
        assert main([*words, "--sealed-root", str(sealed_root)]) == 3
        assert "sealed" in capsys.readouterr().err
        assert not (tmp_path / "out").exists()


def test_a_nul_byte_and_two_columns_of_one_name_are_named(copy: Copy) -> None:
    manifest = copy.root / "manifest.csv"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace("images/", "images/\0", 1), encoding="utf-8")
    assert any("line 2: the name of the image holds a NUL byte" in line for line in copy.check().errors)
    manifest.write_text(text.replace("group", "split", 1), encoding="utf-8")
    with pytest.raises(DataError, match="two columns are called split"):
        copy.check()
