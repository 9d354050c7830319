"""What one check says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from llm_loop.contract.diagnosis import Cause

_LONGEST_LINE = 300


class State(StrEnum):
    """What a check came to: it holds; it surely does not; it does not apply; it could not be told."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Hold what one check says. ``why`` is a sentence, ``line`` the evidence, both of one line; None: nothing to say.

    ``details`` have the names that a diagnosis gives them, so the same rules repair.
    """

    state: State
    cause: Cause | None = None
    why: str | None = None
    line: str | None = None
    details: Mapping[str, str | int | bool] = field(default_factory=dict)

    def to_json(self, name: str, seconds: float) -> dict[str, Any]:
        """Return the entry of the answer."""
        return {
            "name": name,
            "state": self.state.value,
            "seconds": round(seconds, 3),
            "cause": None if self.cause is None else self.cause.value,
            "why": None if self.why is None else one_line(self.why),
            "line": None if self.line is None else one_line(self.line),
            "details": dict(self.details),
        }


PASSED = Verdict(state=State.PASSED)


def skipped(why: str) -> Verdict:
    """Return that a check does not apply, and why."""
    return Verdict(state=State.SKIPPED, why=why)


def unknown(why: str) -> Verdict:
    """Return that a check could not be made, and why."""
    return Verdict(state=State.UNKNOWN, why=why)


def failed(cause: Cause | None, why: str, line: str | None = None, /, **details: str | int | bool) -> Verdict:
    """Return that a run would surely fail, and why."""
    return Verdict(state=State.FAILED, cause=cause, why=why, line=line, details=details)


def one_line(text: str) -> str:
    """Return a text as one printable line of at most 300 characters."""
    plain = " ".join("".join(char if char.isprintable() else " " for char in text[:4_000]).split())
    return plain if len(plain) <= _LONGEST_LINE else plain[: _LONGEST_LINE - 3] + "..."
