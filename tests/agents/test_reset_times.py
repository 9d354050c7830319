"""When a service wants to be asked again, read from its words."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from llm_loop.agents.reset_times import seconds_to_reset

NOW = datetime(2026, 11, 20, 22, 0, tzinfo=UTC)


@pytest.fixture(params=["UTC", "Europe/Berlin"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A zone of the machine, as hours east of Greenwich at NOW."""
    if not hasattr(time, "tzset"):
        pytest.skip("this system's zone cannot be set")
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield 0 if request.param == "UTC" else 1
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Rate limit reached. Please try again in 1.5s.", 1.5),
        ("try again in 250ms", 0.25),
        ("Try again in 28 seconds.", 28),
        ("Please try again in 6m30s.", 390),
        ("try again in 2 hours 5 minutes.", 7500),
        ("or try again in about 3 days and 4 hours", 3 * 86_400 + 4 * 3600),
        ("try again in 1 day, 1 minute", 86_460),
        ("try again later.", None),
        ("try again in a moment", None),
        ("try again in 5 parsecs", None),
        ("You've hit your usage limit.", None),
        ("", None),
    ],
)
def test_a_span(words: str, seconds: float | None) -> None:
    assert seconds_to_reset(words, NOW) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("words", "hour_of_utc"),
    [
        ("You\u2019ve hit your usage limit. Try again at Nov 21st, 2026 12:27 AM.", 2 + 27 / 60),
        ("or try again at Nov 22nd, 2026 1:57 PM.", 24 + 15 + 57 / 60),
        ("try again at November 23rd, 2026 at 9:00 AM", 48 + 11),
        ("Try again at 11:56 PM.", 1 + 56 / 60),
        ("try again at 3:05 AM", 5 + 5 / 60),
        ("try again at 23:30.", 1.5),
        ("try again at Nov 1st, 2026 1:00 AM", 0),
    ],
)
def test_a_wall_time_of_this_machine(zone: int, words: str, hour_of_utc: float) -> None:
    """``hour_of_utc``: hours after NOW if the machine stands in Greenwich."""
    wanted = max(0.0, (hour_of_utc - zone) * 3600)
    assert seconds_to_reset(words, NOW) == pytest.approx(wanted, abs=1)


def test_a_time_of_day_that_has_just_passed_is_now() -> None:
    here = NOW.astimezone()
    assert seconds_to_reset(f"try again at {here:%I}:{here:%M} {here:%p}", NOW) == 0


@pytest.mark.parametrize(
    "words", ["try again at 25:99", "try again at Foo 3rd, 2026 1:00 AM", "try again at Feb 31st, 2026 1:00 AM"]
)
def test_no_time_of_this_world_is_none(words: str) -> None:
    assert seconds_to_reset(words, NOW) is None
