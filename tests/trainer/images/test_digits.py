"""The digits: 300, 540 and 957, and no sealed image comes out."""

from __future__ import annotations

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("sklearn")
pytest.importorskip("PIL")

from llm_loop.trainer.images import digits  # noqa: E402
from llm_loop.trainer.settings import DataSettings  # noqa: E402


def rows_of(images) -> set[bytes]:
    return {image.tobytes() for image in images}


def test_sizes_and_balance() -> None:
    data = digits.load_digits(DataSettings(image_size=8, train_images=300))
    assert (len(data.train), len(data.val), data.sealed["count"]) == (300, 540, 957)
    assert data.train.images.shape == (300, 1, 8, 8) and data.train.images.max() == 255
    assert set(np.bincount(data.train.labels)) <= {29, 30, 31}


def test_the_seal_never_moves() -> None:
    """Another hash means that images changed sides: results before and after could not be compared."""
    data = digits.load_digits(DataSettings(image_size=8, train_images=300))
    assert data.sealed["hash"] == "sha256:a02738f33a7b49f8a53aeb542de1c72021ddf36c2e7f938b73520517b56090ef"
    assert data.data_hash == "sha256:6978043f4f2b59c7da08c78692ce61b3d7cbe303f42a06683f157ee36687d241"


def test_the_split_is_disjoint_and_covers_all_rows() -> None:
    labels = digits._read_table()[:, -1].astype(np.int64)
    train, val, sealed = digits.split(labels)
    assert np.array_equal(np.sort(np.concatenate([train, val, sealed])), np.arange(1797))


def test_no_sealed_image_is_handed_out() -> None:
    table = digits._read_table()
    _, _, sealed = digits.split(table[:, -1].astype(np.int64))
    hidden = rows_of(np.rint(table[sealed, :-1] * (255 / 16)).astype(np.uint8))
    data = digits.load_digits(DataSettings(image_size=8, train_images=300))
    assert len(hidden) == 957
    assert not hidden & rows_of(np.concatenate([data.train.images, data.val.images]))


def test_fewer_training_images_leave_validation_and_seal_alone() -> None:
    whole = digits.load_digits(DataSettings(image_size=8, train_images=300))
    part = digits.load_digits(DataSettings(image_size=8, train_images=50))
    assert len(part.train) == 50 and rows_of(part.train.images) < rows_of(whole.train.images)
    assert np.array_equal(part.val.images, whole.val.images) and part.sealed == whole.sealed
    assert part.data_hash != whole.data_hash


def test_the_table_is_the_one_that_scikit_learn_gives() -> None:
    from sklearn.datasets import load_digits

    table = digits._read_table()
    bundled = load_digits()
    assert np.array_equal(table[:, :-1], bundled.data) and np.array_equal(table[:, -1], bundled.target)


def test_resizing_and_colour_change_the_shape_only() -> None:
    data = digits.load_digits(DataSettings(image_size=12, channels=3, train_images=10))
    assert data.train.images.shape == (10, 3, 12, 12)
    assert np.array_equal(data.train.images[:, 0], data.train.images[:, 2])
