"""What counts as in a row, from one closed cycle to the next."""

from __future__ import annotations

from functools import reduce
from typing import Any

from llm_loop.contract.context import Streaks
from llm_loop.memory.streaks import after_cycle


def cycle(result: str = "run_command", *, proposer: str | None = "codex", web: bool = False, **mentor: Any) -> Any:
    told = {"run": True, **mentor} if mentor else None
    return {"result": result, "proposer": proposer, "codex": {"used_web_search": web, "mentor": told}}


def after(*events: Any) -> Streaks:
    return reduce(after_cycle, events, Streaks())


def test_trainings() -> None:
    assert after(cycle(), cycle()).trainings_in_a_row == 2
    assert after(cycle(), cycle("dropped"), cycle()).trainings_in_a_row == 2
    assert after(cycle(), cycle("wait")).trainings_in_a_row == 0
    assert after(cycle(), cycle("stop_current_run")).trainings_in_a_row == 0


def test_a_search_of_either_role_counts_and_the_planner_cannot_search() -> None:
    assert after(cycle(), cycle()).cycles_without_web_search == 2
    assert after(cycle(), cycle(web=True)).cycles_without_web_search == 0
    assert after(cycle(), cycle(used_web_search=True)).cycles_without_web_search == 0
    assert after(cycle(), cycle(proposer="builtin"), cycle(proposer=None)).cycles_without_web_search == 1


def test_challenges_and_unmet_searches() -> None:
    challenge = {"recommendation": "challenge", "require_web_search": True, "search_requirement_met": False}
    told = after(cycle(**challenge), cycle(), cycle(**challenge))
    assert (told.challenges_in_a_row, told.unmet_searches) == (2, 2)
    told = after(cycle(**challenge), cycle(recommendation="continue", require_web_search=None))
    assert (told.challenges_in_a_row, told.unmet_searches) == (0, 0)
    unanswered = cycle(**{**challenge, "run": False})
    assert after(cycle(**challenge), unanswered).challenges_in_a_row == 1
