"""The journal in several files: nothing lost, nothing twice, at whatever instruction a crash comes."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_loop.errors import CorruptFileError
from llm_loop.memory import journal_parts
from llm_loop.memory.journal import Journal
from llm_loop.memory.journal_parts import events_backwards, first_event, lines_forwards, older_parts, part_path
from llm_loop.system import files
from llm_loop.system.clock import Clock
from tests.conftest import REPOSITORY
from tests.file_holding import held_open

LIMIT = 1000  # bytes; an event of these tests takes about a hundred


@pytest.fixture
def live(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "events.jsonl"


def filled(live: Path, clock: Clock, count: int, limit: int | None = LIMIT) -> Journal:
    journal = Journal(live, clock, limit)
    for number in range(count):
        journal.append("notice", text=f"{number:050d}")
    return journal


def seqs(live: Path) -> list[int]:
    """Return all numbers in the order in which they stand in the files, read without any code of the loop."""
    parts = sorted(live.parent.glob("events-*.jsonl"))
    lines = [line for path in [*parts, live] if path.exists() for line in path.read_bytes().splitlines()]
    return [json.loads(line)["seq"] for line in lines]


def test_it_goes_on_in_a_new_file(live: Path, clock: Clock) -> None:
    journal = filled(live, clock, 100)
    parts = older_parts(live)
    assert len(parts) > 5 and parts[0].path.name == "events-000000001.jsonl"
    for part in parts:
        assert part.path.stat().st_size < LIMIT + 200
        first = first_event(part.path)
        assert first is not None and first["seq"] == part.first_seq
    assert seqs(live) == list(range(1, 101)) == [event["seq"] for event in journal.after(0)]
    assert [event["seq"] for event in journal.after(93)] == list(range(94, 101))
    again = Journal(live, clock)
    assert (again.seq, again.first_seq) == (100, journal.first_seq)
    again.append("notice")
    assert len(older_parts(live)) == len(parts), "without a limit it goes on in one file"


def test_only_what_is_wanted_is_opened(live: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = filled(live, clock, 100)
    opened: list[str] = []
    real = journal_parts.open_outside
    monkeypatch.setattr(journal_parts, "open_outside", lambda path: (opened.append(path.name), real(path))[1])
    newest = older_parts(live)[-1]
    assert journal.first_seq is not None
    assert len(journal.after(journal.first_seq)) < 10 and opened == ["events.jsonl"]
    opened.clear()
    assert len(list(lines_forwards(live, newest.first_seq))) == 101 - newest.first_seq
    assert set(opened) == {"events.jsonl", newest.path.name}


def test_a_changed_size_counts_from_the_next_event(live: Path, clock: Clock) -> None:
    journal = filled(live, clock, 50, None)
    assert not older_parts(live)
    journal.rotate_bytes = LIMIT
    journal.append("notice")
    assert [part.first_seq for part in older_parts(live)] == [1] and journal.first_seq == 51


def test_an_event_that_cannot_be_written_begins_no_part(live: Path, clock: Clock) -> None:
    journal = filled(live, clock, 50, None)
    journal.rotate_bytes = LIMIT
    with pytest.raises(ValueError):
        journal.append("notice", value=float("nan"))
    assert not older_parts(live)


# ---------------------------------------------------------------- a crash at each step

CHILD = """
import os, signal, sys
from pathlib import Path
from llm_loop.memory import journal as journals
from llm_loop.system import files
from llm_loop.system.clock import SystemClock

live, point = Path(sys.argv[1]), sys.argv[2]

def die():
    sys.stdout.flush()
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

def dies_before(act):
    return lambda *args, **rest: die()

def dies_after(act):
    return lambda *args, **rest: (act(*args, **rest), die())

def torn(path, line, **rest):
    if path.exists() and path.stat().st_size == 0:
        path.write_bytes(line.encode()[:20])
        die()
    return real_append(path, line, **rest)

def in_the_new_file(path, line, **rest):
    done = real_append(path, line, **rest)
    if path.stat().st_size < 200 and journals.journal_parts.older_parts(path):
        die()
    return done

real_append = files.append_line
match point:
    case "before the rename": os.rename = dies_before(os.rename)
    case "after the rename": os.rename = dies_after(os.rename)
    case "after the new file": journals._begin_live_file = dies_after(journals._begin_live_file)
    case "in the first line": files.append_line = torn
    case "after the first line": files.append_line = in_the_new_file
journal = journals.Journal(live, SystemClock(), int(sys.argv[3]))
for number in range(1000):
    print(journal.append("notice", text=f"{number:050d}")["seq"], flush=True)
