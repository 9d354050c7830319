"""The time of a finish-up: shares of a window, and clocks that lie."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from llm_loop.contract.finish_up import FinishUpStatus, FinishUpWish
from llm_loop.cycle.finish_up.window import Window, seconds_of, window_of

NOW = datetime(2026, 1, 31, 2, 0, tzinfo=UTC)


class Hands:
    """A clock whose hands are moved by hand."""

    def __init__(self) -> None:
        self.wall, self.awake_s, self.slept_s = NOW, 100.0, 0.0

    def utc_now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.awake_s

    def slept(self) -> float:
        return self.slept_s

    def sleep(self, seconds: float) -> None:
        self.awake_s += seconds


def a_wish(in_minutes: float, minutes: float) -> FinishUpWish:
    opens = NOW + timedelta(minutes=in_minutes)
    return FinishUpWish(
        status=FinishUpStatus.SCHEDULED,
        requested=NOW,
        activate_at=opens,
        deadline=opens + timedelta(minutes=minutes),
        minutes=minutes,
    )


def test_a_night_has_an_hour_at_its_end() -> None:
    window = window_of(a_wish(420, 60), Hands())
    assert (window.opens_s, window.over_s) == (100 + 420 * 60, 100 + 480 * 60)
    assert window.models_until_s - window.opens_s == 15 * 60
    assert window.over_s - window.report_from_s == 240
    trains_until_s = window.training_until_s(30.0, has_test=True)
    assert window.report_from_s - trains_until_s == pytest.approx(30 + 0.15 * 3600)
    assert window.training_until_s(30.0, has_test=False) == window.report_from_s - 30


def test_a_window_of_half_a_minute_has_room_for_everything() -> None:
    window = Window(opens_s=0.0, over_s=30.0)
    assert window.report_from_s == 22.0
    assert 0 < window.training_until_s(30.0, has_test=True) < window.report_from_s


def test_a_wall_clock_that_is_set_moves_nothing_and_sleep_counts() -> None:
    hands = Hands()
    window = window_of(a_wish(10, 5), hands)
    hands.wall += timedelta(hours=7)
    assert window.opens_s - seconds_of(hands) == 600
    hands.slept_s += 900
    assert window.over_s - seconds_of(hands) == 0
