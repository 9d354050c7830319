"""The table of causes, and how a failure is told. The messages are those of the real client."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from llm_loop.agents.codex_events import CodexTurn
from llm_loop.agents.codex_failures import TABLE, Scope, Told, cause_of, classify, sandbox_is_broken
from llm_loop.agents.codex_log import CodexLog
from llm_loop.contract.call_report import CallFailure, FailureCause
from llm_loop.system.held_child import ChildEnd, ChildEnding

NOW = datetime(2026, 11, 20, 22, 0, tzinfo=UTC)
HIT = "You\u2019ve hit your usage limit. "
MESSAGES = {
    "unexpected status 401 Unauthorized: bad key, url: http://127.0.0.1:40863/v1/responses": "login",
    "Your access token could not be refreshed because your refresh token was revoked.": "login",
    "Your authentication session has ended. Please log out and sign in again.": "login",
    "Missing environment variable: `MINE`.": "login",
    HIT + "Try again at 3:56 PM.": "usage_limit",
    HIT + "Upgrade to Pro (https://chatgpt.com/explore/pro), or try again later.": "usage_limit",
    "Quota exceeded. Check your plan and billing details.": "quota",
    "Your workspace is out of credits. Add credits to continue.": "quota",
    "To use Codex with your ChatGPT plan, upgrade to Plus: https://chatgpt.com/explore/plus.": "quota",
    "exceeded retry limit, last status: 429 Too Many Requests": "rate_limit",
    "rate limit exceeded: Rate limit reached. Please try again in 28s.": "rate_limit",
    "We\u2019re currently experiencing high demand, which may cause temporary errors.": "overload",
    "Selected model is at capacity. Please try a different model.": "overload",
    "Connection failed: error sending request": "network",
    "stream disconnected before completion: idle timeout waiting for SSE": "network",
    "Codex ran out of room in the model's context window. Start a new thread or clear earlier history": "context_full",
    "Incomplete response returned, reason: max_output_tokens": "incomplete",
    "stream disconnected before completion: Incomplete response returned, reason: content_filter": "incomplete",
    '{"error": {"message": "bad", "type": "invalid_request_error", "code": "invalid_json_schema"}}': "bad_request",
    "Error loading config.toml: invalid type: integer `3`, expected a string": "bad_request",
    "Error: Model provider `nope` not found": "bad_request",
    "Not inside a trusted directory and --skip-git-repo-check was not specified.": "bad_request",
    "Failed to read output schema file /nope.json: No such file or directory (os error 2)": "bad_request",
    "error: unexpected argument '--ephemeral' found": "binary_too_old",
    "Error: Unknown feature flag: unbounded_connection_retries": "binary_too_old",
    "The 'gpt-9' model requires a newer version of Codex. Please upgrade.": "binary_too_old",
    "thread 'main' panicked at src/main.rs:1:1": "crashed",
}


NO_TURN, NO_LOG = CodexTurn(), CodexLog()


def told(
    turn: CodexTurn = NO_TURN,
    log: CodexLog = NO_LOG,
    *,
    end: ChildEnd = ChildEnd.EXITED,
    exit_code: int | None = 1,
) -> CallFailure | None:
    return classify(turn, log, ChildEnding(end=end, exit_code=exit_code), NOW, limit_s=900)


def test_every_cause_has_its_consequence() -> None:
    assert set(TABLE) == set(FailureCause)
    for cause, row in TABLE.items():
        assert 0 <= row.first_wait_s <= row.longest_wait_s, cause
        assert row.sentence.endswith(".") and len(row.sentence) < 120


def test_an_account_out_of_money_is_not_asked_again_at_once() -> None:
    for cause in (FailureCause.LOGIN, FailureCause.QUOTA, FailureCause.USAGE_LIMIT):
        assert TABLE[cause].scope is Scope.ACCOUNT and not TABLE[cause].retry
    assert TABLE[FailureCause.LOGIN].tell is Told.PERSON and "llm-loop login" in TABLE[FailureCause.LOGIN].sentence


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_tells_its_cause(message: str) -> None:
    failure = told(CodexTurn(failed=message))
    assert failure is not None and failure.cause.value == MESSAGES[message]
    by_stderr = told(log=CodexLog(said=message))
    assert by_stderr is not None and by_stderr.cause is failure.cause


@pytest.mark.parametrize(
    ("status", "cause"),
    [(400, "bad_request"), (403, "login"), (404, "bad_request"), (429, "rate_limit"), (529, "overload")],
)
def test_where_the_message_says_nothing_the_status_does(status: int, cause: str) -> None:
    failure = told(CodexTurn(failed="the words of some service"), CodexLog(last_status=status))
    assert failure is not None and failure.cause.value == cause
    assert cause_of("the words of some service") is None


def test_what_nobody_knows_is_unknown_with_its_message() -> None:
    assert told(CodexTurn(failed="out of cheese"), CodexLog(last_status=200)) == CallFailure(
        cause=FailureCause.UNKNOWN, message="out of cheese"
    )


def test_a_reset_time_is_kept() -> None:
    failure = told(CodexTurn(failed="rate limit exceeded: Please try again in 28s."))
    assert failure is not None and failure.retry_after_s == 28


def test_a_completed_turn_is_no_failure_however_the_client_went() -> None:
    done = CodexTurn(is_completed=True, last_message="{}")
    assert told(done, exit_code=0) is None
    assert told(done, exit_code=101) is None
    assert told(done, end=ChildEnd.DEADLINE, exit_code=-9) is None


def test_a_client_that_dies_without_a_word_has_crashed() -> None:
    for code in (0, 1, 101, -9):
        failure = told(exit_code=code)
        assert failure is not None and failure.cause is FailureCause.CRASHED and str(code) in failure.message


def test_a_deadline_names_what_was_waited_for() -> None:
    silent = told(log=CodexLog(last_status=200), end=ChildEnd.DEADLINE, exit_code=-9)
    assert silent is not None and silent.cause is FailureCause.TIMEOUT
    assert "900 s" in silent.message and "200" in silent.message
    waiting = CodexTurn(errors=("Reconnecting... 1/5 (exceeded retry limit, last status: 429 Too Many Requests)",))
    paused = told(waiting, end=ChildEnd.DEADLINE, exit_code=-9)
    assert paused is not None and paused.cause is FailureCause.RATE_LIMIT


def test_a_stop_is_a_stop() -> None:
    failure = told(CodexTurn(is_completed=True), end=ChildEnd.STOPPED)
    assert failure is not None and failure.cause is FailureCause.STOPPED


def test_a_long_message_is_cut() -> None:
    failure = told(CodexTurn(failed="x" * 2000))
    assert failure is not None and len(failure.message) == 500


BLOCKED = CodexLog(writing_is_blocked=True, patches=1)


@pytest.mark.parametrize(
    ("turn", "log", "mode", "broken"),
    [
        (CodexTurn(), CodexLog(), "workspace-write", False),
        (CodexTurn(commands=2, commands_failed=2, without_sandbox=2), CodexLog(commands=2), "workspace-write", True),
        (CodexTurn(commands=2, commands_failed=2, without_sandbox=2), CodexLog(commands=2), "read-only", True),
        (CodexTurn(commands=2, commands_failed=2), CodexLog(commands=2), "workspace-write", False),
        (CodexTurn(commands=2, commands_failed=1, without_sandbox=1), CodexLog(), "workspace-write", False),
        (CodexTurn(patches=1, patches_failed=1), BLOCKED, "workspace-write", True),
        (CodexTurn(), BLOCKED, "workspace-write", True),
        (CodexTurn(), BLOCKED, "read-only", False),
        (CodexTurn(patches=2, patches_failed=1), BLOCKED, "workspace-write", False),
        (CodexTurn(), CodexLog(commands=1), "workspace-write", False),
        (CodexTurn(), CodexLog(commands=3), "workspace-write", True),
        (CodexTurn(commands=1), CodexLog(commands=4), "workspace-write", False),
        (CodexTurn(), CodexLog(commands=3), "danger-full-access", False),
    ],
)
def test_a_broken_sandbox_is_told_from_a_refused_command(
    turn: CodexTurn, log: CodexLog, mode: str, broken: bool
) -> None:
    assert sandbox_is_broken(turn, log, mode) is broken
