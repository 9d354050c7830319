"""The mentor's review of a decision."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from llm_loop.contract import schemas
from llm_loop.contract.decision import Decision
from llm_loop.errors import ContractError

SCHEMA_VERSION = 1
VERDICTS = ("on_track", "off_track")


class Recommendation(StrEnum):
    """Whether the decision stands."""

    CONTINUE = "continue"
    CHALLENGE = "challenge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """Hold what the mentor said; ``suggested_decision`` is a full replacement or None."""

    recommendation: Recommendation
    critique: str
    questions: tuple[str, ...] = ()
    mentor_notes: str = ""
    todo_updates: tuple[str, ...] = ()
    suggested_decision: Decision | None = None
    schema_version: int = SCHEMA_VERSION

    @classmethod
    def from_json(cls, value: Any, subject: str = "review") -> Self:
        """Check ``value`` against the schema and the rules that a schema cannot say.

        Raises ContractError, also when the critique opens with no verdict, when there is more than
        one question or TODO, or a TODO on ``continue``.
        """
        schemas.check("review", value, subject)
        broken = _broken_rules(value)
        if broken:
            raise ContractError(subject, broken)
        suggested = value["suggested_decision"]
        return cls(
            recommendation=Recommendation(value["recommendation"]),
            critique=value["critique"],
            questions=tuple(value["questions"]),
            mentor_notes=value["mentor_notes"],
            todo_updates=tuple(value["todo_updates"]),
            suggested_decision=None if suggested is None else Decision.from_json(suggested, f"{subject}: suggestion"),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, every key of the schema in it."""
        return {
            "schema_version": self.schema_version,
            "recommendation": self.recommendation.value,
            "critique": self.critique,
            "questions": list(self.questions),
            "mentor_notes": self.mentor_notes,
            "todo_updates": list(self.todo_updates),
            "suggested_decision": None if self.suggested_decision is None else self.suggested_decision.to_json(),
        }


def _broken_rules(value: dict[str, Any]) -> list[str]:
    broken = []
    if not value["critique"].strip().startswith(VERDICTS):
        broken.append("critique: opens with neither on_track nor off_track")
    if len(value["questions"]) > 1:
        broken.append("questions: more than one")
    if len(value["todo_updates"]) > 1:
        broken.append("todo_updates: more than one")
    if value["todo_updates"] and value["recommendation"] == Recommendation.CONTINUE:
        broken.append("todo_updates: none is allowed on continue")
    return broken
