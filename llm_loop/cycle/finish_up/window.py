"""The time of a finish-up: when its window opens, and until when each part of it may take.

A wish names moments of the wall clock. They are turned into seconds once, when the wish is taken up, and from then on
counted by the machine's own seconds, those asleep among them: a wall clock that is set moves no deadline, and a night
in a closed laptop counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from llm_loop.contract.finish_up import FinishUpWish
from llm_loop.system.clock import Clock

MODEL_SHARE = 0.25
"""Of the window, what model calls may take; then the built-in planner decides."""
_REPORT_SHARE, _LEAST_REPORT_S, _MOST_REPORT_S = 0.15, 8.0, 240.0
_TEST_SHARE, _MOST_TEST_S = 0.15, 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Hold a window in seconds of ``seconds_of``: it opens at ``opens_s`` and is over at ``over_s``."""

    opens_s: float
    over_s: float

    @property
    def length_s(self) -> float:
        """How long it is open."""
        return self.over_s - self.opens_s

    @property
    def models_until_s(self) -> float:
        """Until when a model may be asked."""
        return self.opens_s + MODEL_SHARE * self.length_s

    @property
    def report_from_s(self) -> float:
        """From when on nothing but the report is made: what it takes is kept for it."""
        return self.over_s - min(max(_REPORT_SHARE * self.length_s, _LEAST_REPORT_S), _MOST_REPORT_S)

    def training_until_s(self, grace_s: float, *, has_test: bool) -> float:
        """Return when the last training is asked to end.

        Behind it come the ``grace_s`` seconds that it has for that, the test rows where there are some, and the report.
        """
        test_s = min(_TEST_SHARE * self.length_s, _MOST_TEST_S) if has_test else 0.0
        return self.report_from_s - test_s - min(grace_s, 0.1 * self.length_s)


def window_of(wish: FinishUpWish, clock: Clock) -> Window:
    """Return the window of a wish that is taken up now."""
    now, now_s = clock.utc_now(), seconds_of(clock)
    opens_s = now_s + (wish.activate_at - now).total_seconds()
    return Window(opens_s=opens_s, over_s=now_s + (wish.deadline - now).total_seconds())


def seconds_of(clock: Clock) -> float:
    """Return the machine's seconds, those asleep among them; only differences mean anything."""
    return clock.monotonic() + clock.slept()
