"""Times on disk are aware UTC with a Z; durations never step back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from llm_loop.system.clock import Every, SystemClock, parse_utc, utc_stamp, utc_text

MOMENT = datetime(2026, 11, 21, 23, 4, 5, 987654, tzinfo=timezone(timedelta(hours=1)))


def test_texts_are_utc_whatever_the_zone() -> None:
    assert utc_text(MOMENT) == "2026-11-21T22:04:05Z"
    assert utc_stamp(MOMENT) == "20261121T220405Z"
    assert utc_text(MOMENT.astimezone(UTC)) == utc_text(MOMENT)


@pytest.mark.parametrize(
    "text", ["2026-11-21T22:04:05Z", "2026-11-21T23:04:05+01:00", "2026-11-21T22:04:05", "2026-11-21 22:04:05+00:00"]
)
def test_a_text_without_a_zone_is_utc(text: str) -> None:
    moment = parse_utc(text)
    assert moment == datetime(2026, 11, 21, 22, 4, 5, tzinfo=UTC)
    assert moment.utcoffset() == timedelta(0)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01T00:00:00Z"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_utc(text)


def test_the_machines_clock_is_aware_and_its_durations_rise() -> None:
    clock = SystemClock()
    assert clock.utc_now().utcoffset() == timedelta(0)
    assert abs(clock.utc_now() - datetime.now(UTC)) < timedelta(seconds=60)
    before = clock.monotonic()
    clock.sleep(0.01)
    assert clock.monotonic() - before >= 0.009


def test_every_is_due_at_first_and_then_once_in_its_time() -> None:
    every = Every(1.0)
    assert [every.due(now_s) for now_s in (5.0, 5.5, 5.99, 6.0, 6.1, 9.0)] == [True, False, False, True, False, True]


def test_a_machine_that_did_not_sleep_meanwhile_has_slept_as_long_as_before() -> None:
    clock = SystemClock()
    before = clock.slept()
    clock.sleep(0.05)
    assert before >= 0 and abs(clock.slept() - before) < 0.1
