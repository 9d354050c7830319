"""Count what happened in a row, from one closing cycle event to the next."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from llm_loop.contract.context import Streaks
from llm_loop.contract.run import PERSON

_PLANNER = "builtin"


def after_cycle(streaks: Streaks, event: dict[str, Any]) -> Streaks:
    """Return the streaks after a closing ``cycle`` event.

    A dropped cycle changes nothing of the trainings: nobody trained and nobody chose not to. The built-in planner
    cannot search the web, so its cycles do not count as cycles without a search, nor do a person's. What an event of
    an older journal lacks counts as not there.
    """
    codex = event.get("codex") or {}
    mentor = codex.get("mentor") or {}
    searched = bool(codex.get("used_web_search") or mentor.get("used_web_search"))
    return replace(
        _after_review(streaks, mentor),
        trainings_in_a_row=_trainings(streaks.trainings_in_a_row, event["result"]),
        cycles_without_web_search=_searchless(streaks.cycles_without_web_search, searched, event.get("proposer")),
    )


def _trainings(count: int, result: str) -> int:
    if result == "run_command":
        return count + 1
    return count if result == "dropped" else 0


def _searchless(count: int, searched: bool, proposer: str | None) -> int:
    if searched:
        return 0
    return count if proposer is None or proposer == PERSON or _PLANNER in proposer else count + 1


def _after_review(streaks: Streaks, mentor: dict[str, Any]) -> Streaks:
    if not mentor.get("run"):
        return streaks
    challenged = mentor.get("recommendation") == "challenge"
    unmet = bool(mentor.get("require_web_search")) and not mentor.get("search_requirement_met")
    return replace(
        streaks,
        challenges_in_a_row=streaks.challenges_in_a_row + 1 if challenged else 0,
        unmet_searches=streaks.unmet_searches + 1 if unmet else 0,
    )
