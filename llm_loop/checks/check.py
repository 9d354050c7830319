"""What a check came to, and what all of them mean for the exit code."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """How bad it is: fine; worth knowing; holds something back while the loop runs; the loop cannot run."""

    OK = "ok"
    NOTICE = "notice"
    PROBLEM = "problem"
    FAILED = "failed"


_EXIT_CODES = {State.OK: 0, State.NOTICE: 0, State.PROBLEM: 1, State.FAILED: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Hold one finding: ``what`` was found, and its ``mend``, which every problem and failure has."""

    name: str
    state: State
    what: str
    mend: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self) | {"state": self.state.value}


def ok(name: str, what: str) -> Check:
    """Return a finding that is fine."""
    return Check(name=name, state=State.OK, what=what)


def notice(name: str, what: str, mend: str | None = None) -> Check:
    """Return a finding that is worth knowing."""
    return Check(name=name, state=State.NOTICE, what=what, mend=mend)


def problem(name: str, what: str, mend: str) -> Check:
    """Return a finding that holds something back."""
    return Check(name=name, state=State.PROBLEM, what=what, mend=mend)


def failed(name: str, what: str, mend: str) -> Check:
    """Return a finding that keeps the loop from running."""
    return Check(name=name, state=State.FAILED, what=what, mend=mend)


def exit_code(checks: Iterable[Check]) -> int:
    """Return 0 (fine, or notices), 1 (a problem, and the loop runs), or 2 (the loop cannot run)."""
    return max((_EXIT_CODES[check.state] for check in checks), default=0)
