"""Review: when the mentor is asked, and what the record of its word holds."""

from __future__ import annotations

from typing import Any

from llm_loop.config import Config
from llm_loop.contract.review import Recommendation, Review

NON_IMPROVING_RUNS = 5


def due_reasons(cycle: int, runs_without_gain: int, cycles_since_review: int, config: Config) -> tuple[str, ...]:
    """Return why the mentor's word is due in this cycle; () when it is not.

    Due when the cycle number divides by ``mentor_every_n_cycles`` and, with
    ``mentor_force_when_stuck``, after 5 runs without a gain, at most every second cycle.
    """
    if not config.mentor_enabled:
        return ()
    reasons = []
    if cycle % config.mentor_every_n_cycles == 0:
        reasons.append(f"cadence_every_{config.mentor_every_n_cycles}")
    if config.mentor_force_when_stuck and runs_without_gain >= NON_IMPROVING_RUNS and cycles_since_review >= 2:
        reasons.append("non_improving_streak_high")
    return tuple(reasons)


def review_record(review: Review | None, reasons: tuple[str, ...], agent: str, config: Config) -> dict[str, Any]:
    """Return the record of a review as the cycle event carries it under ``codex.mentor``.

    ``review`` is None when the mentor was out of reach; ``error`` is filled in by the caller then.
    """
    return {
        "display_name": config.mentor_display_name,
        "role_mode": "challenge_reviewer",
        "enabled": config.mentor_enabled,
        "run": review is not None,
        "agent": agent,
        "reasons": list(reasons),
        "recommendation": None if review is None else review.recommendation.value,
        "applied": False,
        "critique": None if review is None else review.critique,
        "questions": [] if review is None else list(review.questions),
        "suggested_decision": None
        if review is None or review.suggested_decision is None
        else review.suggested_decision.to_json(),
        "mentor_notes": None if review is None else review.mentor_notes,
        "todo_updates": [] if review is None else list(review.todo_updates),
        "shared_todo_added": [],
        "error": None,
    }


def wants_replacement(review: Review, config: Config) -> bool:
    """Tell whether the review's suggested decision takes the worker's place, the gate willing."""
    challenged = review.recommendation is Recommendation.CHALLENGE
    return challenged and review.suggested_decision is not None and config.mentor_apply_suggestions
