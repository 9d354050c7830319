"""The child of a Codex call, with the real client against a scripted model on loopback.

What is quick runs in every suite where a client can be had; the rest has the mark ``codex``.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from llm_loop.contract.call_report import TokenUse
from llm_loop.contract.observation import Role
from tests.call_desk import DECIDED, REVIEWED, CallDesk, Left
from tests.codex_client import NPM_VERSION, PYPI_VERSION, codex_binary
from tests.conftest import eventually
from tests.fakes.responses_server import (
    Entry,
    ResponsesServer,
    Script,
    answer,
    client_config,
    function,
    patch,
    shell,
    status,
)

WIDER = patch("*** Update File: layers.py\n@@\n-WIDTH = 1\n+WIDTH = 2")
EDIT = {"path": "layers.py", "new_text": None, "old": "WIDTH = 1", "new": "WIDTH = 3"}
BROKEN = {**DECIDED, "action": "dance", "surprise": 1}
PRINTS_NOTHING = os.name == "nt"  # the PowerShell of the bench is a stub
NO_RETRIES = {"request_max_retries": 0, "stream_max_retries": 0}

Making = Callable[..., tuple[CallDesk, ResponsesServer]]


@pytest.fixture
def desk_with(tmp_path: Path) -> Iterator[Making]:
    """A maker of a desk and its model: ``desk_with(script)``."""
    opened: list[ResponsesServer] = []

    def make(script: Script, binary: Path | None = None, **provider: Any) -> tuple[CallDesk, ResponsesServer]:
        server = ResponsesServer(script).__enter__()
        opened.append(server)
        return CallDesk(tmp_path, binary or codex_binary(), server.config(**(NO_RETRIES | provider))), server

    yield make
    for server in opened:
        server.__exit__(None, None, None)


def tagged(tag: str) -> list[psutil.Process]:
    """Return the living processes that carry a call's tag."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("LLM_LOOP_RUN") == tag and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def tokens_given(server: ResponsesServer) -> TokenUse:
    return TokenUse(**server.tokens)


def changed(left: Left) -> dict[str, str]:
    assert left.report.code is not None and not left.report.code.refusals
    return {file.path: file.kind.value for file in left.report.code.files}


# ---------------------------------------------------------------- what a good call leaves


@pytest.mark.parametrize("version", [NPM_VERSION, PYPI_VERSION])
def test_a_worker_edits_its_checkout_runs_a_command_and_decides(desk_with: Making, version: str) -> None:
    script = [WIDER, shell("echo seen: layers.py"), answer(DECIDED)]
    desk, server = desk_with(script, codex_binary(version))
    left = desk.call(checkout=True)
    assert (left.exit_code, left.said, left.report.failure) == (0, "", None)
    assert left.answer == DECIDED
    assert changed(left) == {"layers.py": "changed"}
    assert "+WIDTH = 2" in left.report.code.diff  # type: ignore[union-attr]
    assert (desk.repository / "layers.py").read_text(encoding="utf-8") == "WIDTH = 1\n"
    assert left.report.tokens == tokens_given(server) and server.asked == 3
    assert (left.report.commands_run, left.report.commands_failed) == (1, 0)
    assert left.report.tool_signals == ("patch", "shell:echo")
    assert left.report.prompt_characters == len(left.text("prompt.txt"))
    assert left.text("prompt.txt").strip() in server.prompts()[0]


def test_the_prompt_names_the_base_and_the_schema_is_strict(desk_with: Making) -> None:
    desk, server = desk_with([answer(DECIDED)])
    left = desk.call(checkout=True)
    assert left.report.base is not None and left.report.base == left.report.code.base  # type: ignore[union-attr]
    given = server.bodies[0]["text"]["format"]
    assert given["strict"] is True and "$schema" not in given["schema"]
    for node in _objects(given["schema"]):
        assert node["additionalProperties"] is False
        assert sorted(node["required"]) == sorted(node["properties"])


def _objects(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, list):
        for entry in node:
            yield from _objects(entry)
    if isinstance(node, dict):
        if "object" in node.get("type", ()):
            yield node
        for entry in node.values():
            yield from _objects(entry)


