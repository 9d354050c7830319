"""How long an agent rests after a failed call: backoff with jitter, a circuit that opens, a reset time that wins.

Nothing here waits or remembers: what a failure means stands in the table of causes, how many came in a row and until
when the agent is out stands in the journal.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

OPEN_AFTER = 3
OPEN_LEAST_S = 60.0
LONGEST_NAMED_S = 8 * 86_400.0  # a weekly limit, and a day


class FailureRow(Protocol):
    """What the table says of one cause. ``retry``: the same call may well succeed soon; times in seconds."""

    @property
    def retry(self) -> bool: ...
    @property
    def first_wait_s(self) -> float: ...
    @property
    def longest_wait_s(self) -> float: ...


class Circuit(StrEnum):
    """Whether an agent may be asked: as usual, not, or once, to see whether it answers again."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """Hold how long to rest, in seconds. ``is_open``: the circuit is open; ``named``: the service named the time."""

    wait_s: float
    is_open: bool
    named: bool = False


def rest_after(
    row: FailureRow, failures: int, *, retry_after_s: float | None = None, draw: Callable[[], float]
) -> Rest:
    """Return how long to rest after the ``failures``-th failure in a row (from 1).

    - A time that the service named wins, with up to a tenth (at most 30 s) on top, so that not everybody is back in
      the same second; it is cut at 8 days.
    - Else the wait is drawn evenly from 0 to a bound that doubles from ``first_wait_s`` to ``longest_wait_s`` with
      each failure ("full jitter", M. Brooker, Exponential Backoff And Jitter, AWS Architecture Blog, 2015).
    - From the third failure on, and at once where a retry does not help, the circuit is open: the wait is drawn
      from the upper half, and is at least a minute where the table allows that long.
    ``draw`` returns a number in [0, 1).
    """
    is_open = failures >= OPEN_AFTER or not row.retry
    if retry_after_s is not None and math.isfinite(retry_after_s) and retry_after_s > 0:
        named_s = min(retry_after_s, LONGEST_NAMED_S)
        return Rest(wait_s=named_s + draw() * min(30.0, named_s / 10), is_open=is_open, named=True)
    bound_s = _bound(row, failures)
    if not is_open:
        return Rest(wait_s=draw() * bound_s, is_open=False)
    bound_s = max(bound_s, min(2 * OPEN_LEAST_S, row.longest_wait_s))
    return Rest(wait_s=bound_s * (1 + draw()) / 2, is_open=True)


def circuit(failures: int, wait_left_s: float) -> Circuit:
    """Return how the circuit stands after ``failures`` in a row with ``wait_left_s`` of the rest to come.

    When the rest is over, one call tries (half open): its success closes the circuit, its failure opens it for longer.
    """
    if failures == 0:
        return Circuit.CLOSED
    return Circuit.OPEN if wait_left_s > 0 else Circuit.HALF_OPEN


def _bound(row: FailureRow, failures: int) -> float:
    doublings = min(max(0, failures - 1), 40)  # beyond, the longest wait has long been reached
    return min(row.longest_wait_s, row.first_wait_s * 2.0**doublings)
