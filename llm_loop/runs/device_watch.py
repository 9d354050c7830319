"""Keep what `nvidia-smi` says of the cards up to date, without ever waiting for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llm_loop.runs.devices import Card
from llm_loop.system.jobs import JobOutcome, Jobs

JOB = "devices"
MODULE = "llm_loop.runs.nvidia_smi"
ASK_DEADLINE_S = 30.0
_JOB_DEADLINE_S = ASK_DEADLINE_S + 15.0
FIRST_PATIENCE_S = 20.0  # a driver that is not kept loaded takes seconds a card
LONGEST_REST_S = 600.0


class DeviceWatch:
    """Ask for the cards when that is due, and hold the latest answer.

    ``find`` returns the command of `nvidia-smi`, None where there is none: then nothing is started. Times are
    monotonic seconds. An answer that fails leaves the cards as they were, for a card does not go away because its
    driver is busy; the next asking comes later each time, up to ten minutes.
    """

    def __init__(self, jobs: Jobs, find: Callable[[], Sequence[str] | None]) -> None:
        self._jobs = jobs
        self._find = find
        self._first_asked_s: float | None = None
        self._asked_s: float | None = None
        self._failures = 0
        self._answered = False
        self.cards: tuple[Card, ...] | None = None
        self.read_s: float | None = None
        self.trouble: str | None = None

    @property
    def is_asking(self) -> bool:
        """Whether an answer is awaited."""
        return self._jobs.is_open(JOB)

    def is_settled(self, now_s: float) -> bool:
        """Tell whether the first answer came, or nobody waits for it any more: 20 seconds are enough."""
        return self._answered or (self._first_asked_s is not None and now_s - self._first_asked_s >= FIRST_PATIENCE_S)

    def ask(self, now_s: float, every_s: float) -> bool:
        """Ask anew where the last asking is ``every_s`` old; tell whether it was begun."""
        rest_s = min(LONGEST_REST_S, every_s * 2**self._failures) if self._failures else every_s
        if self.is_asking or (self._asked_s is not None and now_s - self._asked_s < rest_s):
            return False
        self._asked_s = now_s
        self._first_asked_s = now_s if self._first_asked_s is None else self._first_asked_s
        command = self._find()
        if command is None:
            self._fail(None)
            return False
        request = {"command": list(command), "deadline_s": ASK_DEADLINE_S}
        self._jobs.open(JOB, MODULE, request, _JOB_DEADLINE_S)
        return True

    def take(self, now_s: float) -> bool:
        """Take the answer that is asked for; tell whether cards came."""
        outcome = self._jobs.take(JOB, now_s) if self.is_asking else None
        if outcome is None:
            return False
        cards, why = _cards_in(outcome)
        if cards is None:
            self._fail(why)
            return False
        self._answered, self._failures, self.trouble = True, 0, None
        self.cards, self.read_s = cards, now_s
        return True

    def _fail(self, why: str | None) -> None:
        self._answered, self.trouble = True, why
        self._failures = min(self._failures + 1, 16)


def _cards_in(outcome: JobOutcome) -> tuple[tuple[Card, ...] | None, str | None]:
    answer: Any = outcome.answer
    if answer is None:
        return None, f"the cards could not be asked for: {outcome.why}"
    try:
        if answer["cards"] is None:
            return None, str(answer["why"])
        return tuple(Card.from_json(card) for card in answer["cards"]), None
    except (KeyError, TypeError) as error:
        return None, f"the answer on the cards is none ({type(error).__name__}: {error})"
