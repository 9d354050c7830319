"""What can go wrong with a Codex call, and what follows from it: one table, and how a failure is told.

The client ends with 0, 1, 2, 101 or a signal whatever happened, so a failure is told by its message, by the HTTP
status in its log, and by how the call ended. The texts were measured on codex-cli 0.163.0 and 0.169.0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from llm_loop.agents.codex_events import CodexTurn
from llm_loop.agents.codex_log import CodexLog
from llm_loop.agents.reset_times import seconds_to_reset
from llm_loop.contract.call_report import CallFailure, FailureCause
from llm_loop.system.held_child import ChildEnd, ChildEnding

_MOST_CHARACTERS = 500
_MINUTE, _HOUR = 60.0, 3600.0


class Scope(StrEnum):
    """Whom a failure concerns: both roles, or the one that asked."""

    ACCOUNT = "account"
    ROLE = "role"


class Told(StrEnum):
    """Who has to hear of a failure: nobody, or a person, since waiting alone does not mend it."""

    NOBODY = "nobody"
    PERSON = "person"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequence:
    """Hold what follows from a cause.

    ``retry``: asking once more in the same cycle may help. The waits, in seconds, bound the backoff where the
    service names no time. ``sentence`` tells a person what it means and what to do.
    """

    scope: Scope
    retry: bool
    first_wait_s: float
    longest_wait_s: float
    tell: Told
    sentence: str


def _of_account(retry: bool, first_s: float, longest_s: float, tell: Told, sentence: str) -> Consequence:
    return Consequence(
        scope=Scope.ACCOUNT, retry=retry, first_wait_s=first_s, longest_wait_s=longest_s, tell=tell, sentence=sentence
    )


def _of_role(retry: bool, first_s: float, longest_s: float, tell: Told, sentence: str) -> Consequence:
    return Consequence(
        scope=Scope.ROLE, retry=retry, first_wait_s=first_s, longest_wait_s=longest_s, tell=tell, sentence=sentence
    )


TABLE: dict[FailureCause, Consequence] = {
    FailureCause.LOGIN: _of_account(
        False, 5 * _MINUTE, _HOUR, Told.PERSON, "Codex is not logged in, or its login is over: run `llm-loop login`."
    ),
    FailureCause.QUOTA: _of_account(
        False, 30 * _MINUTE, 6 * _HOUR, Told.PERSON, "The account's quota is spent: check its plan and billing."
    ),
    FailureCause.USAGE_LIMIT: _of_account(
        False, 15 * _MINUTE, 2 * _HOUR, Told.NOBODY, "The account's usage limit is reached: Codex is asked again later."
    ),
    FailureCause.RATE_LIMIT: _of_account(
        True, 20.0, 10 * _MINUTE, Told.NOBODY, "The service wants fewer requests: Codex is asked again later."
    ),
    FailureCause.OVERLOAD: _of_account(
        True, 30.0, 15 * _MINUTE, Told.NOBODY, "The service is overloaded: Codex is asked again later."
    ),
    FailureCause.NETWORK: _of_account(
        True, 15.0, 10 * _MINUTE, Told.NOBODY, "The service cannot be reached: check the network if it lasts."
    ),
    FailureCause.CONTEXT_FULL: _of_role(
        False, _MINUTE, _HOUR, Told.PERSON, "The prompt is too long for the model: lower `prompt_max_chars`."
    ),
    FailureCause.INCOMPLETE: _of_role(
        True, 10.0, 10 * _MINUTE, Told.NOBODY, "The model's answer was cut off: it is asked again."
    ),
    FailureCause.BAD_REQUEST: _of_role(
        False,
        5 * _MINUTE,
        _HOUR,
        Told.PERSON,
        "The service or the client refuses the request: check `model`, `reasoning_effort` and codex_home/config.toml.",
    ),
    FailureCause.NO_ANSWER: _of_role(
        True, 5.0, 10 * _MINUTE, Told.NOBODY, "The model ended its turn without an answer: it is asked again."
    ),
    FailureCause.SCHEMA: _of_role(
        True, 5.0, 10 * _MINUTE, Told.NOBODY, "The model's answer broke the schema, twice: it is asked again."
    ),
    FailureCause.TIMEOUT: _of_role(
        True,
        10.0,
        15 * _MINUTE,
        Told.NOBODY,
        "The call reached its deadline: raise `codex_timeout_seconds` if that happens often.",
    ),
    FailureCause.STOPPED: _of_role(False, 0.0, 0.0, Told.NOBODY, "The call was stopped on purpose."),
    FailureCause.BINARY_MISSING: _of_account(
        False, _MINUTE, _HOUR, Told.PERSON, "There is no Codex program: `llm-loop login` offers to install it."
    ),
    FailureCause.BINARY_TOO_OLD: _of_account(
        False,
        10 * _MINUTE,
        2 * _HOUR,
        Told.PERSON,
        "The Codex program is too old for the loop or for the model: update it.",
    ),
    FailureCause.CHECKOUT: _of_role(
        True, 10.0, 10 * _MINUTE, Told.PERSON, "The training repository could not be copied: see the message."
    ),
    FailureCause.CRASHED: _of_role(
        True, 10.0, 10 * _MINUTE, Told.NOBODY, "The client of the call broke down: it is asked again."
    ),
    FailureCause.UNKNOWN: _of_role(
        True, 30.0, 15 * _MINUTE, Told.PERSON, "The call failed for an unknown cause: see the message."
    ),
}

_F = FailureCause
_MESSAGES: tuple[tuple[FailureCause, str], ...] = (
    (_F.USAGE_LIMIT, r"hit your usage limit|usage limit reached"),
    (_F.QUOTA, r"quota exceeded|insufficient_quota|exceeded your current quota|session budget exceeded"),
    (_F.QUOTA, r"out of credits|(credit|spend) (cap|limit)|to use codex with your chatgpt plan"),
    (_F.BINARY_TOO_OLD, r"requires a newer version|unexpected argument '--|unknown feature flag"),
    (_F.LOGIN, r"sign in again|log out and|not logged in|could not be refreshed|missing environment variable"),
    (_F.LOGIN, r"unexpected status 40[13]\b|invalid_api_key|incorrect api key|token (is )?expired"),
    (_F.CONTEXT_FULL, r"context window|context_length_exceeded|input_too_large|exceeds the maximum length"),
    (_F.INCOMPLETE, r"incomplete response returned"),
    (_F.OVERLOAD, r"at capacity|overloaded|high demand|capacity (is )?unavailable|unexpected status 5\d\d\b"),
    (_F.RATE_LIMIT, r"\b429\b|rate limit|too many requests"),
    (_F.NETWORK, r"connection failed|stream disconnected|error sending request|waiting for network"),
    (_F.NETWORK, r"idle timeout|timed out|dns error|connection refused|network is unreachable|certificate"),
    (_F.BAD_REQUEST, r"invalid_request_error|invalid_json_schema|invalid_prompt|model_not_found"),
    (_F.BAD_REQUEST, r"not supported when using|unsupported (model|value)"),
    (_F.BAD_REQUEST, r"error loading config|model provider .* not found|not inside a trusted directory|invalid value"),
    (_F.BAD_REQUEST, r"failed to read output schema|blocked due to|flagged (for|as)|content policy"),
    (_F.CRASHED, r"panicked at"),
)
_BY_STATUS = {400: _F.BAD_REQUEST, 401: _F.LOGIN, 403: _F.LOGIN, 404: _F.BAD_REQUEST, 413: _F.CONTEXT_FULL}


def classify(
    turn: CodexTurn, log: CodexLog, ending: ChildEnding, now: datetime, *, limit_s: float | None = None
) -> CallFailure | None:
    """Return why a turn failed, None when it came to its end; an answer it may lack all the same.

    ``now`` is aware: reset times in messages are wall times of this machine. ``limit_s`` is named in the message of
    a timeout.
    """
    if ending.end is ChildEnd.STOPPED:
        return CallFailure(cause=_F.STOPPED, message="stopped on purpose")
    if turn.is_completed and turn.failed is None:  # an answer that was paid counts, however the client went afterwards
        return None
    if ending.end is ChildEnd.TOO_LOUD:
        return CallFailure(cause=_F.CRASHED, message="the client printed without end and was ended")
    if ending.end is ChildEnd.DEADLINE:
        return _timeout(turn, log, now, limit_s)
    told = _told(turn, log)
    cause = cause_of(told, log.last_status) if told else None
    if cause is None:
        crashed = ending.exit_code not in (0, 1, 2)
        cause = _F.CRASHED if crashed or not told else _F.UNKNOWN
    message = told or f"the client ended with exit code {ending.exit_code} and without a word"
    return CallFailure(cause=cause, message=_short(message), retry_after_s=seconds_to_reset(told, now))


def cause_of(message: str, status: int | None = None) -> FailureCause | None:
    """Return the cause that a message tells, or else the HTTP status; None when neither is known."""
    for cause, pattern in _MESSAGES:
        if re.search(pattern, message, re.IGNORECASE):
            return cause
    if status is None:
        return None
    return _BY_STATUS.get(status) or (_F.RATE_LIMIT if status == 429 else _F.OVERLOAD if status >= 500 else None)


def sandbox_is_broken(turn: CodexTurn, log: CodexLog, sandbox_mode: str) -> bool:
    """Tell whether nothing that the model tried got through the sandbox, for the sandbox's sake.

    Commands that end with a word such as "Permission denied" leave no event, only a line of the log; a single one
    may well have been refused in its own right, two and no success are taken as proof.
    """
    if sandbox_mode == "danger-full-access":
        return False
    unseen = max(0, log.commands - turn.commands)
    worked = turn.commands - turn.without_sandbox > 0 or turn.patches > turn.patches_failed
    if worked:
        return False
    may_write = sandbox_mode == "workspace-write"
    return turn.without_sandbox > 0 or unseen > 1 or (may_write and log.writing_is_blocked)


def _told(turn: CodexTurn, log: CodexLog) -> str:
    """Return the client's own word on a failure: the event's, else the last error, else standard error."""
    if turn.failed is not None:
        return turn.failed
    return turn.errors[-1] if turn.errors else log.said.strip()


def _timeout(turn: CodexTurn, log: CodexLog, now: datetime, limit_s: float | None) -> CallFailure:
    """Return a timeout, or what the client was waiting for when it named it: a long retry-after, the network."""
    waited_for = turn.errors[-1] if turn.errors else ""
    if (cause := cause_of(waited_for)) in (_F.RATE_LIMIT, _F.OVERLOAD, _F.NETWORK):
        return CallFailure(cause=cause, message=_short(waited_for), retry_after_s=seconds_to_reset(waited_for, now))
    within = "" if limit_s is None else f" within {limit_s:.0f} s"
    heard = "" if log.last_status is None else f"; the service had answered with status {log.last_status}"
    return CallFailure(cause=_F.TIMEOUT, message=f"no end of the turn{within}{heard}")


def _short(message: str) -> str:
    text = " ".join(message.split())
    return text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 3] + "..."