def test_edits_come_by_the_answer_where_codex_can_write_nothing(desk_with: Making) -> None:
    desk, _ = desk_with([WIDER, answer(DECIDED | {"edits": [EDIT]})])
    left = desk.call(checkout=True, sandbox_mode="read-only")
    assert left.report.failure is None and changed(left) == {"layers.py": "changed"}
    assert "+WIDTH = 3" in left.report.code.diff  # type: ignore[union-attr]
    assert not left.report.sandbox_is_broken


def test_edits_that_climb_out_are_refused(desk_with: Making) -> None:
    outside = {"path": "../../state.json", "new_text": "{}", "old": None, "new": None}
    desk, _ = desk_with([answer(DECIDED | {"edits": [outside]})])
    left = desk.call(checkout=True)
    assert left.report.failure is None and left.report.code is not None and left.report.code.refusals
    assert not desk.paths.state.exists()


def test_a_mentor_reads_the_checkout_and_cannot_write(desk_with: Making) -> None:
    desk, server = desk_with([WIDER, shell("echo x > new.txt"), shell("cat layers.py"), answer(REVIEWED)])
    looked_at = desk.paths.checkout("C0001-1a2b3c4d-worker-0")
    shutil.copytree(desk.repository, looked_at)
    left = desk.call(role=Role.MENTOR, working_folder=looked_at)
    assert left.report.failure is None and left.answer == REVIEWED and left.report.code is None
    assert sorted(file.name for file in looked_at.iterdir()) == ["layers.py", "train.py"]
    assert (looked_at / "layers.py").read_text(encoding="utf-8") == "WIDTH = 1\n"
    assert PRINTS_NOTHING or "WIDTH = 1" in str(server.bodies[3]["input"][-1])


def test_talk_before_the_answer_is_no_answer(desk_with: Making) -> None:
    talk = {"text": json.dumps(DECIDED | {"run_label": "only talk"})}
    desk, _ = desk_with([{"output": [talk, {"text": json.dumps(DECIDED)}]}])
    assert desk.call().answer == DECIDED


@pytest.mark.codex
@pytest.mark.parametrize("around", ["```json\n{}\n```", "I looked at {{run_dir}} first.\n{}\nThat is all."])
def test_json_in_a_fence_or_in_prose_is_taken(desk_with: Making, around: str) -> None:
    desk, server = desk_with([answer(around.replace("{}", json.dumps(DECIDED)))])
    left = desk.call()
    assert left.report.failure is None and left.answer == DECIDED and server.asked == 1


# ---------------------------------------------------------------- the door


def test_a_broken_answer_is_asked_for_once_more_with_its_violations(desk_with: Making) -> None:
    desk, server = desk_with([answer(BROKEN), answer(DECIDED)])
    left = desk.call()
    assert left.report.failure is None and left.answer == DECIDED
    assert left.report.tokens == tokens_given(server) and server.asked == 2
    again = server.prompts()[1]
    assert "dance" in again and "surprise" in again and again.startswith(left.text("prompt.txt").rstrip())


@pytest.mark.codex
def test_an_answer_broken_twice_is_a_failure_of_the_schema(desk_with: Making) -> None:
    desk, server = desk_with([answer(BROKEN)])
    left = desk.call(checkout=True)
    assert left.cause == "schema" and server.asked == 2 and left.answer == BROKEN
    assert left.report.code is None and left.report.base is not None
    assert "surprise" in left.report.failure.message  # type: ignore[union-attr]


@pytest.mark.codex
def test_no_answer_twice_is_said_so(desk_with: Making) -> None:
    desk, server = desk_with([{"output": []}])
    left = desk.call()
    assert left.cause == "no_answer" and server.asked == 2 and left.answer is None
    assert left.report.tokens == tokens_given(server)


@pytest.mark.codex
def test_a_failure_of_the_second_ask_is_the_failure(desk_with: Making) -> None:
    desk, server = desk_with([answer(BROKEN), status(429, type="usage_limit_reached")])
    left = desk.call()
    assert left.cause == "usage_limit" and left.report.tokens == tokens_given(server)


# ---------------------------------------------------------------- failures

