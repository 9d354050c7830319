"""Jobs that are asked for tick after tick: opened at the first asking, their answers kept while somebody asks.

Who asks does not remember that it did: what it wants follows from the state. So an answer is kept until a whole tick
has passed in which nobody wanted it; then what it led to is in the journal, or the question has gone. A job that broke
is opened again, after a while: a full disk, or a child that the system has ended, is no answer yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from llm_loop.system.jobs import JobOutcome, Jobs

DEADLINE_S = 180.0
_PAUSES_S = (2.0, 20.0)

Question = Callable[[], Mapping[str, Any]]


@dataclass(kw_only=True)
class _Asked:
    """Hold one question: how often its job broke, when it is opened again (monotonic s), and its answer."""

    broke: int = 0
    again_s: float = 0.0
    checkout_id: str | None = None
    outcome: JobOutcome | None = None


class AskedJobs:
    """Ask jobs of one module, one of a name at a time, each with the same deadline."""

    def __init__(self, jobs: Jobs, module: str, deadline_s: float = DEADLINE_S) -> None:
        self._jobs, self._module, self._deadline_s = jobs, module, deadline_s
        self._asked: dict[str, _Asked] = {}
        self._wanted: set[str] = set()

    def ask(self, name: str, question: Question, now_s: float) -> JobOutcome | None:
        """Return what a job came to, again and again while it is asked for; None while it works."""
        self._wanted.add(name)
        asked = self._asked.setdefault(name, _Asked())
        if asked.outcome is not None or now_s < asked.again_s:
            return asked.outcome
        if not self._jobs.is_open(name):
            self._open(name, asked, question())
        outcome = self._jobs.take(name, now_s)
        if outcome is not None and _broke(outcome) and asked.broke < len(_PAUSES_S):
            asked.again_s = now_s + _PAUSES_S[asked.broke]
            asked.broke += 1
            return None
        asked.outcome = outcome
        return outcome

    def _open(self, name: str, asked: _Asked, question: Mapping[str, Any]) -> None:
        checkout = question.get("checkout")
        asked.checkout_id = checkout.get("checkout_id") if isinstance(checkout, dict) else None
        self._jobs.open(name, self._module, {"schema_version": 1, **question}, self._deadline_s)

    def knows(self, name: str) -> bool:
        """Tell whether a question was asked already, answered or not."""
        return name in self._asked

    def remember(self, name: str, outcome: JobOutcome) -> None:
        """Take an answer that was found without a job."""
        self._asked[name] = _Asked(outcome=outcome)

    def checkouts(self) -> set[str]:
        """Return the checkouts that jobs work in, or have made for somebody who still asks for them."""
        return {asked.checkout_id for asked in self._asked.values() if asked.checkout_id is not None}

    def forget_unasked(self, now_s: float) -> None:
        """Forget what was not asked for since the last time; a job that still works is thrown away when it ends."""
        for name in [name for name in self._asked if name not in self._wanted]:
            if not self._jobs.is_open(name) or self._jobs.take(name, now_s) is not None:
                del self._asked[name]
        self._wanted.clear()


def _broke(outcome: JobOutcome) -> bool:
    return outcome.answer is None and not outcome.is_late
