"""FracAtlas is prepared as it must be, on an archive with every trap that is known of the real one."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

np = pytest.importorskip("numpy")
Image = pytest.importorskip("PIL.Image")

from llm_loop.contract.sealed import manifest_hash  # noqa: E402
from llm_loop.trainer.failures import DataError  # noqa: E402
from llm_loop.trainer.prepare.choosing import Plan, choose  # noqa: E402
from llm_loop.trainer.prepare.fracatlas import find_root, read_fracatlas  # noqa: E402
from llm_loop.trainer.prepare.pictures import decode, look_at  # noqa: E402
from llm_loop.trainer.prepare.places import Places  # noqa: E402
from tests.conftest import REPOSITORY  # noqa: E402
from tests.trainer.prepare import look_alike as traps  # noqa: E402
from tests.trainer.prepare.preparation import Prepared, prepare  # noqa: E402

Row = dict[str, str]
ALL = traps.POSITIVES + traps.NEGATIVES + 13  # what the traps add to the table


def rows_of(folder: Path) -> list[Row]:
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def all_rows(prepared: Prepared) -> dict[str, tuple[Path, Row]]:
    """Return every row, the sealed ones too, by the picture's stem, with the folder that it lies in."""
    both = [(folder, row) for folder in (prepared.places.out, prepared.places.sealed) for row in rows_of(folder)]
    return {Path(row["image"]).stem: (folder, row) for folder, row in both}


def stem(number: int) -> str:
    return Path(traps.name_of(number)).stem


def mask_of(prepared: Prepared, number: int):
    folder, row = all_rows(prepared)[stem(number)]
    with Image.open(folder / row["mask"]) as mask, Image.open(folder / row["image"]) as image:
        assert mask.size == image.size
        return np.asarray(mask)


def copy_of(raw: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(raw, tmp_path / "raw")) / "FracAtlas" / "FracAtlas"


def test_every_picture_is_in_one_split_or_left_out_with_its_reason(prepared: Prepared) -> None:
    assert len(prepared.choice.chosen) + len(prepared.choice.left_out) == ALL + 1  # and the one that no row names
    assert dict(prepared.choice.left_out) == {
        "truncated": traps.name_of(traps.TRUNCATED),
        "in dataset.csv, but not on disk": traps.name_of(traps.MISSING_ON_DISK),
        "on disk, but not in dataset.csv": traps.name_of(traps.UNLISTED),
        "not fractured, and yet with a polygon": traps.name_of(traps.BOXED_NEGATIVE),
        "fractured without a polygon, so that its mask is not known": traps.name_of(traps.UNDRAWN_POSITIVE),
        **{
            f"identical pixels to a picture of another label ({traps.name_of(other)})": traps.name_of(one)
            for one, other in (traps.OPPOSITE, traps.OPPOSITE[::-1])
        },
    }
    assert len(all_rows(prepared)) == len(prepared.choice.chosen)


def test_splits_hold_their_share_of_each_label(prepared: Prepared) -> None:
    counts = Counter((one.split, one.source.label) for one in prepared.choice.chosen)
    for label in "01":
        total = sum(count for (_, of), count in counts.items() if of == label)
        assert counts["val", label] == counts["test", label] == round(0.15 * total)
    assert prepared.told.images == {
        "train": {"0": counts["train", "0"], "1": counts["train", "1"]},
        "val": {"0": counts["val", "0"], "1": counts["val", "1"]},
    }


def test_no_test_row_is_in_sight(prepared: Prepared) -> None:
    sealed = rows_of(prepared.places.sealed)
    assert prepared.told.sealed.rows == len(sealed) > 0 and {row["split"] for row in sealed} == {"test"}
    assert prepared.told.sealed.manifest_sha256 == manifest_hash(prepared.places.sealed / "manifest.csv")
    out = prepared.places.out
    texts = "".join(path.read_text("utf-8") for path in out.iterdir() if path.is_file())
    on_disk = {path.stem for path in out.rglob("*")}
    assert "test (sealed)" in texts
    for row in sealed:
        name = Path(row["image"]).stem
        assert name not in texts and name not in on_disk
        assert row["sha256"] not in texts
    assert {row["split"] for row in rows_of(out)} == {"train", "val"}


def test_the_same_pictures_share_group_and_split(prepared: Prepared) -> None:
    for one, other in (traps.SAME_PIXELS, traps.SAME_BYTES, traps.NEARLY):
        first, second = all_rows(prepared)[stem(one)][1], all_rows(prepared)[stem(other)][1]
        assert (first["group"], first["split"]) == (second["group"], second["split"]) == (stem(one), first["split"])
    pixels = [look_at((folder / row["image"]).read_bytes()).pixel_sha256 for folder, row in all_rows(prepared).values()]
    assert len(pixels) - len(set(pixels)) == 2  # those two groups, and nothing that contradicts itself


