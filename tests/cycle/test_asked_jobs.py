"""Questions that are asked tick after tick: one job each, its answer kept for as long as somebody asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from llm_loop.cycle.asked_jobs import AskedJobs
from llm_loop.system.jobs import JobOutcome

DONE = JobOutcome(answer={"done": True})
BROKE = JobOutcome(why="ended with lost")


class ScriptedJobs:
    """Stand in for the jobs: each that is opened comes to the next outcome; None is one that works for ever."""

    def __init__(self, *outcomes: JobOutcome | None) -> None:
        self.outcomes = list(outcomes)
        self.opened: list[tuple[str, Mapping[str, Any]]] = []
        self._open: dict[str, JobOutcome | None] = {}

    def is_open(self, name: str) -> bool:
        return name in self._open

    def open(self, name: str, module: str, question: Mapping[str, Any], deadline_s: float) -> None:
        self.opened.append((name, question))
        self._open[name] = self.outcomes.pop(0)

    def take(self, name: str, now_s: float) -> JobOutcome | None:
        if (outcome := self._open[name]) is not None:
            del self._open[name]
        return outcome


def make(*outcomes: JobOutcome | None) -> tuple[AskedJobs, ScriptedJobs]:
    scripted = ScriptedJobs(*outcomes)
    return AskedJobs(scripted, "llm_loop.versions"), scripted  # type: ignore[arg-type]


def question() -> dict[str, Any]:
    return {"job": "take", "checkout": {"checkout_id": "C1"}}


def test_an_answer_is_kept_while_it_is_asked_for_and_then_forgotten() -> None:
    asked, jobs = make(DONE, DONE)
    for now_s in (0.0, 0.1, 0.2):
        assert asked.ask("one", question, now_s) == DONE
        assert asked.checkouts() == {"C1"}
        asked.forget_unasked(now_s)
    assert len(jobs.opened) == 1
    asked.forget_unasked(0.3)
    assert asked.checkouts() == set()
    assert asked.ask("one", question, 0.4) == DONE
    assert len(jobs.opened) == 2, "a new question of the old name"


def test_a_job_that_broke_is_opened_again_after_a_while_and_not_for_ever() -> None:
    asked, jobs = make(BROKE, BROKE, BROKE)
    assert asked.ask("one", question, 0.0) is None
    assert asked.ask("one", question, 1.9) is None
    assert len(jobs.opened) == 1
    assert asked.ask("one", question, 2.0) is None
    assert asked.ask("one", question, 21.0) is None
    assert len(jobs.opened) == 2
    assert asked.ask("one", question, 22.1) == BROKE
    assert asked.ask("one", question, 100.0) == BROKE
    assert len(jobs.opened) == 3


@pytest.mark.parametrize("outcome", [JobOutcome(why="ended with deadline", is_late=True), JobOutcome(answer={})])
def test_what_took_too_long_or_was_refused_is_not_tried_again(outcome: JobOutcome) -> None:
    asked, jobs = make(outcome)
    assert asked.ask("one", question, 0.0) == outcome
    assert asked.ask("one", question, 90.0) == outcome
    assert len(jobs.opened) == 1


def test_a_job_that_nobody_waits_for_any_more_keeps_its_checkout_until_it_ends() -> None:
    asked, jobs = make(None)
    assert asked.ask("one", question, 0.0) is None
    for now_s in (0.1, 0.2):
        asked.forget_unasked(now_s)
        assert asked.checkouts() == {"C1"}
    jobs._open["one"] = DONE
    asked.forget_unasked(0.3)
    assert asked.checkouts() == set()
    assert not jobs.is_open("one")


def test_an_answer_found_without_a_job_opens_none() -> None:
    asked, jobs = make()
    asked.remember("one", DONE)
    assert asked.knows("one")
    assert asked.ask("one", question, 0.0) == DONE
    assert jobs.opened == []
