"""``llm-loop events``, over a journal in several parts, as a person or a program calls it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from llm_loop.cli import main
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.memory.journal import Journal
from llm_loop.memory.journal_parts import older_parts
from llm_loop.system.clock import SystemClock
from llm_loop.views.event_log import EventLog
from tests.conftest import TestClock
from tests.views.workspace_builder import WorkspaceBuilder

BEGIN = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def root(tmp_path: Path, clock: TestClock) -> Path:
    """A workspace with 60 events, one a minute, in several parts; every tenth is an error."""
    journal = Journal(WorkspacePaths(tmp_path).events, clock, 1000)
    for number in range(1, 61):
        journal.append(
            "error" if number % 10 == 0 else "notice", **{"why" if number % 10 == 0 else "text": f"n{number}"}
        )
        clock.advance(60)
    assert len(older_parts(WorkspacePaths(tmp_path).events)) > 3
    return tmp_path


def shown(root: Path, capsys: Capture, *words: str) -> list[str]:
    assert main(["--workspace", str(root), "events", *words]) == 0
    said = capsys.readouterr()
    assert not said.err
    return said.out.splitlines()


def numbers(lines: list[str]) -> list[int]:
    return [int(line.split()[2]) for line in lines]


@contextmanager
def following(root: Path, environ: dict[str, str], *flags: str) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-m", "llm_loop", "--workspace", str(root), "events", "--follow", *flags]
    process = subprocess.Popen(
        argv, env=environ, text=True, encoding="utf-8", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_the_last_fifty_are_shown_oldest_first(root: Path, capsys: Capture) -> None:
    lines = shown(root, capsys)
    assert numbers(lines) == list(range(11, 61))
    local = (BEGIN + timedelta(minutes=58)).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    assert lines[-2] == f"{local}      59 note: n59"


@pytest.mark.parametrize(
    "words, expected",
    [
        (("--limit", "3"), [58, 59, 60]),
        (("--limit", "1000"), list(range(1, 61))),
        (("--type", "error"), [10, 20, 30, 40, 50, 60]),
        (("--type", "error", "--limit", "2"), [50, 60]),
        (("--type", "notice", "error", "--limit", "2"), [59, 60]),
        (("--type", "no_such_kind"), []),
        (("--since", "5"), list(range(5, 61))),
        (("--since", "0"), list(range(1, 61))),
        (("--since", "61"), []),
        (("--since", "5", "--limit", "1"), [60]),
        (("--since", "35", "--type", "error"), [40, 50, 60]),
        (("--since", "2026-03-01T22:57:00Z"), [58, 59, 60]),
        (("--since", "2026-03-01T23:57+01:00", "--limit", "2"), [59, 60]),
        (("--since", "2026-03-02"), []),
        (("--since", "2026-02-27"), list(range(1, 61))),
        (("--since", "1s"), []),
    ],
    ids=range(16),
)
def test_what_fits(words: tuple[str, ...], expected: list[int], root: Path, capsys: Capture) -> None:
    assert numbers(shown(root, capsys, *words)) == expected


def test_times_without_a_zone_are_local(root: Path, capsys: Capture) -> None:
    local = (BEGIN + timedelta(minutes=57)).astimezone().replace(tzinfo=None).isoformat(timespec="minutes")
    assert numbers(shown(root, capsys, "--since", local)) == [58, 59, 60]


def test_a_time_of_day_is_the_last_one_and_ago_counts_back(tmp_path: Path, capsys: Capture) -> None:
    clock = TestClock()
    journal = Journal(WorkspacePaths(tmp_path).events, clock)
    now = datetime.now(UTC)
    for hours in (30, 20, 1, 0):
        clock._utc = now - timedelta(hours=hours)
        journal.append("notice", text=f"{hours} h ago")
    assert numbers(shown(tmp_path, capsys, "--since", "25h")) == [2, 3, 4]
    assert numbers(shown(tmp_path, capsys, "--since", "90m")) == [3, 4]
    at = (now - timedelta(hours=2)).astimezone().strftime("%H:%M")
    assert numbers(shown(tmp_path, capsys, "--since", at)) == [3, 4]
    later = (now + timedelta(hours=2)).astimezone().strftime("%H:%M:%S")
    assert numbers(shown(tmp_path, capsys, "--since", later)) == [2, 3, 4], "yesterday's"


def test_a_clock_that_was_set_back_hides_no_event(tmp_path: Path, capsys: Capture, clock: TestClock) -> None:
    journal = Journal(WorkspacePaths(tmp_path).events, clock, 200)
    for step in (0, 3600, -7200, 7200):
        clock.jump_wall_clock(step)
        for _ in range(3):
            journal.append("notice", text="x" * 40)
    for limit in ([], ["--limit", "100"]):
        lines = shown(tmp_path, capsys, "--since", "2026-03-01T22:30:00Z", *limit)
        assert numbers(lines) == [4, 5, 6, 10, 11, 12]


def test_json_prints_the_lines_as_they_are(root: Path, capsys: Capture) -> None:
    parts = [part.path for part in older_parts(WorkspacePaths(root).events)]
    whole = "".join(path.read_text(encoding="utf-8") for path in [*parts, WorkspacePaths(root).events])
    assert shown(root, capsys, "--json", "--since", "0") == whole.splitlines()
    assert [json.loads(line)["seq"] for line in shown(root, capsys, "--json", "--type", "error")] == list(
        range(10, 61, 10)
    )


@pytest.mark.parametrize("since", ["", "soon", "-3", "25:00", "2026-13-01", "5x", "99999999d", "١٢", "1.5"])
def test_a_bad_since_is_one_clear_error(since: str, root: Path, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--workspace", str(root), "events", f"--since={since}"])
    said = capsys.readouterr().err
    assert caught.value.code == 2 and "is no event number and no time" in said and "Traceback" not in said


@pytest.mark.parametrize("limit", ["0", "-1", "many", "1.5"])
def test_a_bad_limit_is_refused(limit: str, root: Path, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--workspace", str(root), "events", f"--limit={limit}"])
    assert caught.value.code == 2 and "is no number of events" in capsys.readouterr().err


def test_no_journal_shows_nothing_and_makes_nothing(tmp_path: Path, capsys: Capture) -> None:
    assert shown(tmp_path, capsys) == shown(tmp_path, capsys, "--since", "5") == []
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_journals_place_is_said(tmp_path: Path, capsys: Capture) -> None:
    WorkspacePaths(tmp_path).events.mkdir(parents=True)
    assert main(["--workspace", str(tmp_path), "events"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "events.jsonl" in line


# ---------------------------------------------------------------- one line an event


def test_each_event_of_a_run_has_one_line(tmp_path: Path, capsys: Capture) -> None:
    workspace = WorkspaceBuilder(tmp_path)
    run = workspace.stage("first")
    workspace.launch(run)
    workspace.end(run, 0.3)
    lines = shown(tmp_path, capsys)
    assert numbers(lines) == list(range(1, workspace.ledger.state.seq + 1))
    assert any("decided first" in line for line in lines) and any("R0001 first started" in line for line in lines)
    assert any("cycle_opened cycle=1 agent=builtin" in line for line in lines), "no words: its kind and plain fields"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"text": None},
        {"a": 1, "b": [1], "c": {"d": 2}, "ts_utc": 3},
        {"x\x1b[31m": "y\x9b2J\n\u202e" * 100, "ts_utc": "no time"},
        {f"field {n}": "v" * 500 for n in range(50)},
    ],
    ids=range(5),
)
def test_any_event_is_told_on_one_harmless_line(fields: dict[str, Any]) -> None:
    for kind in ("an_event_of_a_later_version", "notice", "cycle", "run_staged", "k\x1b[1m\n"):
        line = EventLog().line({"seq": 3, "event": kind, **fields})
        assert line.isprintable() and len(line) < 700 and "      3 " in line


# ---------------------------------------------------------------- following


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_following_goes_on_over_new_parts_until_ctrl_c(root: Path, clean_environ: dict[str, str]) -> None:
    journal = Journal(WorkspacePaths(root).events, SystemClock(), 300)
    with following(root, clean_environ, "--limit", "2") as process:
        assert process.stdout is not None
        found = [process.stdout.readline() for _ in range(2)]
        for _ in range(20):
            journal.append("notice", text="x" * 50)
        found += [process.stdout.readline() for _ in range(20)]
        assert numbers(found) == list(range(59, 81))
        process.send_signal(signal.SIGINT)
        rest, said = process.communicate(timeout=30)
    assert (process.returncode, rest, said) == (0, "", "")


def test_following_picks_too_and_waits_for_a_journal(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    with following(tmp_path, clean_environ, "--json", "--type", "error", "--since", "2") as process:
        assert process.stdout is not None
        journal = Journal(WorkspacePaths(tmp_path).events, SystemClock())
        for kind in ("error", "notice", "error"):
            journal.append(kind, why="ä")
        event = json.loads(process.stdout.readline())
    assert (event["seq"], event["event"], event["why"]) == (3, "error", "ä")