def test_the_label_is_that_of_the_table(prepared: Prepared) -> None:
    folder, row = all_rows(prepared)[stem(traps.BOTH_FOLDERS)]
    assert row["label"] == "1" and np.asarray(Image.open(folder / row["mask"])).any()
    labels = Counter(row["label"] for _, row in all_rows(prepared).values())
    assert labels == {"1": traps.POSITIVES + 1, "0": traps.NEGATIVES + 6}
    for folder, row in all_rows(prepared).values():
        assert np.asarray(Image.open(folder / row["mask"])).any() == (row["label"] == "1")


def test_a_turned_picture_is_stored_upright_and_its_mask_fits(prepared: Prepared) -> None:
    folder, row = all_rows(prepared)[stem(traps.TURNED)]
    assert row["image"].endswith(".png")
    upright = decode((folder / row["image"]).read_bytes())
    drawn = np.asarray(traps.picture(traps.TURNED, traps.LARGE)).astype(int)
    assert upright.size == traps.LARGE
    assert np.abs(np.asarray(upright).astype(int) - drawn).mean() < 3
    y, x = np.nonzero(mask_of(prepared, traps.TURNED))
    assert 0.25 < x.mean() / traps.LARGE[0] < 0.55 and 0.45 < y.mean() / traps.LARGE[1] < 0.62


def test_what_needs_no_change_keeps_its_bytes(prepared: Prepared) -> None:
    root = find_root(prepared.raw)
    kept = [(folder, row) for folder, row in all_rows(prepared).values() if row["image"].endswith(".jpg")]
    assert len(kept) == len(prepared.choice.chosen) - 1
    for folder, row in kept:
        name = Path(row["image"]).name
        originals = [path.read_bytes() for path in (root / "images").glob(f"*/{name}")]
        assert (folder / row["image"]).read_bytes() in originals


def test_a_mask_is_the_union_of_all_instances(prepared: Prepared) -> None:
    mask = mask_of(prepared, traps.INSTANCES)
    assert set(np.unique(mask)) == {0, 255}
    square, corner = mask[50:75, 40:60], mask[5:22, 5:21]
    assert square.all() and corner.any()
    width, height = traps.SMALL
    triangle = 0.5 * abs(0.3 * width * 0.12 * height - 0.25 * width * -0.05 * height)
    assert 500 + 200 < np.count_nonzero(mask) < 500 + 240 + triangle  # less than the sum: two of them overlap


def test_flags_are_told_of_what_is_in_sight(prepared: Prepared) -> None:
    with (prepared.places.out / "flags.csv").open(encoding="utf-8", newline="") as stream:
        flags = {row["image"]: row for row in csv.DictReader(stream)}
    assert set(flags) == {row["image"] for row in rows_of(prepared.places.out)}
    positives = {row["image"] for row in rows_of(prepared.places.out) if row["label"] == "1"}
    assert {image for image, row in flags.items() if row["hardware"] == "1"} <= positives


def test_the_same_input_gives_the_same_bytes(prepared: Prepared, tmp_path: Path) -> None:
    again = Places(out=tmp_path / "other" / "frac", sealed_root=tmp_path / "sealed", name="frac")
    prepare(prepared.raw, again)
    for first, second in ((prepared.places.out, again.out), (prepared.places.sealed, again.sealed)):
        names = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
        assert names == sorted(path.relative_to(second) for path in second.rglob("*") if path.is_file())
        assert all((first / name).read_bytes() == (second / name).read_bytes() for name in names)
    prepare(prepared.raw, again)  # once more into the same places: allowed, for nothing differs


def test_rows_that_are_sealed_stay_sealed(prepared: Prepared, tmp_path: Path) -> None:
    out = tmp_path / "frac"
    places = Places(out=out, sealed_root=prepared.places.sealed_root, name="frac")
    with pytest.raises(DataError, match="other test rows are sealed under the name frac"):
        prepare(prepared.raw, places, seed=1)
    assert not out.exists() and list(tmp_path.iterdir()) == []
    assert manifest_hash(prepared.places.sealed / "manifest.csv") == prepared.told.sealed.manifest_sha256


