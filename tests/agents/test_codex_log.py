"""What Codex logged: tokens and HTTP status of each request, tools, and the words for a person."""

from __future__ import annotations

from pathlib import Path

from llm_loop.agents.codex_log import CodexLog, read_log
from llm_loop.contract.call_report import TokenUse

_LEAD = '2026-11-21T13:57:53.72Z  INFO codex_otel.trace_safe: event.name="codex.'
_TAIL = " event.timestamp=2026-11-21T13:57:53.72Z model=gpt-5.5\n"


def request(status: str) -> str:
    return f'{_LEAD}api_request" duration_ms=19 {status}attempt=0{_TAIL}'


def tokens(given: int) -> str:
    counts = f"input_token_count={given} output_token_count=3 cached_token_count=2 reasoning_token_count=1"
    return f'{_LEAD}sse_event" event.kind=response.completed {counts} tool_token_count=9{_TAIL}'


def tool(name: str, success: str = "true") -> str:
    return f'{_LEAD}tool_result" tool_result_seq=1 tool_name={name} duration_ms=1 success={success} x=1{_TAIL}'


def log_of(folder: Path, *lines: str) -> CodexLog:
    (folder / "log").write_text("".join(lines), encoding="utf-8")
    return read_log(folder / "log")


def test_tokens_of_each_request_are_summed(tmp_path: Path) -> None:
    incomplete = f'{_LEAD}sse_event" event.kind=response.completed error.message=Incomplete response{_TAIL}'
    log = log_of(tmp_path, tokens(10), tokens(5), incomplete)
    assert log.tokens == TokenUse(input=15, cached_input=4, output=6, reasoning_output=2)


def test_the_last_status_counts(tmp_path: Path) -> None:
    codes = [request(f"http.response.status_code={code} ") for code in (200, 503)]
    assert log_of(tmp_path, *codes).last_status == 503
    assert log_of(tmp_path, *codes, request('error.message="error sending request" ')).last_status is None


def test_tools_are_counted(tmp_path: Path) -> None:
    log = log_of(tmp_path, tool("exec_command"), tool("apply_patch", "false"), tool("exec_command"), tool("view"))
    assert (log.commands, log.patches) == (2, 1)


def test_the_rest_is_for_a_person(tmp_path: Path) -> None:
    blocked = "ERROR codex_core::tools::router: error=patch rejected: writing is blocked by read-only sandbox\n"
    log = log_of(tmp_path, request(""), blocked)
    assert log.said == blocked.strip() and log.writing_is_blocked
    assert not log_of(tmp_path, request("")).writing_is_blocked


def test_a_log_of_another_form_is_words_only(tmp_path: Path) -> None:
    odd = f'{_LEAD}sse_event" input_token_count=many{_TAIL}'
    assert log_of(tmp_path, odd, "bytes \udcff".encode("utf-8", "replace").decode()).tokens is None
    assert read_log(tmp_path / "missing") == CodexLog()
