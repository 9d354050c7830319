"""What one model call came to, beside its answer: failure, cost, and what the model did meanwhile."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

from llm_loop.contract.code_change import CodeBase, CodeChange

SCHEMA_VERSION = 1


class FailureCause(StrEnum):
    """Why a call gave no usable answer."""

    LOGIN = "login"
    QUOTA = "quota"
    USAGE_LIMIT = "usage_limit"
    RATE_LIMIT = "rate_limit"
    OVERLOAD = "overload"
    NETWORK = "network"
    CONTEXT_FULL = "context_full"
    INCOMPLETE = "incomplete"
    BAD_REQUEST = "bad_request"
    NO_ANSWER = "no_answer"
    SCHEMA = "schema"
    TIMEOUT = "timeout"
    STOPPED = "stopped"
    BINARY_MISSING = "binary_missing"
    BINARY_TOO_OLD = "binary_too_old"
    CHECKOUT = "checkout"
    CRASHED = "crashed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFailure:
    """Hold why a call failed. ``message`` is the client's own word, cut; ``retry_after_s`` is what it asked to wait."""

    cause: FailureCause
    message: str
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUse:
    """Hold the tokens of one call, as the client reported them. ``input`` includes ``cached_input``."""

    input: int = 0
    cached_input: int = 0
    output: int = 0
    reasoning_output: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallReport:
    """Hold what a call came to.

    ``tokens`` is None where the client reported none (a failed turn), ``code`` None for a call without a checkout;
    ``base`` is what its checkout began as. ``sandbox_is_broken`` says that every command or patch failed for the
    sandbox's sake, with rc 0. ``tool_signals`` are short words on what the model used, at most 24.
    """

    failure: CallFailure | None = None
    tokens: TokenUse | None = None
    code: CodeChange | None = None
    base: CodeBase | None = None
    used_web_search: bool = False
    tool_signals: tuple[str, ...] = ()
    parsed_event_lines: int = 0
    commands_run: int = 0
    commands_failed: int = 0
    sandbox_is_broken: bool = False
    prompt_characters: int = 0
    trace_file: str | None = None
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        value = asdict(self)
        if self.failure is not None:
            value["failure"]["cause"] = self.failure.cause.value
        value["code"] = None if self.code is None else self.code.to_json()
        return value | {"tool_signals": list(self.tool_signals)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Build the report from its JSON form, which only the loop writes. Raises KeyError, TypeError, ValueError."""
        fields = dict(value)
        if fields["failure"] is not None:
            cause = FailureCause(fields["failure"]["cause"])
            fields["failure"] = CallFailure(**{**fields["failure"], "cause": cause})
        fields["tokens"] = None if fields["tokens"] is None else TokenUse(**fields["tokens"])
        fields["code"] = None if fields["code"] is None else CodeChange.from_json(fields["code"])
        fields["base"] = None if fields["base"] is None else CodeBase(**fields["base"])
        fields["tool_signals"] = tuple(fields["tool_signals"])
        return cls(**fields)
