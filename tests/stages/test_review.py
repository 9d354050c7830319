"""The mentor is asked when it is due, not more often; and its word changes no more than it may."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_loop.config import Config, load_config
from llm_loop.contract.call_report import CallReport
from llm_loop.contract.review import Review
from llm_loop.memory import reviews as folding
from llm_loop.memory.reviews import ReviewHistory
from llm_loop.stages.review import (
    Ruling,
    Standing,
    review_due,
    review_record,
    rule,
    wants_architecture_alternatives,
    with_verdict,
)
from tests.memory.campaign_events import DECISION

Configured = Callable[..., Config]
STUCK = 99


@pytest.fixture
def configured(tmp_path: Path) -> Configured:
    """A maker of configurations: ``configured(mentor_every_n_cycles=3)``."""

    def make(**settings: Any) -> Config:
        path = tmp_path / "daemon_config.json"
        path.write_text(json.dumps({"mentor_every_n_cycles": 100} | settings), encoding="utf-8")
        return load_config(path, tmp_path, {})

    return make


def a_review(recommendation: str = "challenge", suggests: bool = True, todos: tuple[str, ...] = ()) -> Review:
    return Review.from_json(
        {
            "schema_version": 1,
            "recommendation": recommendation,
            "critique": "off_track: the same idea again",
            "questions": [],
            "mentor_notes": "",
            "todo_updates": list(todos),
            "suggested_decision": DECISION if suggests else None,
        }
    )


def asked(cycle: int, history: ReviewHistory, **record: Any) -> ReviewHistory:
    """Return the history after one call of the mentor and its answer."""
    value = {"run": True, "recommendation": "continue", "reasons": [], "notes": []} | record
    history = folding.apply(history, {"event": "call_intended", "step": "review"})
    return folding.apply(history, {"event": "review", "cycle": cycle, "record": value})


def run_ended(history: ReviewHistory) -> ReviewHistory:
    return folding.apply(history, {"event": "run_ended", "row": {"attempts": 1}})


def challenged(cycle: int, history: ReviewHistory) -> ReviewHistory:
    return asked(cycle, history, recommendation="challenge")


def reviewed_cycles(config: Config, cycles: int, **standing: Any) -> list[int]:
    """Return the cycles with a review, when everything stays as it is and each cycle has a decision."""
    history, found = ReviewHistory(), []
    for cycle in range(1, cycles + 1):
        due = review_due(Standing(cycle=cycle, **standing), history, config)
        if due.is_due:
            found.append(cycle)
            history = asked(cycle, history, reasons=due.reasons, notes=due.notes)
        history = run_ended(history)
    return found


# ---------------------------------------------------------------- when


def test_the_cadence(configured: Configured) -> None:
    assert reviewed_cycles(configured(mentor_every_n_cycles=4), 12) == [4, 8, 12]
    assert reviewed_cycles(configured(mentor_every_n_cycles=1), 3) == [1, 2, 3]


def test_a_cadence_whose_cycle_had_nothing_to_review_is_made_up_once(configured: Configured) -> None:
    config = configured(mentor_every_n_cycles=4)
    due = [review_due(Standing(cycle=cycle), ReviewHistory(asked_cycle=4), config) for cycle in (5, 7, 9, 11)]
    assert [one.is_due for one in due] == [False, False, True, True]
    assert due[2].reasons == ("cadence_every_4",)
    assert not review_due(Standing(cycle=10), ReviewHistory(asked_cycle=9), config).is_due


def test_a_mentor_that_gave_no_answer_is_not_asked_again_at_once(configured: Configured) -> None:
    history = asked(4, ReviewHistory(), run=False)
    config = configured(mentor_every_n_cycles=4)
    assert not review_due(Standing(cycle=5, runs_without_gain=STUCK), history, config).is_due
    assert review_due(Standing(cycle=6, runs_without_gain=STUCK), history, config).is_due


@pytest.mark.parametrize(
    ("reason", "below", "at"),
    [
        ("research_priority_critical", {"research_priority": 0.89}, {"research_priority": 0.90}),
        ("non_training_priority_critical", {"non_training_priority": 0.89}, {"non_training_priority": 0.90}),
        ("breakout_priority_critical", {"breakout_priority": 0.89}, {"breakout_priority": 0.90}),
        ("non_improving_streak_high", {"runs_without_gain": 4}, {"runs_without_gain": 5}),
    ],
)
def test_each_trigger_at_its_threshold(
    reason: str, below: dict[str, Any], at: dict[str, Any], configured: Configured
) -> None:
    config, history = configured(), ReviewHistory(asked_cycle=7)
    assert review_due(Standing(cycle=9, **below), history, config).reasons == ("not_due",)
    due = review_due(Standing(cycle=9, **at), history, config)
    assert (due.is_due, due.reasons) == (True, (reason,))
    assert not review_due(Standing(cycle=8, **at), history, config).is_due, "too close to the last review"
    assert not review_due(Standing(cycle=9, **at), history, configured(mentor_force_when_stuck=False)).is_due


def test_two_challenges_in_a_row_need_idle_cycles_too(configured: Configured) -> None:
    history = challenged(5, challenged(4, ReviewHistory()))
    config = configured(mentor_challenge_streak_min_idle_cycles=3)
    assert not review_due(Standing(cycle=9, cycles_since_run=2), history, config).is_due
    assert review_due(Standing(cycle=9, cycles_since_run=3), history, config).reasons == ("mentor_challenge_streak",)
    assert not review_due(Standing(cycle=9, cycles_since_run=3), asked(6, history), config).is_due, "a continue ends it"


def test_what_does_not_go_away_does_not_make_each_cycle_a_review(configured: Configured) -> None:
    config = configured()
    assert reviewed_cycles(config, 20, research_priority=1.0) == [2, 7, 12, 17]
    everything = {"research_priority": 1.0, "breakout_priority": 1.0, "runs_without_gain": STUCK}
    assert reviewed_cycles(config, 20, **everything) == [2, 7, 12, 17]
    assert reviewed_cycles(configured(mentor_every_n_cycles=4), 16, research_priority=1.0) == [2, 4, 8, 12, 16]


def test_a_trigger_that_is_new_forces_though_another_one_was_told(configured: Configured) -> None:
    history = asked(10, ReviewHistory(), reasons=["research_priority_critical"])
    both = Standing(cycle=12, research_priority=1.0, breakout_priority=1.0)
    assert review_due(both, history, configured()).is_due
    assert not review_due(Standing(cycle=12, research_priority=1.0), history, configured()).is_due


def test_a_mentor_that_is_off_is_never_due(configured: Configured) -> None:
    due = review_due(Standing(cycle=100, runs_without_gain=STUCK), ReviewHistory(), configured(mentor_enabled=False))
    assert (due.is_due, due.reasons) == (False, ("mentor_disabled",))


def test_the_health_helper_has_its_own_cadence_and_no_triggers(configured: Configured) -> None:
    config = configured(interaction_mode="builder", mentor_health_check_every_n_cycles=10, mentor_every_n_cycles=4)
    assert reviewed_cycles(config, 25, runs_without_gain=STUCK, research_priority=1.0) == [10, 20]
    due = review_due(Standing(cycle=10, runs_without_gain=STUCK), ReviewHistory(), config)
    assert (due.reasons, due.notes) == (("cadence_every_10",), ())


def test_other_architectures_are_asked_for_when_stagnation_lasts_and_not_each_time(configured: Configured) -> None:
    config, history, found = configured(mentor_every_n_cycles=2), ReviewHistory(), []
    for cycle in range(2, 31, 2):
        due = review_due(Standing(cycle=cycle, runs_without_gain=cycle - 1), history, config)
        assert due.is_due
        found += [cycle] if "architecture_alternatives" in due.notes else []
        history = run_ended(asked(cycle, history, reasons=due.reasons, notes=due.notes))
    assert found == [10, 18, 26]
    assert not wants_architecture_alternatives(Standing(cycle=50, runs_without_gain=7), ReviewHistory())


# ---------------------------------------------------------------- what it may change


def ruling(review: Review, config: Config, history: ReviewHistory | None = None, searched: bool = False) -> Ruling:
    history = folding.apply(history or ReviewHistory(), {"event": "call_intended", "step": "review"})
    return rule(review, history, config, used_web_search=searched)


def test_a_challenge_with_a_decision_may_replace_the_workers(configured: Configured) -> None:
    found = ruling(a_review(), configured())
    assert (found.may_replace, found.takes_todos, found.reason) == (True, True, None)
    found = ruling(a_review("continue", suggests=False), configured())
    assert (found.may_replace, found.takes_todos, found.reason) == (False, False, None)


def test_why_a_challenge_is_not_applied(configured: Configured) -> None:
    assert ruling(a_review(), configured(mentor_apply_suggestions=False)).reason == "suggestions_are_off"
    assert ruling(a_review(suggests=False), configured()).reason == "nothing_suggested"
    helper = ruling(a_review(), configured(interaction_mode="builder_health_helper"))
    assert (helper.may_replace, helper.takes_todos, helper.reason) == (False, False, "health_helper_never_applies")


@pytest.mark.parametrize(
    ("required", "network", "searched", "applied"),
    [(True, True, False, False), (True, True, True, True), (True, False, False, True), (False, True, False, True)],
)
def test_a_challenge_must_have_searched_where_that_is_wanted_and_the_mentor_has_network(
    required: bool, network: bool, searched: bool, applied: bool, configured: Configured
) -> None:
    config = configured(mentor_require_web_search=required, mentor_network_access_enabled=network)
    found = ruling(a_review(), config, searched=searched)
    assert (found.may_replace, found.search_requirement_met) == (applied, applied)
    assert found.require_web_search == (required and network)
    assert found.reason == (None if applied else "web_search_required")
    assert found.takes_todos, "what it noted is kept all the same"


def test_the_third_challenge_in_a_row_on_the_same_evidence_has_no_effect(configured: Configured) -> None:
    config, history = configured(), run_ended(ReviewHistory())
    effects, notes = [], []
    for cycle in range(1, 6):
        due = review_due(Standing(cycle=100 * cycle), history, config)
        notes.append("no_new_evidence" in due.notes)
        effects.append(ruling(a_review(todos=("look",)), config, history))
        history = challenged(100 * cycle, history)
    assert [one.may_replace for one in effects] == [True, True, False, False, False]
    assert [one.takes_todos for one in effects] == [True, True, False, False, False]
    assert [one.new_evidence for one in effects] == [True, False, False, False, False]
    assert notes == [False, True, True, True, True], "discouraged from the second on"
    assert effects[2].reason == "no_new_evidence"
    assert ruling(a_review(), config, run_ended(history)).may_replace, "a run that ended is new evidence"
    assert ruling(a_review(), config, asked(600, history)).may_replace, "a continue ends the row"


def test_a_run_that_ends_during_a_review_is_evidence_for_the_next_one(configured: Configured) -> None:
    history = folding.apply(ReviewHistory(), {"event": "call_intended", "step": "review"})
    history = run_ended(history)
    record = {"run": True, "recommendation": "challenge"}
    history = folding.apply(history, {"event": "review", "cycle": 1, "record": record})
    assert history.has_new_evidence
    assert ruling(a_review(), configured(), history).new_evidence


# ---------------------------------------------------------------- the record

KNOWN_KEYS = set(
    "display_name role_mode enabled run reasons recommendation applied critique questions require_web_search "
    "search_requirement_met used_web_search parsed_event_lines trace_file tool_signals mentor_notes_file "
    "shared_todo_file shared_todo_added error".split()
)


def test_the_record_has_the_known_keys_with_and_without_an_answer(configured: Configured) -> None:
    config = configured()
    silent = review_record(None, ("cadence_every_4",), "codex", config)
    report = CallReport(used_web_search=True, parsed_event_lines=7, trace_file="t", tool_signals=("web",) * 30)
    reasons = ("cadence_every_4", "architecture_alternatives")
    spoken = review_record(a_review(), reasons, "codex", config, ruling=ruling(a_review(), config), call=report)
    assert set(silent) >= KNOWN_KEYS and set(silent) == set(spoken)
    assert json.loads(json.dumps(spoken)) == spoken
    assert (silent["run"], silent["recommendation"], silent["applied"]) == (False, None, False)
    assert (spoken["run"], spoken["recommendation"], spoken["role_mode"]) == (True, "challenge", "challenge_reviewer")
    assert (spoken["reasons"], spoken["notes"]) == (["cadence_every_4"], ["architecture_alternatives"])
    assert (spoken["used_web_search"], len(spoken["tool_signals"]), spoken["trace_file"]) == (True, 24, "t")
    assert spoken["suggested_decision"]["command"] == DECISION["command"], "what it wanted is kept whatever is run"


def test_the_gate_has_the_last_word_on_a_suggestion(configured: Configured) -> None:
    config = configured()
    record = review_record(a_review(), (), "codex", config, ruling=ruling(a_review(), config))
    assert (record["applied"], record["not_applied_reason"]) == (False, None)
    assert with_verdict(record, True)["applied"] is True
    refused = with_verdict(record, False)
    assert (refused["applied"], refused["not_applied_reason"]) == (False, "gate_refused")


def test_entries_without_effect_are_kept_apart(configured: Configured) -> None:
    helper = configured(interaction_mode="builder_health_helper")
    review = a_review(todos=("look at the labels",))
    record = review_record(review, (), "codex", helper, ruling=ruling(review, helper))
    assert (record["role_mode"], record["todo_updates"]) == ("health_helper", [])
    assert record["todo_updates_left_out"] == ["look at the labels"]
    assert record["not_applied_reason"] == "health_helper_never_applies"


def test_the_history_survives_a_snapshot() -> None:
    history = challenged(9, asked(5, run_ended(ReviewHistory()), reasons=["a"], notes=["b"]))
    assert ReviewHistory.from_json(json.loads(json.dumps(history.to_json()))) == history
    assert history.told == {"a": 5, "b": 5}


def test_a_health_helpers_word_is_no_challenge_in_the_row() -> None:
    history = asked(5, ReviewHistory(), recommendation="challenge", role_mode="health_helper")
    assert (history.asked_cycle, history.challenge_streak) == (5, 0)


def test_a_run_that_was_never_launched_is_no_evidence() -> None:
    assert folding.apply(ReviewHistory(), {"event": "run_ended", "row": {"attempts": 0}}).runs_ended == 0
    history = ReviewHistory()
    assert folding.apply(history, {"event": "something_else"}) is history