IN_TWO_HOURS = int(time.time()) + 7200
QUICK_FAILURES = {
    "login": ("login", [status(401, "bad key")]),
    "usage limit": ("usage_limit", [status(429, type="usage_limit_reached", resets_at=IN_TWO_HOURS)]),
    "overload": ("overload", [status(503, code="server_is_overloaded")]),
    "network": ("network", [{"cut": "after_created"}]),
}
SLOW_FAILURES = {
    "bad request": ("bad_request", [status(400, "no", code="invalid_json_schema")]),
    "unknown model": ("bad_request", [status(404, "no such thing")]),
    "rate limit": ("rate_limit", [status(429, "slow down")]),
    "quota": ("quota", [status(429, type="insufficient_quota")]),
    "cut off": ("incomplete", [{"incomplete": "max_output_tokens"}]),
    "context": ("context_full", [{"failed": "context_length_exceeded", "message": "too long"}]),
    "forbidden": ("login", [status(403, "no")]),
    "server errors": ("overload", [status(500)]),
    "cut before headers": ("network", [{"cut": "before_headers"}]),
    "plan": ("quota", [status(429, type="usage_not_included")]),
    "failed in the stream": ("network", [{"failed": "server_error", "message": "oops"}]),
    "overload in the stream": ("overload", [{"failed": "server_is_overloaded", "message": "slow"}]),
    "quota in the stream": ("quota", [{"failed": "insufficient_quota", "message": "spent"}]),
    "silence after headers": ("network", [{"silent": "after_headers"}]),
    "pings only": ("network", [{"pings": True}]),
    "filtered": ("incomplete", [{"incomplete": "content_filter"}]),
}


@pytest.mark.parametrize("name", QUICK_FAILURES)
def test_a_failure_is_told_by_its_cause(desk_with: Making, name: str) -> None:
    cause, script = QUICK_FAILURES[name]
    desk, server = desk_with(script)
    left = desk.call()
    assert (left.exit_code, left.cause, left.answer) == (0, cause, None)
    assert server.asked >= 1
    if name == "usage limit":
        waits = left.report.failure.retry_after_s  # type: ignore[union-attr]
        assert waits is not None and abs(waits - (IN_TWO_HOURS - time.time())) < 200


@pytest.mark.codex
@pytest.mark.parametrize("version", [NPM_VERSION, PYPI_VERSION])
@pytest.mark.parametrize("name", [*QUICK_FAILURES, *SLOW_FAILURES])
def test_both_clients_tell_each_failure(desk_with: Making, name: str, version: str) -> None:
    cause, script = (QUICK_FAILURES | SLOW_FAILURES)[name]
    desk, _ = desk_with(script, codex_binary(version), stream_idle_timeout_ms=1000)
    assert desk.call().cause == cause


@pytest.mark.codex
def test_tokens_of_a_turn_that_failed_are_counted(desk_with: Making) -> None:
    desk, server = desk_with([shell("echo one"), status(400, "no", type="invalid_request_error")])
    left = desk.call()
    assert left.cause == "bad_request" and left.report.tokens == tokens_given(server)
    assert server.tokens["input"] == 100


def test_a_closed_port_is_told_at_once(tmp_path: Path) -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        config = client_config(f"http://127.0.0.1:{unheard.getsockname()[1]}/v1", **NO_RETRIES)
        left = CallDesk(tmp_path, codex_binary(), config).call()
    assert left.cause == "network" and left.seconds < 20


def test_a_service_that_says_nothing_ends_at_the_deadline(desk_with: Making) -> None:
    desk, server = desk_with([{"silent": "before_headers"}])
    folder = desk.folder(timeout_s=4.0)
    left = desk.call(folder)
    assert left.cause == "timeout" and server.asked == 1
    assert 2.5 < left.seconds < 6
    assert not tagged(folder.name)


def test_a_stop_file_ends_a_call_with_a_report(desk_with: Making) -> None:
    desk, server = desk_with([{"silent": "before_headers"}])
    folder = desk.folder()
    process = desk.start(folder)
    eventually(lambda: server.asked)
    (folder / "STOP").touch()
    process.communicate(timeout=20)
    assert json.loads((folder / "report.json").read_text(encoding="utf-8"))["failure"]["cause"] == "stopped"
    assert not tagged(folder.name)


@pytest.mark.skipif(os.name == "nt", reason="a job object does the same there; the keeper's tests hold it")
def test_a_killed_child_takes_codex_along(desk_with: Making) -> None:
    desk, server = desk_with([{"silent": "before_headers"}])
    folder = desk.folder()
    process = desk.start(folder)
    eventually(lambda: server.asked)
    process.kill()
    process.communicate(timeout=20)
    eventually(lambda: not tagged(folder.name), 5)


