"""The words and drawings that the views share."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from llm_loop.system.clock import utc_text
from llm_loop.views.wording import (
    ASCII,
    UNICODE,
    bar,
    duration,
    local_time,
    seconds_between,
    sparkline,
    typed,
    with_local_times,
)


@pytest.mark.parametrize(
    "seconds, text",
    [(0, "0 s"), (-3, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (3599, "59 min 59 s"), (7500, "2 h 05 min")],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_bar_keeps_its_width() -> None:
    for done, total in ((0, 0), (0, 5), (3, 5), (5, 5), (9, 5), (-1, 5)):
        full, empty = bar(done, total, 10, ASCII)
        assert len(full) + len(empty) == 10
    assert bar(5, 10, 10, ASCII) == ("#####", "-----")


def test_a_sparkline_holds_the_last_value() -> None:
    assert sparkline([1.0, 2.0, 3.0], 8, UNICODE) == "▁▅█"
    assert sparkline([5.0] * 100 + [0.0], 10, ASCII) == "@" * 9 + "_"
    assert len(sparkline([float(i) for i in range(1000)], 24, UNICODE)) == 24
    assert (sparkline([], 8, UNICODE), sparkline([1.0], 0, UNICODE), sparkline([2.0], 4, UNICODE)) == ("", "", "▄")


def test_times_that_are_none() -> None:
    assert local_time(None) == local_time("yesterday") == " " * 8
    assert seconds_between("2026-01-02T03:04:05Z", "2026-01-02T03:05:05Z") == 60
    assert seconds_between("x", "2026-01-02T03:05:05Z") is None


def test_a_command_is_named_as_it_can_be_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / ".venv" / "bin"
    folder.mkdir(parents=True)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    assert typed("login") == "llm-loop login"
    (folder / ("llm-loop.exe" if sys.platform == "win32" else "llm-loop")).touch()
    assert typed("login") == f"{Path('.venv', 'bin', 'llm-loop')} login"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert typed("login") == "llm-loop login"


def test_moments_within_a_text_are_local() -> None:
    now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    today, later = now.astimezone(), (now + timedelta(days=3)).astimezone()
    text = f"rests until {utc_text(now)} or {utc_text(now + timedelta(days=3))}, not 2026-03-01"
    assert (
        with_local_times(text, utc_text(now)) == f"rests until {today:%H:%M} or {later:%Y-%m-%d %H:%M}, not 2026-03-01"
    )
    assert with_local_times("9999-99-99T99:99:99Z", utc_text(now)) == "an unknown time"
