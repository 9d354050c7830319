"""The journal: whole lines, rising numbers, and no reading of what is long past."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, Any

import pytest

from llm_loop.errors import CorruptFileError, FileWriteError
from llm_loop.memory import journal as journals
from llm_loop.memory import journal_parts
from llm_loop.memory.journal import Journal, last_events
from llm_loop.system.clock import Clock


def opened(folder: Path, clock: Clock) -> Journal:
    return Journal(folder / "logs" / "events.jsonl", clock)


def lines(folder: Path) -> list[str]:
    return (folder / "logs" / "events.jsonl").read_text(encoding="utf-8").splitlines()


class CountingFile:
    """Pass a file through and count the bytes that are read."""

    read_bytes = 0

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        CountingFile.read_bytes += len(data)
        return data

    def readline(self, size: int = -1) -> bytes:
        data = self._stream.readline(size)
        CountingFile.read_bytes += len(data)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __enter__(self) -> CountingFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> type[CountingFile]:
    """Count the bytes that are read from files, from now on."""
    real, real_outside = Path.open, journal_parts.open_outside
    monkeypatch.setattr(Path, "open", lambda self, *args, **rest: CountingFile(real(self, *args, **rest)))
    monkeypatch.setattr(journal_parts, "open_outside", lambda path: CountingFile(real_outside(path)))
    CountingFile.read_bytes = 0
    return CountingFile


def fifty_thousand(folder: Path) -> Path:
    path = folder / "logs" / "events.jsonl"
    path.parent.mkdir()
    text = "".join(
        json.dumps({"seq": n, "ts_utc": "", "event": "x", "fill": "y" * 60}) + "\n" for n in range(1, 50_001)
    )
    path.write_text(text, encoding="utf-8")
    return path


def test_numbers_rise_over_restarts(tmp_path: Path, clock: Clock) -> None:
    journal = opened(tmp_path, clock)
    assert journal.seq == 0 and journal.repaired is None
    assert journal.append("one", text="ä\n") == {
        "seq": 1,
        "ts_utc": "2026-03-01T22:00:00Z",
        "event": "one",
        "text": "ä\n",
    }
    journal.append("cycle_opened")
    again = opened(tmp_path, clock)
    assert again.seq == 2
    assert again.append("three")["seq"] == 3
    assert [json.loads(line)["seq"] for line in lines(tmp_path)] == [1, 2, 3]
    assert [event["event"] for event in again.after(1)] == ["cycle_opened", "three"]
    assert again.after(0)[0]["text"] == "ä\n" and again.after(3) == []


def test_what_could_not_be_written_did_not_happen(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = opened(tmp_path, clock)
    journal.append("one")

    def refuse(path: Path, line: str, durable: bool = True, make_folder: bool = True) -> None:
        raise FileWriteError(path, "append to", OSError(28, "No space left on device"))

    monkeypatch.setattr(journals.files, "append_line", refuse)
    with pytest.raises(FileWriteError):
        journal.append("two")
    monkeypatch.undo()
    with pytest.raises(ValueError):
        journal.append("nan", value=float("nan"))
    assert journal.append("three")["seq"] == 2
    assert [event["event"] for event in journal.after(0)] == ["one", "three"]


@pytest.mark.parametrize("torn", ['{"seq": 3, "ev', '{"seq": 3, "event": "whole but no line end"}', "\x00" * 70_000])
def test_a_torn_last_line_is_set_aside(tmp_path: Path, clock: Clock, torn: str) -> None:
    journal = opened(tmp_path, clock)
    journal.append("one")
    journal.append("two")
    with (tmp_path / "logs" / "events.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(torn)
    again = opened(tmp_path, clock)
    assert again.seq == 2
    assert again.repaired is not None and again.repaired.read_text(encoding="utf-8") == torn
    assert again.repaired.name == "events.jsonl.torn-20260301T220000Z"
    again.append("three")
    assert [event["event"] for event in again.after(0)] == ["one", "two", "three"]
    assert opened(tmp_path, clock).repaired is None


def test_a_journal_of_one_torn_line_begins_anew(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "events.jsonl").write_text('{"seq": 1', encoding="utf-8")
    journal = opened(tmp_path, clock)
    assert journal.seq == 0 and journal.repaired is not None
    assert journal.append("one")["seq"] == 1


@pytest.mark.parametrize("line", ["not json", "[]", '{"event": "x"}', '{"seq": null}'])
def test_a_corrupt_line_is_named(tmp_path: Path, clock: Clock, line: str) -> None:
    journal = opened(tmp_path, clock)
    journal.append("one")
    with (tmp_path / "logs" / "events.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(line + "\n")
    with pytest.raises(CorruptFileError) as caught:
        opened(tmp_path, clock)
    assert "events.jsonl" in str(caught.value) and line[:20] in str(caught.value)
    with pytest.raises(CorruptFileError):
        journal.after(0)


def test_blank_lines_and_long_lines_are_fine(tmp_path: Path, clock: Clock) -> None:
    journal = opened(tmp_path, clock)
    journal.append("one", text="x" * 200_000)
    with (tmp_path / "logs" / "events.jsonl").open("a", encoding="utf-8") as stream:
        stream.write("\n\n")
    journal.append("two", text="y" * journal_parts.BLOCK_BYTES)
    assert [(event["event"], len(event["text"])) for event in journal.after(0)] == [("one", 200_000), ("two", 65536)]
    assert opened(tmp_path, clock).seq == 2


def test_fifty_thousand_lines_cost_no_more_than_their_end(
    tmp_path: Path, clock: Clock, counted: type[CountingFile]
) -> None:
    path = fifty_thousand(tmp_path)
    size = path.stat().st_size
    journal = opened(tmp_path, clock)
    assert journal.seq == 50_000 and counted.read_bytes <= 3 * journal_parts.BLOCK_BYTES < size / 10
    counted.read_bytes = 0
    assert len(journal.after(49_990)) == 10 and counted.read_bytes <= journal_parts.BLOCK_BYTES
    counted.read_bytes = 0
    assert journal.append("more")["seq"] == 50_001 and counted.read_bytes == 0
    assert len(last_events(path, 20)) == 20 and counted.read_bytes <= journal_parts.BLOCK_BYTES


def test_last_events_are_bounded_and_tolerant(tmp_path: Path, counted: type[CountingFile]) -> None:
    path = fifty_thousand(tmp_path)
    assert [event["seq"] for event in last_events(path, 3)] == [49_998, 49_999, 50_000]
    few = last_events(path, 50_000, max_bytes=10_000)
    assert 80 <= len(few) <= 100 and few[-1]["seq"] == 50_000
    assert counted.read_bytes <= 3 * journal_parts.BLOCK_BYTES
    with path.open("a", encoding="utf-8") as stream:
        stream.write('not json\n{"seq": 50001, "being wri')
    assert [event["seq"] for event in last_events(path, 2)] == [49_999, 50_000]
    assert last_events(tmp_path / "gone", 5) == []
