"""Following a journal: each event once, whatever happens to its files between two looks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llm_loop.memory.journal import Journal
from llm_loop.memory.journal_parts import older_parts, part_path
from llm_loop.system.clock import Clock
from llm_loop.views.journal_tail import JournalTail

LIMIT = 1000


@pytest.fixture
def live(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def grow(journal: Journal, count: int) -> None:
    for _ in range(count):
        journal.append("notice", text="x" * 50)


def seqs(tail: JournalTail) -> list[int]:
    return [event["seq"] for event in tail.new_events()]


@pytest.mark.parametrize("step", [1, 3, 9, 40])
def test_rotations_between_two_looks_make_no_difference(live: Path, clock: Clock, step: int) -> None:
    journal, tail, told = Journal(live, clock, LIMIT), JournalTail(live), []
    assert tail.new_events() == []
    for _ in range(120 // step):
        grow(journal, step)
        told += seqs(tail)
        assert not tail.restarted and seqs(tail) == []
    assert told == list(range(1, journal.seq + 1)) and len(older_parts(live)) > 5


def test_the_tail_reaches_into_older_parts(live: Path, clock: Clock) -> None:
    grow(Journal(live, clock, LIMIT), 100)
    found = seqs(JournalTail(live, tail_bytes=2500))
    assert found[-1] == 100 and 15 < len(found) < 30 and found == list(range(found[0], 101))
    assert seqs(JournalTail(live, after=90)) == list(range(91, 101))
    assert len(seqs(JournalTail(live, tail_bytes=10, after=0))) == 100


def test_the_instant_between_rename_and_new_file(live: Path, clock: Clock) -> None:
    journal = Journal(live, clock, None)
    grow(journal, 10)
    tail = JournalTail(live)
    assert len(seqs(tail)) == 10
    live.rename(part_path(live, 1))
    assert seqs(tail) == [] and not tail.restarted
    assert len(seqs(JournalTail(live))) == 10
    grow(Journal(live, clock, None), 2)
    assert seqs(tail) == [11, 12] and not tail.restarted


def test_old_parts_that_were_moved_away_are_not_missed(live: Path, clock: Clock) -> None:
    journal = Journal(live, clock, LIMIT)
    grow(journal, 50)
    tail = JournalTail(live)
    seqs(tail)
    for part in older_parts(live):
        part.path.unlink()
    grow(journal, 3)
    assert seqs(tail) == [51, 52, 53] and not tail.restarted


@pytest.mark.parametrize("count", [2, 5])
def test_another_journal_in_its_place_is_told_from_its_tail(live: Path, clock: Clock, count: int) -> None:
    grow(Journal(live, clock, None), 5)
    tail = JournalTail(live)
    assert len(seqs(tail)) == 5
    live.unlink()
    journal = Journal(live, clock, None)
    for number in range(count):
        journal.append("notice", text=f"another {number}")
    os.utime(live, ns=(1, 1))
    assert seqs(tail) == list(range(1, count + 1)) and tail.restarted
    assert seqs(tail) == [] and not tail.restarted


def test_lines_are_handed_out_as_they_stand_there(live: Path, clock: Clock) -> None:
    live.write_bytes(b'{"event": "x",   "seq": 1}\nnot json\n{"event": "y", "seq": 2')
    tail = JournalTail(live)
    assert tail.new_lines() == [(b'{"event": "x",   "seq": 1}', {"event": "x", "seq": 1})]
    with live.open("ab") as stream:
        stream.write(b', "z": 1}\n')
    assert [line for line, _ in tail.new_lines()] == [b'{"event": "y", "seq": 2, "z": 1}']


def test_a_folder_in_its_place_is_nothing(live: Path) -> None:
    live.mkdir()
    tail = JournalTail(live)
    assert tail.new_events() == [] == tail.new_events()
