"""A review: the mentor's word, by the rules that a schema cannot say too."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from llm_loop.contract.decision import Action, Decision
from llm_loop.contract.review import Recommendation, Review
from llm_loop.errors import ContractError

CHALLENGE = Review(
    recommendation=Recommendation.CHALLENGE,
    critique="off_track: the same again",
    questions=("Why?",),
    mentor_notes="n",
    todo_updates=("look at the data",),
    suggested_decision=Decision(action=Action.WAIT, rationale="Think first."),
)
CONTINUE = Review(recommendation=Recommendation.CONTINUE, critique="on_track")


@pytest.mark.parametrize(
    "review", [CHALLENGE, CONTINUE, replace(CONTINUE, critique="  on_track, in spite of all", questions=("a",))]
)
def test_a_review_goes_through_json_unchanged(review: Review) -> None:
    assert Review.from_json(json.loads(json.dumps(review.to_json()))) == review


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"critique": "fine"}, "critique: opens with neither"),
        ({"critique": ""}, "critique"),
        ({"questions": ["a", "b"]}, "questions: more"),
        ({"todo_updates": ["a", "b"], "recommendation": "challenge"}, "todo_updates: more than one"),
        ({"todo_updates": ["a"]}, "none is allowed on continue"),
        ({"recommendation": "maybe"}, "recommendation"),
        ({"suggested_decision": {"action": "wait"}}, "suggested_decision: 'rationale' is a required property"),
        ({"mentor_notse": "x"}, "nearest known: 'mentor_notes'"),
        ({"suggested_decision": []}, "object or null"),
        ({"questions": [float("nan")]}, "questions.0"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ContractError) as caught:
        Review.from_json(CONTINUE.to_json() | change)
    assert said in str(caught.value)


def test_every_broken_rule_is_named_at_once() -> None:
    with pytest.raises(ContractError) as caught:
        Review.from_json(CONTINUE.to_json() | {"critique": "x", "questions": ["a", "b"], "todo_updates": ["a"]})
    assert len(caught.value.violations) == 3
