"""The record of openings: whole, in order, and a line that was changed or taken out is noticed."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from llm_loop.contract.sealed import (
    DATASET,
    OPENINGS,
    OpenedBeforeError,
    PreparedData,
    SealedRows,
    read_openings,
    record_opening,
)
from llm_loop.errors import ContractError, CorruptFileError, LoopError

NOW = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "hands").mkdir()
    (tmp_path / "hands" / "manifest.csv").write_text("image,split\na.png,test\n", encoding="utf-8")
    return tmp_path


def open_often(root: Path, times: int) -> list[str]:
    for number in range(times):
        record_opening(root, name="hands", why=f"reason {number}", run=None, now=NOW + timedelta(minutes=number))
    return (root / OPENINGS).read_text(encoding="utf-8").splitlines()


def test_a_whole_record(root: Path) -> None:
    assert read_openings(root).openings == () and read_openings(root / "nowhere").broken == ()
    lines = open_often(root, 3)
    record = read_openings(root)
    assert [one.why for one in record.openings] == ["reason 0", "reason 1", "reason 2"] and record.broken == ()
    assert record.of("hands") == 3 and record.of("feet") == 0
    assert json.loads(lines[0])["utc"] == "2026-03-01T22:00:00+00:00" and json.loads(lines[0])["previous"] is None


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda lines: [lines[0], lines[2]], "line 2: what stood before it was changed or taken out"),
        (lambda lines: lines[1:], "line 1: what stood before it was changed or taken out"),
        (lambda lines: [lines[0].replace("reason 0", "nothing"), *lines[1:]], "line 2: what stood before"),
        (lambda lines: [lines[0], "{", *lines[1:]], "line 2: not JSON"),
        (lambda lines: [*lines, '{"utc": "now"}'], "'name' is a required property"),
    ],
)
def test_a_spoiled_record_is_noticed(root: Path, spoil, says: str) -> None:
    lines = spoil(open_often(root, 3))
    (root / OPENINGS).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    assert any(says in line for line in read_openings(root).broken)


def test_openings_at_the_same_time_are_all_kept(root: Path) -> None:
    with ThreadPoolExecutor(4) as threads:
        opened = [
            threads.submit(record_opening, root, name="hands", why=str(number), run=None, now=NOW)
            for number in range(12)
        ]
        assert len({one.result().previous for one in opened}) == 12
    assert len(read_openings(root).openings) == 12 and read_openings(root).broken == ()


def test_rows_are_opened_once_for_a_reason_where_that_is_asked_for(root: Path) -> None:
    """Also when many ask at the same time, under another name of the same rows, and for another run."""
    shutil.copytree(root / "hands", root / "feet")

    def open_once(number: int) -> bool:
        try:
            name = ("hands", "feet")[number % 2]
            record_opening(root, name=name, why=" the\tend ", run=f"R000{number}", now=NOW, once=True)
        except OpenedBeforeError as error:
            assert error.opening.why == "the end" and f"for {error.opening.run} at" in str(error)
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(open_once, range(8))) == 1
    record_opening(root, name="feet", why="the end", run="R0009", now=NOW)  # whoever does not ask for it is recorded
    record = read_openings(root)
    assert [record.number_of(one) for one in record.openings] == [1, 2]
    assert record.for_reason(record.openings[0].manifest_sha256, "the end") == record.openings[0]
    assert record.for_reason("0" * 64, "the end") is None


def test_rows_that_lie_in_no_folder_are_recorded_by_their_content(root: Path) -> None:
    opening = record_opening(root / "new", name="digits", why="x", run="R\u20281", now=NOW, content_sha256="a" * 64)
    assert (opening.manifest_sha256, opening.run) == ("a" * 64, "R 1")
    assert read_openings(root / "new").openings == (opening,) and read_openings(root / "new").broken == ()


def test_an_opening_never_disappears_in_a_torn_line(root: Path) -> None:
    """A line that lost its end, by a power cut or an editor, does not swallow the next."""
    line = open_often(root, 1)[0]
    for before in (line, line[:20]):
        (root / OPENINGS).write_text(before, encoding="utf-8")
        record_opening(root, name="hands", why="new", run=None, now=NOW)
        record = read_openings(root)
        assert record.openings[-1].why == "new" and len(record.broken) == (0 if before == line else 1)
        assert record.number_of(record.openings[-1]) == 2, "a spoiled line counts: nobody hides a look by spoiling it"


def test_nothing_is_recorded_without_a_reason_or_rows(root: Path) -> None:
    with pytest.raises(LoopError, match="one named reason"):
        record_opening(root, name="hands", why="", run=None, now=NOW)
    with pytest.raises(CorruptFileError, match="no sealed rows"):
        record_opening(root, name="feet", why="x", run=None, now=NOW)
    assert not (root / OPENINGS).exists()


def test_a_data_set_is_read_as_it_was_written(tmp_path: Path) -> None:
    data = PreparedData(
        name="hands",
        source="folder",
        settings={"seed": 0, "val": 0.15, "image_size": None},
        labels={"0": "whole", "1": "broken"},
        images={"train": {"0": 3, "1": 2}},
        left_out={"truncated": 1},
        manifest_sha256="a" * 64,
        sealed=SealedRows(rows=2, manifest_sha256="b" * 64),
    )
    path = tmp_path / DATASET
    path.write_text(json.dumps(data.to_json()), encoding="utf-8")
    assert PreparedData.read(path) == data
    path.write_text(json.dumps(data.to_json() | {"manifest_sha256": "short"}), encoding="utf-8")
    with pytest.raises(ContractError, match="manifest_sha256"):
        PreparedData.read(path)