"""


@pytest.mark.parametrize(
    "point",
    ["before the rename", "after the rename", "after the new file", "in the first line", "after the first line"],
)
def test_a_kill_at_each_step_loses_and_doubles_nothing(live: Path, clock: Clock, point: str) -> None:
    live.parent.mkdir()
    (live.parent / "child.py").write_text(CHILD, encoding="utf-8")
    argv = [sys.executable, str(live.parent / "child.py"), str(live), point, str(LIMIT)]
    environ = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=60)
    told = [int(word) for word in done.stdout.split()]
    assert done.returncode != 0 and not done.stderr and 5 < len(told) < 100, "it died at the point"
    assert bool(older_parts(live)) == (point != "before the rename")
    journal = Journal(live, clock, LIMIT)
    assert (journal.repaired is not None) == (point == "in the first line")
    assert journal.seq in (told[-1], told[-1] + 1), "at most the event that nobody was told of"
    for _ in range(30):
        journal.append("notice", text="x" * 50)
    assert seqs(live) == list(range(1, journal.seq + 1)) == [event["seq"] for event in journal.after(0)]
    assert len(older_parts(live)) >= 3


@pytest.mark.parametrize("left", [None, b"", b'{"seq": 51, "ev'])
def test_what_a_crash_leaves_is_gone_on_from(live: Path, clock: Clock, left: bytes | None) -> None:
    filled(live, clock, 50, None)
    live.rename(part_path(live, 1))
    if left is not None:
        live.write_bytes(left)
    journal = Journal(live, clock, LIMIT)
    assert (journal.seq, journal.first_seq) == (50, None)
    assert (journal.repaired is not None) == bool(left)
    assert journal.append("notice")["seq"] == 51 and journal.first_seq == 51
    assert seqs(live) == list(range(1, 52))


def test_a_part_that_a_power_cut_tore_is_repaired_while_it_is_the_end(live: Path, clock: Clock) -> None:
    filled(live, clock, 50, None)
    part = part_path(live, 1)
    live.rename(part)
    part.write_bytes(part.read_bytes()[:-30])
    journal = Journal(live, clock)
    assert journal.seq == 49 and journal.repaired is not None and journal.repaired.name.startswith(part.name)
    assert journal.append("notice")["seq"] == 50 and seqs(live) == list(range(1, 51))


def test_a_torn_line_becomes_no_part(live: Path, clock: Clock) -> None:
    journal = filled(live, clock, 5, None)
    with live.open("ab") as stream:
        stream.write(b"x" * LIMIT)
    journal.rotate_bytes = LIMIT
    journal._rotate_when_due()
    assert not older_parts(live) and live.exists()
    again = Journal(live, clock, LIMIT)
    assert again.repaired is not None and again.seq == 5
    for _ in range(20):
        again.append("notice", text="y" * 50)
    assert older_parts(live) and seqs(live) == list(range(1, 26))


# ---------------------------------------------------------------- what people do


def test_who_moves_parts_away_loses_what_they_hold(live: Path, clock: Clock) -> None:
    journal = filled(live, clock, 100)
    first, second, third, *_ = older_parts(live)
    first.path.rename(live.parent / "kept elsewhere.jsonl")
    assert [event["seq"] for event in journal.after(0)] == list(range(second.first_seq, 101))
    third.path.unlink()
    found = [event["seq"] for event in Journal(live, clock).after(0)]
    later = older_parts(live)[1].first_seq
    assert found == [*range(second.first_seq, third.first_seq), *range(later, 101)]
    assert journal.append("notice")["seq"] == 101


def test_a_journal_moved_away_whole_begins_anew(live: Path, clock: Clock) -> None:
    filled(live, clock, 100)
    for path in live.parent.iterdir():
        path.unlink()
    assert Journal(live, clock).append("notice")["seq"] == 1


def test_a_file_of_the_parts_name_is_never_overwritten(live: Path, clock: Clock) -> None:
    live.parent.mkdir()
    part_path(live, 1).write_text("a person's own\n", encoding="utf-8")
    with pytest.raises(CorruptFileError):
        Journal(live, clock)
    part_path(live, 1).unlink()
    journal = filled(live, clock, 5, None)
    part_path(live, 1).write_text("a person's own\n", encoding="utf-8")
    journal.rotate_bytes = 10
    journal.append("notice")
    assert part_path(live, 1).read_text(encoding="utf-8") == "a person's own\n" and journal.seq == 6
    part_path(live, 1).unlink()
    journal.append("notice")
    assert seqs(live) == list(range(1, 8)) and len(older_parts(live)) == 1


@pytest.mark.parametrize(
    "name", ["events-1.jsonl", "events-.jsonl", "events-00000000x.jsonl", "events.jsonl.torn-20260301T220000Z", "e.txt"]
)
def test_other_files_are_no_parts(live: Path, clock: Clock, name: str) -> None:
    journal = filled(live, clock, 3)
    (live.parent / name).write_text("something else", encoding="utf-8")
    assert older_parts(live) == [] and len(journal.after(0)) == 3


def test_a_copy_of_the_journal_beside_it_is_not_told_twice(live: Path, clock: Clock) -> None:
    journal = filled(live, clock, 30, None)
    part_path(live, 1).write_bytes(live.read_bytes())
    part_path(live, 7).write_bytes(live.read_bytes())
    assert [event["seq"] for event in journal.after(0)] == list(range(1, 31))


# ---------------------------------------------------------------- somebody holds the file


def test_a_file_that_somebody_reads_goes_on_or_becomes_a_part(live: Path, clock: Clock) -> None:
    journal = filled(live, clock, 9, None)
    journal.rotate_bytes = 800
    with held_open(live):
        journal.append("notice", text="while it is held")
        assert len(older_parts(live)) == (0 if os.name == "nt" else 1)
        assert seqs(live) == list(range(1, 11))
    for _ in range(10):
        journal.append("notice", text="x" * 50)
    assert older_parts(live) and seqs(live) == list(range(1, 21))


def test_a_refused_rename_costs_a_short_wait_once(live: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = filled(live, clock, 20, None)
    journal.rotate_bytes = LIMIT
    tried = itertools.count()

    def refuse(source: Path, target: Path) -> None:
        next(tried)
        raise PermissionError(13, "held", str(source))

    monkeypatch.setattr(files, "_FILES_ARE_SHARED", True)
    monkeypatch.setattr(os, "rename", refuse)
    began = time.monotonic()
    journal.append("notice")
    first = next(tried)
    assert first < 10 and time.monotonic() - began < 1.0
    for _ in range(3):
        journal.append("notice")
    assert next(tried) - first == 4, "one try an event from then on"
    monkeypatch.undo()
    journal.append("notice")
    assert len(older_parts(live)) == 1 and seqs(live) == list(range(1, 26))


# ---------------------------------------------------------------- readers meanwhile


def rotate_while(reading: Iterator[object], journal: Journal) -> list[object]:
    """Take what is read, with a rotation and new events after the first piece."""
    found = [next(reading)]
    for _ in range(30):
        journal.append("notice", text="z" * 50)
    return [*found, *reading]


def test_a_reader_of_the_end_meets_a_rotation(live: Path, clock: Clock) -> None:
    journal = filled(live, clock, 40, None)
    journal.rotate_bytes = LIMIT
    found = rotate_while((event["seq"] for _, event in events_backwards(live)), journal)
    assert found == list(range(40, 0, -1))
    assert os.name == "nt" or older_parts(live), "on Windows a file that is read cannot be renamed"
    journal.append("notice")
    assert older_parts(live) and seqs(live) == list(range(1, 72))


def test_a_reader_of_everything_meets_a_rotation(live: Path, clock: Clock) -> None:
    journal = filled(live, clock, 40)
    found = rotate_while((json.loads(line)["seq"] for line in lines_forwards(live)), journal)
    assert found == list(range(1, 71))


def test_a_reader_between_rename_and_new_file(live: Path, clock: Clock) -> None:
    filled(live, clock, 40, None)
    live.rename(part_path(live, 1))
    assert [event["seq"] for _, event in events_backwards(live)] == list(range(40, 0, -1))
    assert [json.loads(line)["seq"] for line in lines_forwards(live)] == list(range(1, 41))


def test_readers_leave_out_what_is_no_event(live: Path, clock: Clock) -> None:
    filled(live, clock, 3, None)
    with live.open("ab") as stream:
        stream.write(b'[]\n"x"\n{"seq": "4", "event": "x"}\n{"seq": 4, "event": "y"}\n{"seq": 5, "even')
    assert [event["seq"] for _, event in events_backwards(live)] == [4, 3, 2, 1]
    assert len(list(lines_forwards(live))) == 7, "whole lines; who reads them judges them"


# ---------------------------------------------------------------- length


def test_a_hundred_thousand_events_in_parts_cost_no_more_than_their_end(
    live: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.parent.mkdir()
    for first, path in ((1, part_path(live, 1)), (40_001, part_path(live, 40_001)), (80_001, live)):
        lines = (f'{{"seq": {n}, "ts_utc": "", "event": "x"}}\n' for n in range(first, min(first + 40_000, 100_001)))
        path.write_text("".join(lines), encoding="utf-8", newline="\n")
    opened: list[str] = []
    real = journal_parts.open_outside
    monkeypatch.setattr(journal_parts, "open_outside", lambda path: (opened.append(path.name), real(path))[1])
    journal = Journal(live, clock, 64_000_000)
    assert journal.append("more")["seq"] == 100_001 and len(journal.after(99_990)) == 11
    assert journal.back_to("x", 5)[0]["seq"] == 99_996 and set(opened) == {"events.jsonl"}
    assert len(journal.after(79_990)) == 20_011 and "events-000000001.jsonl" not in opened
    monkeypatch.undo()
    assert len(journal.after(0)) == 100_001