@pytest.mark.skipif(os.name == "nt", reason="a POSIX shell")
def test_what_a_command_leaves_behind_is_gone_with_the_call(desk_with: Making) -> None:
    desk, _ = desk_with([shell("setsid nohup sleep 600 >/dev/null 2>&1 & echo left"), answer(DECIDED)])
    folder = desk.folder(sandbox_mode="danger-full-access")
    left = desk.call(folder)
    assert left.report.failure is None and "left" in left.text("events.jsonl")
    assert not tagged(folder.name)


def test_a_client_that_is_not_there_is_named(tmp_path: Path) -> None:
    left = CallDesk(tmp_path, tmp_path / "gone" / "codex", "").call()
    assert left.cause == "binary_missing" and "gone" in left.report.failure.message  # type: ignore[union-attr]


@pytest.mark.skipif(os.name == "nt", reason="a POSIX script stands in for the client")
def test_a_client_that_is_too_old_is_told(tmp_path: Path) -> None:
    old = tmp_path / "codex"
    old.write_text("#!/bin/sh\necho \"error: unexpected argument '--ephemeral' found\" >&2\nexit 2\n", encoding="utf-8")
    old.chmod(0o755)
    assert CallDesk(tmp_path / "desk", old, "").call().cause == "binary_too_old"


def test_a_repository_that_cannot_be_taken_leaves_a_worker_without_checkout(desk_with: Making) -> None:
    desk, _ = desk_with([answer(DECIDED)])
    folder = desk.folder(checkout=True)
    shutil.rmtree(desk.repository)
    left = desk.call(folder)
    assert left.report.failure is None and left.report.base is None and "no_checkout" in left.report.tool_signals
    assert "no checkout" in left.said


# ---------------------------------------------------------------- what Codex can reach


@pytest.mark.skipif(os.name == "nt", reason="a POSIX shell")
def test_a_worker_writes_in_its_checkout_and_nowhere_else(desk_with: Making) -> None:
    script: list[Entry] = []
    desk, server = desk_with(script)
    places = [
        *(desk.paths.state, desk.paths.codex_home / "config.toml", desk.repository / "layers.py"),
        *(desk.paths.checkouts / "record.json", Path("/tmp/llm_loop-escaped"), desk.person / "escaped"),
    ]
    script += [shell(f"echo escaped >> '{place}'") for place in places]
    script += [shell("echo inside > inside.txt"), answer(DECIDED)]
    before = {place: place.read_bytes() if place.exists() else None for place in places}
    left = desk.call(checkout=True)
    assert left.report.failure is None and server.asked == len(places) + 2
    assert {place: place.read_bytes() if place.exists() else None for place in places} == before
    assert changed(left) == {"inside.txt": "added"}
    assert left.report.commands_run == len(places) + 1 and left.report.commands_failed == len(places)


def test_a_secret_of_the_environment_reaches_no_command_and_no_file(desk_with: Making) -> None:
    show = "Get-ChildItem env:" if os.name == "nt" else "env; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n'"
    desk, server = desk_with([shell(show), answer(DECIDED)])
    secrets = {"OPENAI_API_KEY": "s3cret-one", "HF_TOKEN": "s3cret-two", "CODEX_API_KEY": "s3cret-three"}
    left = desk.call(checkout=True, environ=secrets)
    assert left.report.failure is None and left.report.commands_run == 1
    assert PRINTS_NOTHING or "LLM_LOOP_RUN" in str(server.bodies[1]["input"][-1])
    assert "s3cret" not in json.dumps(server.bodies)
    for file in desk.paths.root.rglob("*"):
        assert not file.is_file() or b"s3cret" not in file.read_bytes(), file