def test_what_is_broken_off_leaves_no_half_set(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = copy_of(raw, tmp_path)
    places = Places(out=tmp_path / "data" / "frac", sealed_root=tmp_path / "sealed", name="frac")
    from tests.trainer.prepare import preparation

    def lose_a_file(archive, choice, plan):
        chosen = [one for one in choice.chosen if one.split != "test"]
        chosen[len(chosen) // 2].source.path.unlink()
        return ""

    with monkeypatch.context() as patch:
        patch.setattr(preparation, "report_text", lose_a_file)
        with pytest.raises(FileNotFoundError):
            prepare(root, places)
    assert not places.out.exists() and not places.sealed.exists()
    left = places.out.with_name(".frac.preparing") / "images"  # what a kill would have left
    left.mkdir(parents=True)
    (left / "half.jpg").write_bytes(b"half")
    raw_again = copy_of(raw, tmp_path / "again")
    prepare(raw_again, places)
    places.out.rename(places.out.with_name(".frac.before"))  # a kill between the two renames
    prepare(raw_again, places)
    assert [path.name for path in places.out.parent.iterdir()] == ["frac"]
    assert [path.name for path in places.sealed_root.iterdir()] == ["frac"]
    assert not (places.out / "images" / "half.jpg").exists()


def test_a_repaired_picture_shows_no_grey(raw: Path, tmp_path: Path) -> None:
    done = prepare(raw, Places(out=tmp_path / "frac", sealed_root=tmp_path / "sealed", name="frac"), repair=True)
    folder, row = all_rows(done)[stem(traps.TRUNCATED)]
    image = decode((folder / row["image"]).read_bytes())
    whole = np.asarray(traps.picture(traps.TRUNCATED, traps.LARGE)).astype(int)
    assert image.width == traps.LARGE[0] and traps.LARGE[1] // 2 < image.height < traps.LARGE[1]
    assert np.abs(np.asarray(image).astype(int) - whole[: image.height]).max(axis=1).mean() < 40
    assert np.asarray(image)[-16:, -16:].std() > 1  # the last blocks are picture, not what the decoder fills up with


def test_smaller_pictures_keep_every_instance(raw: Path, tmp_path: Path) -> None:
    done = prepare(raw, Places(out=tmp_path / "frac", sealed_root=tmp_path / "sealed", name="frac"), image_size=48)
    for folder, row in all_rows(done).values():
        with Image.open(folder / row["image"]) as image, Image.open(folder / row["mask"]) as mask:
            assert max(image.size) == 48 and image.size == mask.size and image.mode in ("L", "RGB")
            assert np.asarray(mask).any() == (row["label"] == "1")


def test_neighbouring_numbers_can_be_kept_together(raw: Path) -> None:
    blocks = {source.name: source.block for source in read_fracatlas(raw, id_block=10).sources}
    assert blocks[traps.name_of(11)] == blocks[traps.name_of(15)] != blocks[traps.name_of(21)]
    assert {source.block for source in read_fracatlas(raw).sources} == {None}


def test_one_export_is_enough_and_a_contradiction_is_told(raw: Path, tmp_path: Path) -> None:
    root = copy_of(raw, tmp_path)
    whole = {one.name: one.polygons for one in read_fracatlas(root).sources}
    vgg = root / "Annotations" / "VGG JSON" / "VGG_fracture_masks.json"
    value = json.loads(vgg.read_text("utf-8"))
    value[traps.name_of(3)]["regions"] = []
    shutil.rmtree(root / "Annotations" / "COCO JSON")
    alone = read_fracatlas(root)
    for one in alone.sources:
        assert len(one.polygons) == len(whole[one.name])
        assert all((a == b).all() for a, b in zip(one.polygons, whole[one.name], strict=True))
    vgg.write_text(json.dumps(value), encoding="utf-8")
    assert ("fractured without a polygon, so that its mask is not known", traps.name_of(3)) in read_fracatlas(
        root
    ).left_out
    shutil.copytree(find_root(raw) / "Annotations" / "COCO JSON", root / "Annotations" / "COCO JSON")
    told = read_fracatlas(root).remarks["COCO and VGG disagree (COCO was taken)"]
    assert told == [f"{traps.name_of(3)}: 1 polygon(s) in COCO, 0 in VGG, not the same"]


def test_a_size_that_does_not_fit_leaves_the_picture_out(raw: Path, tmp_path: Path) -> None:
    root = copy_of(raw, tmp_path)
    coco = root / "Annotations" / "COCO JSON" / "COCO_fracture_masks.json"
    value = json.loads(coco.read_text("utf-8"))
    next(one for one in value["images"] if one["file_name"] == traps.name_of(3))["width"] += 1
    coco.write_text(json.dumps(value), encoding="utf-8")
    done = prepare(root, Places(out=tmp_path / "frac", sealed_root=tmp_path / "sealed", name="frac"))
    why = f"annotated at another size than the upright picture has ({traps.SMALL[0] + 1} x {traps.SMALL[1]})"
    assert (why, traps.name_of(3)) in done.choice.left_out and stem(3) not in all_rows(done)


def test_a_polygon_that_leaves_the_picture_leaves_it_out(raw: Path, tmp_path: Path) -> None:
    root = copy_of(raw, tmp_path)
    coco = root / "Annotations" / "COCO JSON" / "COCO_fracture_masks.json"
    value = json.loads(coco.read_text("utf-8"))
    value["annotations"][1]["segmentation"][0][:2] = [traps.SMALL[0] + 0.5, 3.0]  # drawn at the edge
    value["annotations"][2]["segmentation"][0][:2] = [traps.SMALL[0] + 9.0, 3.0]
    coco.write_text(json.dumps(value), encoding="utf-8")
    choice = choose(read_fracatlas(root), Plan(name="frac"))
    found = [name for why, name in choice.left_out if why == "with a polygon that leaves the picture"]
    (named,) = [one["file_name"] for one in value["images"] if one["id"] == value["annotations"][2]["image_id"]]
    assert found == [named]


def test_a_killed_preparation_is_no_half_set(raw: Path, prepared: Prepared, tmp_path: Path) -> None:
    out, sealed = tmp_path / "data" / "frac", tmp_path / "sealed"
    argv = [sys.executable, "-m", "llm_loop.trainer.prepare", "prepare", "fracatlas", "--raw-root", str(raw)]
    argv += ["--out", str(out), "--sealed-root", str(sealed)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    begun = out.with_name(".frac.preparing") / "images"
    with subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL) as child:
        while not begun.exists() or not any(begun.iterdir()):
            assert child.poll() is None
        child.kill()
    assert not out.exists() or (out / "dataset.json").is_file()
    done = subprocess.run(argv, env=environment, stdout=subprocess.DEVNULL, timeout=60, check=False)
    assert done.returncode == 0
    assert (out / "manifest.csv").read_bytes() == (prepared.places.out / "manifest.csv").read_bytes()
    assert [path.name for path in (*out.parent.iterdir(), *sealed.iterdir())] == ["frac", "frac"]


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda root: (root / "dataset.csv").unlink(), "holds dataset.csv beside images"),
        (lambda root: shutil.rmtree(root / "images" / "Fractured"), "this folder is missing"),
        (lambda root: (root / "dataset.csv").write_text("a,b\n1,2\n"), "line 1: no column fractured, image_id"),
        (lambda root: (root / "dataset.csv").write_text("image_id,fractured\na.jpg,2\n"), "line 2: image_id and"),
        (lambda root: (root / "dataset.csv").write_text("image_id,fractured\na.jpg,0\na.jpg,1\n"), "line 3: a.jpg is"),
        (lambda root: (root / "dataset.csv").write_text("image_id,fractured\n../a.jpg,0\n"), "line 2: image_id and"),
        (lambda root: shutil.rmtree(root / "Annotations" / "COCO JSON"), None),
        (lambda root: next((root / "Annotations" / "COCO JSON").iterdir()).write_text("[1]"), "not the form of COCO"),
        (lambda root: next((root / "Annotations" / "VGG JSON").iterdir()).write_text("{"), "cannot be read"),
    ],
)
def test_a_broken_archive_is_refused_in_a_line(raw: Path, tmp_path: Path, act, words: str | None) -> None:
    root = copy_of(raw, tmp_path)
    act(root)
    if words is None:
        read_fracatlas(root.parent)
        return
    with pytest.raises(DataError, match=words) as caught:
        read_fracatlas(root.parent)
    assert "\n" not in str(caught.value)


def test_places_must_not_lie_in_each_other(raw: Path, tmp_path: Path) -> None:
    inner = Places(out=raw / "out", sealed_root=tmp_path / "sealed", name="x")
    sealed = Places(out=tmp_path / "sealed" / "out", sealed_root=tmp_path / "sealed", name="x")
    for places in (inner, sealed):
        with pytest.raises(DataError, match="lie in each other"):
            places.check(raw)
    with pytest.raises(DataError, match="choose another --sealed-root"):
        Places(out=tmp_path / "out", sealed_root=raw / "sealed", name="x").check(raw)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    with pytest.raises(DataError, match="holds something else"):
        Places(out=tmp_path / "mine", sealed_root=tmp_path / "sealed", name="x").check(raw)
