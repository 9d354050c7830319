"""The answer in what a model said: whole or not at all."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from llm_loop.agents.answers import MAX_CHARACTERS, find_json, shape_violation

WANTED = {"action": "wait", "text": 'a "quoted" } brace \\ and { another', "inner": {"list": [1, {"x": None}]}}
JSON = json.dumps(WANTED)


@pytest.mark.parametrize(
    "text",
    [
        JSON,
        f"\ufeff \n{JSON}\n",
        json.dumps(WANTED, indent=4),
        f"```json\n{JSON}\n```",
        f"Here it is:\n\n```\n{JSON}\n```\nGood luck!",
        f"~~~~json\n{JSON}\n~~~~",
        f"I chose {{run_dir}} and {{}} and it's fine: {JSON} That is all, {{truly}}.",
        f'First {{"action": "run_command"}}, but no, rather {JSON}',
        f"```json\n{json.dumps({'old': 1})}\n```\nno, this:\n```json\n{JSON}\n```",
        f"a brace too many {{ before\n```json\n{JSON}\n```\n",
    ],
)
def test_an_object_is_found(text: str) -> None:
    assert find_json(text) == WANTED


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON at all",
        "null",
        '"text"',
        f"[{JSON}]",
        JSON[:-1],
        JSON[: len(JSON) // 2],
        f"Here: {JSON[:-1]}",
        f'{{"outer": {JSON}, "rest": ',
        f"```json\n{JSON[:-2]}\n```",
        '{"a": NaN}',
        '{"a": Infinity}',
        "{'a': 1}",
        '{"a": 1,}',
        "{" * 100_000,
        '{"a":' * 50_000 + "1" + "}" * 50_000,
        json.dumps({"text": "x" * MAX_CHARACTERS}),
    ],
)
def test_a_fragment_and_a_look_alike_are_none(text: str) -> None:
    assert find_json(text) is None


def test_an_empty_object_is_an_answer_only_alone() -> None:
    assert find_json("{}") == {}
    assert find_json("use {} there") is None


def test_a_long_text_is_read_in_no_time() -> None:
    text = "{" + '"' + 'a\\"' * 600_000 + '"' + "}"
    assert find_json(f"x {text} y") is None


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ({"a": list(range(3_000))}, "values"),
        ({"k" * 300: 1}, "key"),
        (json.loads('{"a":' * 30 + "1" + "}" * 30), "deep"),
    ],
)
def test_a_shape_that_takes_long_to_check_is_named(value: Any, word: str) -> None:
    assert word in (shape_violation(value) or "")


def test_a_usual_shape_is_none() -> None:
    assert shape_violation(WANTED) is None


@pytest.mark.parametrize("line", ["```python\n", "~~~~ x\n", "`````\n````\n"])
def test_fences_that_nobody_closed_cost_no_time(line: str) -> None:
    text = "I would say:\n" + line * (1_900_000 // len(line))
    began = time.process_time()
    assert find_json(text) is None
    assert find_json(text + 'a { here\n```\n{"a": 1}\n```\n') in (None, {"a": 1})
    assert time.process_time() - began < 10


def test_an_open_fence_hides_no_closed_one() -> None:
    assert find_json('a { brace\n````md\n```json\n{"a": 1}\n```\n') == {"a": 1}
    assert find_json('a { brace\n  ```json\r\n{"a": 1}\r\n  ```\r\n') == {"a": 1}
