"""An agent's answer is one JSON value of bounded size, or a sentence that says why there is none."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from llm_loop.agents import agent as agents
from llm_loop.agents.agent import Calls, read_answer
from llm_loop.errors import ContractError
from llm_loop.system.processes import EndCause, Ending, Keepers

WELL = Ending(cause=EndCause.EXITED, exit_code=0)


def answered(folder: Path, text: str) -> Any:
    (folder / "stdout.txt").write_text(text, encoding="utf-8")
    return read_answer(folder, WELL)


def test_an_answer_is_printed_or_left_in_a_file(tmp_path: Path) -> None:
    assert answered(tmp_path, '\ufeff{"a": [1, {"b": null}]}') == {"a": [1, {"b": None}]}
    (tmp_path / "answer.json").write_text('{"c": 2}', encoding="utf-8")
    assert read_answer(tmp_path, WELL) == {"c": 2}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("1" * 5000, "not JSON"),
        ('{"a": ' + "[" * 30 + "]" * 30 + "}", "nested more than 20 deep"),
        (json.dumps({"a": [1] * 3000}), "more than 2000 values"),
        (json.dumps({"a": [[1] * 50] * 50}), "more than 2000 values"),
        (json.dumps({"k" * 300: 1}), "a key of more than 200"),
        (json.dumps("x" * 2_000_001), "larger than 2,000,000 bytes"),
    ],
    ids=range(8),
)
def test_what_would_take_long_to_judge_is_refused(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ContractError, match=why):
        answered(tmp_path, text)


def test_an_answer_that_is_gone_is_no_answer(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="cannot be read"):
        read_answer(tmp_path, WELL)
    (tmp_path / "answer.json").mkdir()
    with pytest.raises(ContractError, match="cannot be read"):
        read_answer(tmp_path, WELL)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes")
def test_nobody_waits_at_a_pipe(tmp_path: Path) -> None:
    for name in ("answer.json", "stderr.txt"):
        os.mkfifo(tmp_path / name)
    with pytest.raises(ContractError, match="not a regular file"):
        read_answer(tmp_path, WELL)
    with pytest.raises(ContractError, match="exit code 3"):
        read_answer(tmp_path, Ending(cause=EndCause.EXITED, exit_code=3))


def test_a_call_that_prints_without_end_is_asked_to_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Alive(Keepers):
        def poll(self, folder: Path, now_s: float) -> Ending | None:
            return None

    calls = Calls(Alive(), tmp_path)
    (tmp_path / "stdout.txt").write_bytes(b"x" * 100)
    assert calls.poll(tmp_path, 0.0) is None and not (tmp_path / "STOP").exists()
    monkeypatch.setattr(agents, "MAX_OUTPUT_BYTES", 99)
    assert calls.poll(tmp_path, 1.0) is None and (tmp_path / "STOP").exists()


def test_old_calls_are_forgotten_whatever_lies_beside_them(tmp_path: Path) -> None:
    for number in range(1, 50):
        (tmp_path / f"C0001-ab-worker-{number}").mkdir()
        (tmp_path / f"C0001-ab-worker-{number}" / "stdout.txt").touch()
    (tmp_path / "x-²").mkdir()
    (tmp_path / "y-1").write_text("", encoding="utf-8")
    Calls(Keepers(), tmp_path).forget_old(tmp_path)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert len(left) == agents.KEPT_CALLS + 2 and "C0001-ab-worker-9" not in left and "y-1" in left
