"""The scripted model as a program of its own: it serves its script and counts what it gave out."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import FAKES
from tests.fakes.responses_server import USAGE, ResponsesServer, answer, shell, status


def post(base_url: str) -> str:
    request = urllib.request.Request(f"{base_url}/responses", data=b'{"input": []}')
    with urllib.request.urlopen(request, timeout=10) as response:
        return str(response.read().decode())


def test_it_runs_as_a_program(tmp_path: Path) -> None:
    script, counts = tmp_path / "script.json", tmp_path / "counts.json"
    script.write_text(json.dumps([answer({"a": 1}, usage={"input": 7})]), encoding="utf-8")
    argv = [sys.executable, str(FAKES / "responses_server.py"), str(script), "--counts", str(counts)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = process.stdout.readline().split()[1]
        assert "response.completed" in post(f"http://127.0.0.1:{port}/v1")
    finally:
        process.kill()
        process.communicate()
    assert json.loads(counts.read_text(encoding="utf-8")) == {"asked": 1, "tokens": USAGE | {"input": 7}}


def test_the_script_goes_on_and_its_last_entry_stays() -> None:
    with ResponsesServer([shell("ls"), status(503, "no")]) as server:
        assert "exec_command" in post(server.base_url)
        for _ in range(2):
            with pytest.raises(urllib.error.HTTPError, match="503") as caught:
                post(server.base_url)
            caught.value.close()
        assert server.asked == 3 and server.tokens == USAGE


def test_a_function_may_answer() -> None:
    with ResponsesServer(lambda body, number: answer(f"{number} {len(body['input'])}")) as server:
        assert ["0 0" in post(server.base_url), "1 0" in post(server.base_url)] == [True, True]
