"""Sealed rows are opened for one reason, and the opening is on the disk before the rows are handed out."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("numpy")
pytest.importorskip("PIL.Image")

from llm_loop.contract.sealed import OPENINGS, read_openings
from llm_loop.errors import FileWriteError, LoopError
from llm_loop.trainer.failures import DataError
from llm_loop.trainer.prepare.opening import load_sealed_rows
from tests.trainer.prepare.preparation import Places, Prepared, prepare


@pytest.fixture
def done(raw: Path, tmp_path: Path) -> Prepared:
    return prepare(raw, Places(out=tmp_path / "frac", sealed_root=tmp_path / "sealed", name="frac"))


def test_each_opening_is_recorded(done: Prepared) -> None:
    root = done.places.sealed_root
    opened = load_sealed_rows(root, "frac", why="the final\nscore", run="R0007", dataset=done.places.out)
    assert len(opened.rows) == done.told.sealed.rows
    assert all((opened.folder / row["image"]).is_file() for row in opened.rows)
    record = read_openings(root)
    assert record.openings == (opened.opening,) and record.broken == () and record.of("frac") == 1
    assert opened.opening.why == "the final score"
    assert opened.opening.manifest_sha256 == done.told.sealed.manifest_sha256
    load_sealed_rows(root, "frac", why="again", run=None)
    assert read_openings(root).of("frac") == 2


def test_nothing_is_handed_out_where_the_record_cannot_be_written(done: Prepared) -> None:
    (done.places.sealed_root / OPENINGS).mkdir()
    with pytest.raises((FileWriteError, OSError)):
        load_sealed_rows(done.places.sealed_root, "frac", why="the final score", run=None)


def test_no_reason_no_rows_other_rows(done: Prepared) -> None:
    root = done.places.sealed_root
    with pytest.raises(LoopError, match="one named reason"):
        load_sealed_rows(root, "frac", why=" ", run=None)
    with pytest.raises(DataError, match="no sealed rows of this name"):
        load_sealed_rows(root, "other", why="x", run=None)
    manifest = root / "frac" / "manifest.csv"
    manifest.write_text(manifest.read_text("utf-8").replace(",1,test", ",0,test", 1), "utf-8")
    with pytest.raises(DataError, match="not the rows that were sealed with"):
        load_sealed_rows(root, "frac", why="x", run=None, dataset=done.places.out)
    assert read_openings(root).openings == ()
