"""A folder of images: split by class, broken files skipped and named, hopeless folders refused in a line."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest

np = pytest.importorskip("numpy")
Image = pytest.importorskip("PIL.Image")

from llm_loop.trainer.failures import DataError  # noqa: E402
from llm_loop.trainer.images import decode  # noqa: E402
from llm_loop.trainer.images.decode import decode_image  # noqa: E402
from llm_loop.trainer.images.image_folder import load_image_folder  # noqa: E402
from llm_loop.trainer.settings import DataSettings, DataSource  # noqa: E402


def settings(root: Path, **more) -> DataSettings:
    return DataSettings(source=DataSource.IMAGE_FOLDER, root=str(root), image_size=8, **more)


def png(array) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    return stream.getvalue()


def refusal(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        load_image_folder(settings(root))
    assert "\n" not in str(caught.value) and str(root) in str(caught.value)
    return str(caught.value)


def test_each_class_is_split_by_the_fraction(image_root: Path) -> None:
    data = load_image_folder(settings(image_root, val_fraction=0.25))
    assert data.classes == ("bright", "dark")
    assert np.bincount(data.train.labels).tolist() == [6, 6]
    assert np.bincount(data.val.labels).tolist() == [2, 2]
    assert data.train.images.shape == (12, 1, 8, 8)
    assert data.train.images[data.train.labels == 0].mean() > data.train.images[data.train.labels == 1].mean()


def test_the_split_follows_from_its_own_seed(image_root: Path) -> None:
    first = load_image_folder(settings(image_root))
    assert load_image_folder(settings(image_root)).data_hash == first.data_hash
    assert load_image_folder(settings(image_root, split_seed=1)).data_hash != first.data_hash


def test_the_hash_sees_a_changed_image(image_root: Path) -> None:
    first = load_image_folder(settings(image_root))
    shutil.copy(image_root / "dark" / "0.png", image_root / "dark" / "1.png")
    assert load_image_folder(settings(image_root)).data_hash != first.data_hash


def test_broken_images_are_skipped_and_named(image_root: Path) -> None:
    whole = (image_root / "dark" / "0.png").read_bytes()
    (image_root / "dark" / "empty.png").write_bytes(b"")
    (image_root / "dark" / "text.jpg").write_bytes(b"no image")
    (image_root / "dark" / "cut.PNG").write_bytes(whole[: len(whole) // 2])
    (image_root / "dark" / "flipped.png").write_bytes(whole[:60] + bytes([whole[60] ^ 255]) + whole[61:])
    (image_root / "dark" / "notes.txt").write_bytes(b"no image and no claim to be one")
    data = load_image_folder(settings(image_root))
    assert [line.split(" ")[0] for line in data.skipped] == [
        "dark/cut.PNG",
        "dark/empty.png",
        "dark/flipped.png",
        "dark/text.jpg",
    ]
    assert len(data.train) + len(data.val) == 16
    assert data.skipped[3] == "dark/text.jpg (no image in a known format)"


def test_a_class_with_one_image_is_trained_on_only(image_root: Path) -> None:
    (image_root / "lonely").mkdir()
    shutil.copy(image_root / "dark" / "0.png", image_root / "lonely" / "0.png")
    data = load_image_folder(settings(image_root))
    lonely = data.classes.index("lonely")
    assert (data.train.labels == lonely).sum() == 1 and (data.val.labels == lonely).sum() == 0
    assert any("lonely" in line for line in data.warnings)


def test_a_class_without_a_readable_image_is_left_out(image_root: Path) -> None:
    (image_root / "gone").mkdir()
    (image_root / "gone" / "0.png").write_bytes(b"broken")
    data = load_image_folder(settings(image_root))
    assert data.classes == ("bright", "dark") and any("gone" in line for line in data.warnings)


def test_fewer_training_images_stay_stratified(image_root: Path) -> None:
    data = load_image_folder(settings(image_root, train_images=4))
    assert np.bincount(data.train.labels).tolist() == [2, 2]


def test_hopeless_folders_are_refused(tmp_path: Path, image_root: Path) -> None:
    assert "cannot be read as a folder" in refusal(tmp_path / "none")
    (tmp_path / "file").write_bytes(b"")
    assert "cannot be read as a folder" in refusal(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    assert "no images" in refusal(tmp_path / "empty")
    (tmp_path / "broken" / "a").mkdir(parents=True)
    (tmp_path / "broken" / "a" / "0.png").write_bytes(b"x")
    assert "a/0.png" in refusal(tmp_path / "broken")
    shutil.rmtree(image_root / "dark")
    assert "two classes" in refusal(image_root)
    (image_root / "dark").mkdir()
    for path in sorted((image_root / "bright").iterdir())[1:]:
        path.unlink()
    shutil.copy(image_root / "bright" / "0.png", image_root / "dark" / "0.png")
    assert "validate" in refusal(image_root)


def test_an_unreadable_folder_is_refused(image_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(self: Path) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "iterdir", deny)
    assert "Permission denied" in refusal(image_root)


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 64).reshape(8, 8).astype(np.uint16)
    assert np.array_equal(decode_image(png(ramp), 8, 1).pixels[0], (ramp >> 8).astype(np.uint8))


def test_alpha_palette_and_grey_become_the_wanted_channels() -> None:
    grey = np.full((8, 8), 77, np.uint8)
    assert decode_image(png(grey), 8, 3).pixels.shape == (3, 8, 8)
    assert (decode_image(png(np.stack([grey] * 3 + [grey], axis=2)), 8, 1).pixels == 77 * 77 // 255).all()


def test_a_rotated_photograph_stands_upright() -> None:
    wide = np.zeros((8, 8), np.uint8)
    wide[:, 4:] = 255
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 270 degrees to see it upright
    Image.fromarray(wide).save(stream, "PNG", exif=exif)
    upright = decode_image(stream.getvalue(), 8, 1).pixels[0]
    assert upright[:4].max() == 0 and upright[4:].min() == 255


def test_a_huge_image_is_skipped_not_fatal(image_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode.Image, "MAX_IMAGE_PIXELS", 10)
    assert "none of its" in refusal(image_root)
