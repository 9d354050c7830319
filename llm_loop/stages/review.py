"""Review: when the mentor is asked, what its word may change, and what the record of it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llm_loop.config import Config, InteractionMode
from llm_loop.contract.call_report import CallReport
from llm_loop.contract.paths import WorkspacePaths
from llm_loop.contract.review import Recommendation, Review
from llm_loop.memory.reviews import CHALLENGE_REVIEWER, ReviewHistory

CRITICAL = 0.90
NON_IMPROVING_RUNS = 5
CHALLENGES_IN_A_ROW = 2
FORCED_DISTANCE = 2  # cycles between the last review and one that a trigger forces
SAME_TRIGGER_DISTANCE = 5  # cycles until a trigger that the mentor has answered to forces a review again
LASTING_STAGNATION_RUNS = 8
ARCHITECTURE_DISTANCE = 8  # cycles between two asks for other architectures

HEALTH_HELPER = "health_helper"
ARCHITECTURE = "architecture_alternatives"
NO_NEW_EVIDENCE = "no_new_evidence"
NOTES = frozenset({ARCHITECTURE, NO_NEW_EVIDENCE})
GATE_REFUSED = "gate_refused"
_MOST_SIGNALS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Hold how the loop stands when a decision may be reviewed.

    ``runs_without_gain`` counts runs that rank since the best one (waits are none), ``cycles_since_run`` closed
    cycles since one that ran. The three priorities lie in 0..1.
    """

    cycle: int
    runs_without_gain: int = 0
    cycles_since_run: int = 0
    research_priority: float = 0.0
    non_training_priority: float = 0.0
    breakout_priority: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Say whether the mentor is asked and why (or why not); ``notes`` are what the review is to mind."""

    is_due: bool
    reasons: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """Say what a review may change.

    ``may_replace``: its suggested decision takes the worker's place, the gate willing; ``takes_todos``: its entries
    go to the shared TODO. ``reason`` is why a challenge is not applied, None where it may be or there is none.
    """

    may_replace: bool
    takes_todos: bool
    reason: str | None
    new_evidence: bool
    require_web_search: bool
    search_requirement_met: bool


def review_due(standing: Standing, reviews: ReviewHistory, config: Config) -> Due:
    """Say whether the mentor's word is due.

    - Cadence: the cycle number divides by ``mentor_every_n_cycles``; a cadence that passed without a review (its
      cycle had nothing to review) is made up at the next decision.
    - With ``mentor_force_when_stuck``, a trigger between cadences: a priority of 0.90 or more, 5 runs without a gain,
      2 challenges in a row with ``mentor_challenge_streak_min_idle_cycles`` cycles since a run. A forced review keeps
      2 cycles from the last one, and one trigger that lasts forces again after 5 cycles only: what does not go
      away must not make each cycle a review.
    - ``builder_health_helper``: the cadence ``mentor_health_check_every_n_cycles`` alone.
    """
    if not config.mentor_enabled:
        return Due(is_due=False, reasons=("mentor_disabled",))
    helper = config.interaction_mode is InteractionMode.BUILDER_HEALTH_HELPER
    every = config.mentor_health_check_every_n_cycles if helper else config.mentor_every_n_cycles
    cadence = (f"cadence_every_{every}",) if _passed_a_cadence(standing.cycle, every, reviews) else ()
    triggers = () if helper or not config.mentor_force_when_stuck else _triggers(standing, reviews, config)
    if not cadence and not _force(triggers, standing.cycle, reviews):
        return Due(is_due=False, reasons=("not_due",))
    return Due(is_due=True, reasons=(*cadence, *triggers), notes=() if helper else _notes(standing, reviews))


def wants_architecture_alternatives(standing: Standing, reviews: ReviewHistory) -> bool:
    """Tell whether the mentor shall name other architectures: stagnation lasts (8 runs), not asked for 8 cycles."""
    lasts = standing.runs_without_gain >= LASTING_STAGNATION_RUNS
    return lasts and _since(ARCHITECTURE, standing.cycle, reviews) >= ARCHITECTURE_DISTANCE


def rule(review: Review, reviews: ReviewHistory, config: Config, *, used_web_search: bool) -> Ruling:
    """Say what a review that has just come in may change; ``reviews`` is the history before it.

    A challenge without new evidence since the one before is the mentor's right once; the third in a row on the same
    evidence has no effect. With ``mentor_require_web_search``, and network for the mentor, a challenge is
    applied only when the review searched. In ``builder_health_helper`` nothing is applied.
    """
    required = config.mentor_require_web_search and config.mentor_network_access_enabled
    met = used_web_search or not required
    challenged = review.recommendation is Recommendation.CHALLENGE
    helper = config.interaction_mode is InteractionMode.BUILDER_HEALTH_HELPER
    spent = reviews.next_on_same_evidence() > CHALLENGES_IN_A_ROW
    reasons = {
        "health_helper_never_applies": helper,
        NO_NEW_EVIDENCE: spent,
        "web_search_required": not met,
        "suggestions_are_off": not config.mentor_apply_suggestions,
        "nothing_suggested": review.suggested_decision is None,
    }
    reason = next((name for name, stands in reasons.items() if stands), None) if challenged else None
    return Ruling(
        may_replace=challenged and reason is None,
        takes_todos=challenged and not helper and not spent,
        reason=reason,
        new_evidence=reviews.saw_new_evidence,
        require_web_search=required,
        search_requirement_met=met,
    )


def review_record(
    review: Review | None,
    reasons: tuple[str, ...],
    agent: str,
    config: Config,
    *,
    ruling: Ruling | None = None,
    call: CallReport | None = None,
) -> dict[str, Any]:
    """Return the record of a review as the cycle event carries it under ``codex.mentor``.

    ``reasons`` are those of the review with its notes behind them. ``review`` is None when the mentor was out of
    reach, ``ruling`` too then; ``error``, ``applied`` and ``shared_todo_added`` are filled in by the caller.
    ``todo_updates`` are the entries to take, ``todo_updates_left_out`` those that the ruling keeps out.
    """
    helper = config.interaction_mode is InteractionMode.BUILDER_HEALTH_HELPER
    return {
        "display_name": config.mentor_display_name,
        "role_mode": HEALTH_HELPER if helper else CHALLENGE_REVIEWER,
        "enabled": config.mentor_enabled,
        "run": review is not None,
        "agent": agent,
        "reasons": [reason for reason in reasons if reason not in NOTES],
        "notes": [reason for reason in reasons if reason in NOTES],
        **_said(review, ruling),
        **_ruled(ruling),
        **_called(call),
        **_files(config),
        "shared_todo_added": [],
        "error": None,
    }


def with_verdict(record: dict[str, Any], accepted: bool) -> dict[str, Any]:
    """Return the record of a review whose suggestion the gate has judged."""
    return record | {"applied": accepted, "not_applied_reason": None if accepted else GATE_REFUSED}


# ---------------------------------------------------------------- when


def _passed_a_cadence(cycle: int, every: int, reviews: ReviewHistory) -> bool:
    last = cycle - cycle % every
    return last > 0 and reviews.asked_cycle < last


def _triggers(standing: Standing, reviews: ReviewHistory, config: Config) -> tuple[str, ...]:
    """Return the triggers that stand, by their known names."""
    idle = standing.cycles_since_run >= config.mentor_challenge_streak_min_idle_cycles
    stands = {
        "research_priority_critical": standing.research_priority >= CRITICAL,
        "non_training_priority_critical": standing.non_training_priority >= CRITICAL,
        "breakout_priority_critical": standing.breakout_priority >= CRITICAL,
        "non_improving_streak_high": standing.runs_without_gain >= NON_IMPROVING_RUNS,
        "mentor_challenge_streak": reviews.challenge_streak >= CHALLENGES_IN_A_ROW and idle,
    }
    return tuple(name for name, is_so in stands.items() if is_so)


def _force(triggers: tuple[str, ...], cycle: int, reviews: ReviewHistory) -> bool:
    if cycle - reviews.asked_cycle < FORCED_DISTANCE:
        return False
    return any(_since(name, cycle, reviews) >= SAME_TRIGGER_DISTANCE for name in triggers)


def _since(name: str, cycle: int, reviews: ReviewHistory) -> float:
    told = reviews.told.get(name)
    return float("inf") if told is None else cycle - told


def _notes(standing: Standing, reviews: ReviewHistory) -> tuple[str, ...]:
    stands = {
        ARCHITECTURE: wants_architecture_alternatives(standing, reviews),
        NO_NEW_EVIDENCE: not reviews.has_new_evidence,
    }
    return tuple(name for name, is_so in stands.items() if is_so)


# ---------------------------------------------------------------- the record


def _said(review: Review | None, ruling: Ruling | None) -> dict[str, Any]:
    if review is None:
        silent = dict.fromkeys(("recommendation", "critique", "suggested_decision", "mentor_notes"))
        return silent | {"questions": [], "todo_updates": [], "todo_updates_left_out": []}
    suggested, todos = review.suggested_decision, list(review.todo_updates)
    taken = ruling is None or ruling.takes_todos
    return {
        "recommendation": review.recommendation.value,
        "critique": review.critique,
        "suggested_decision": None if suggested is None else suggested.to_json(),
        "mentor_notes": review.mentor_notes,
        "questions": list(review.questions),
        "todo_updates": todos if taken else [],
        "todo_updates_left_out": [] if taken else todos,
    }


def _ruled(ruling: Ruling | None) -> dict[str, Any]:
    names = ("new_evidence", "require_web_search", "search_requirement_met")
    known = {name: None if ruling is None else getattr(ruling, name) for name in names}
    return {"applied": False, "not_applied_reason": None if ruling is None else ruling.reason, **known}


def _called(call: CallReport | None) -> dict[str, Any]:
    report = CallReport() if call is None else call
    return {
        "used_web_search": report.used_web_search,
        "parsed_event_lines": report.parsed_event_lines,
        "trace_file": report.trace_file,
        "tool_signals": list(report.tool_signals[:_MOST_SIGNALS]),
    }


def _files(config: Config) -> dict[str, Any]:
    paths = WorkspacePaths(config.workspace_root)
    return {"mentor_notes_file": str(paths.mentor_notes), "shared_todo_file": str(paths.shared_todo)}