@pytest.mark.skipif(sys.platform != "linux", reason="user namespaces")
def test_a_sandbox_that_cannot_start_is_reported(desk_with: Making, tmp_path: Path) -> None:
    shut = "echo 0 > /proc/sys/user/max_user_namespaces"
    words = ["unshare", "--user", "--map-root-user", "sh", "-c"]
    if subprocess.run([*words, shut], capture_output=True, check=False).returncode != 0:
        pytest.skip("no user namespace to shut here")
    confined = tmp_path / "codex"
    client = codex_binary()
    confined.write_text(
        f"#!/bin/sh\nexec {' '.join(words)} '{shut}; exec \"$@\"' sh '{client}' \"$@\"\n", encoding="utf-8"
    )
    confined.chmod(0o755)
    desk, _ = desk_with([shell("ls"), WIDER, answer(DECIDED | {"edits": [EDIT]})], confined)
    left = desk.call(checkout=True)
    assert left.report.failure is None and left.report.sandbox_is_broken
    assert changed(left) == {"layers.py": "changed"}


@pytest.mark.skipif(os.name != "nt", reason="Windows alone has a sandbox to be chosen")
def test_without_a_sandbox_of_windows_nothing_is_written_and_the_answer_edits(desk_with: Making) -> None:
    desk, _ = desk_with([WIDER, shell("echo x"), answer(DECIDED | {"edits": [EDIT]})])
    left = desk.call(checkout=True, windows_sandbox=None)
    assert left.report.failure is None and left.report.sandbox_is_broken
    assert "+WIDTH = 3" in left.report.code.diff  # type: ignore[union-attr]


# ---------------------------------------------------------------- the long ones


@pytest.mark.codex
def test_endless_slow_words_end_at_the_deadline(desk_with: Making) -> None:
    desk, _ = desk_with([{"drip": 0.05}], stream_idle_timeout_ms=60_000)
    folder = desk.folder(timeout_s=6.0)
    assert desk.call(folder).cause == "timeout"
    assert not tagged(folder.name)


@pytest.mark.codex
def test_a_named_pause_is_kept_and_the_answer_taken(desk_with: Making) -> None:
    desk, server = desk_with([status(429, headers={"retry-after": "2"}), answer(DECIDED)], stream_max_retries=2)
    left = desk.call()
    assert left.report.failure is None and server.asked == 2 and left.seconds > 2


@pytest.mark.codex
def test_a_pause_beyond_the_deadline_is_told_as_what_it_is(desk_with: Making) -> None:
    desk, _ = desk_with([status(429, headers={"retry-after": "3600"})], stream_max_retries=2)
    assert desk.call(timeout_s=6.0).cause == "rate_limit"


@pytest.mark.codex
@pytest.mark.skipif(os.name == "nt", reason="a POSIX shell")
def test_fifty_megabytes_of_output_are_survived(desk_with: Making) -> None:
    loud = shell("head -c 1000000 /dev/zero | tr '\\0' 'x'")
    desk, server = desk_with([loud] * 60 + [answer(DECIDED)])
    left = desk.call(timeout_s=110.0)
    assert left.exit_code == 0 and left.cause in (None, "crashed")
    assert (left.folder / "events.jsonl").stat().st_size < 60_000_000
    assert server.asked > 40


@pytest.mark.codex
def test_an_answer_of_fifty_megabytes_is_refused(desk_with: Making) -> None:
    desk, _ = desk_with([answer(DECIDED | {"rationale": "x" * 50_000_000}), answer(DECIDED)])
    left = desk.call(timeout_s=110.0)
    assert left.exit_code == 0
    assert left.cause in ("crashed", "network") or left.answer == DECIDED  # as the client words it


@pytest.mark.codex
def test_a_model_of_the_newer_kind_edits_too(desk_with: Making) -> None:
    text = WIDER["output"][0]["input"]
    edit = {"output": [{"freeform": "exec", "input": f"await tools.apply_patch({json.dumps(text)}); text('ok')"}]}
    desk, _ = desk_with([edit, answer(DECIDED)])
    assert changed(desk.call(checkout=True, model="gpt-6.1-sol")) == {"layers.py": "changed"}


@pytest.mark.codex
def test_the_loops_read_tools_are_at_hand(desk_with: Making) -> None:
    pytest.importorskip("mcp")
    look = function("read_file", {"path": "layers.py"}, namespace="mcp__llm_loop")
    desk, server = desk_with([look, answer(DECIDED)])
    left = desk.call(checkout=True, mcp=True)
    assert left.report.failure is None and left.report.tool_signals == ("mcp:read_file",)
    assert "WIDTH = 1" in str(server.bodies[1]["input"][-1])
