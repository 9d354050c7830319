"""How long an agent rests: jittered, bounded, longer each time, and as long as the service says."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import pytest

from llm_loop.agents.breaker import LONGEST_NAMED_S, OPEN_AFTER, Circuit, Rest, circuit, rest_after


@dataclass(frozen=True)
class Row:
    retry: bool = True
    first_wait_s: float = 4.0
    longest_wait_s: float = 900.0


def least(row: Row, failures: int, retry_after_s: float | None = None) -> Rest:
    return rest_after(row, failures, retry_after_s=retry_after_s, draw=lambda: 0.0)


def most(row: Row, failures: int, retry_after_s: float | None = None) -> Rest:
    return rest_after(row, failures, retry_after_s=retry_after_s, draw=lambda: 1.0)


def test_a_first_failure_rests_anything_up_to_the_first_wait() -> None:
    assert (least(Row(), 1).wait_s, most(Row(), 1).wait_s) == (0.0, 4.0)
    assert most(Row(), 2).wait_s == 8.0
    assert not most(Row(), 2).is_open


def test_from_the_third_failure_on_the_circuit_is_open_and_the_rest_longer() -> None:
    assert OPEN_AFTER == 3
    for failures in (3, 4, 8, 60, 10_000):
        short, long = least(Row(), failures), most(Row(), failures)
        assert short.is_open and short.wait_s >= 60.0
        assert long.wait_s <= Row().longest_wait_s
    assert least(Row(), 8).wait_s == 256.0 and most(Row(), 8).wait_s == 512.0
    assert most(Row(), 60).wait_s == 900.0


def test_a_table_that_allows_little_is_obeyed_when_the_circuit_is_open_too() -> None:
    row = Row(first_wait_s=1.0, longest_wait_s=10.0)
    assert (least(row, 5).wait_s, most(row, 5).wait_s) == (5.0, 10.0)


def test_where_a_retry_does_not_help_the_circuit_opens_at_once() -> None:
    row = Row(retry=False, first_wait_s=600.0, longest_wait_s=3600.0)
    assert least(row, 1) == Rest(wait_s=300.0, is_open=True)
    assert most(row, 2).wait_s == 1200.0
    assert most(row, 9).wait_s == 3600.0


def test_the_time_that_the_service_names_wins() -> None:
    for failures in (1, 7):
        assert least(Row(), failures, 7200.0) == Rest(wait_s=7200.0, is_open=failures >= 3, named=True)
        assert most(Row(), failures, 7200.0).wait_s == 7230.0
    assert most(Row(), 1, 2.0).wait_s == pytest.approx(2.2), "a short one gets a short jitter"
    assert least(Row(), 1, 1e12).wait_s == LONGEST_NAMED_S


@pytest.mark.parametrize("named", [None, 0.0, -5.0, math.inf, math.nan])
def test_a_named_time_that_is_none_is_passed_over(named: float | None) -> None:
    assert least(Row(), 4, named) == least(Row(), 4)


def test_the_jitter_spreads_over_the_whole_range() -> None:
    draw = random.Random(7).random
    waits = [rest_after(Row(), 2, draw=draw).wait_s for _ in range(200)]
    assert min(waits) < 1.0 and max(waits) > 7.0 and max(waits) <= 8.0


def test_after_the_rest_one_call_tries() -> None:
    assert circuit(0, 0.0) is Circuit.CLOSED
    assert circuit(3, 12.0) is Circuit.OPEN
    assert circuit(3, 0.0) is Circuit.HALF_OPEN
