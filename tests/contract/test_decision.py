"""A decision comes through the door once, whole, and is never rewritten."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from llm_loop.contract.decision import Action, Decision, Edit, Housekeeping, IdeaCategory, RunFile
from llm_loop.errors import ContractError

FULL = Decision(
    action=Action.RUN_COMMAND,
    rationale="  kept as made, blanks and all \n",
    command="python train.py",
    run_label="täst",
    idea_category=IdeaCategory.LOSS,
    monitor_seconds=7,
    stop_patterns=("nan",),
    housekeeping=Housekeeping(
        todo_new=("a",), notes_update="n", data_exploration_update="d", resolve_shared_todo_ids=("C0001-W01",)
    ),
    working_folder="sub",
    builds_on=("R0001",),
    target_run_id="R0002",
    run_files=(RunFile(name="lr.yaml", text="lr: 1\n"),),
    edits=(Edit(path="a.py", new_text="x"), Edit(path="b.py", old="1", new="2")),
    install_packages=("timm",),
)
SMALL = Decision(action=Action.WAIT, rationale="Nothing to do.")


@pytest.mark.parametrize("decision", [FULL, SMALL])
def test_a_decision_goes_through_json_unchanged(decision: Decision) -> None:
    assert Decision.from_json(json.loads(json.dumps(decision.to_json()))) == decision


def test_nothing_is_coerced() -> None:
    value = SMALL.to_json() | {"monitor_seconds": -5, "stop_patterns": ["x"] * 50, "command": " x "}
    decision = Decision.from_json(value)
    assert decision.to_json() == value, "lengths and ranges are the gate's business"
    with pytest.raises(FrozenInstanceError):
        decision.command = "y"  # type: ignore[misc]


@pytest.mark.parametrize("name", list(SMALL.to_json()))
def test_every_key_is_wanted(name: str) -> None:
    value = SMALL.to_json()
    del value[name]
    with pytest.raises(ContractError, match=f"'{name}' is a required property"):
        Decision.from_json(value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"action": "dance"}, "action: 'dance' is not one of"),
        ({"action": None}, "action"),
        ({"idea_category": "luck"}, "idea_category"),
        ({"monitor_seconds": float("nan")}, "monitor_seconds: nan is not of type integer"),
        ({"monitor_seconds": 1.5}, "monitor_seconds"),
        ({"monitor_seconds": float("inf")}, "monitor_seconds"),
        ({"monitor_seconds": True}, "monitor_seconds"),
        ({"comand": "x"}, "unknown key 'comand' (nearest known: 'command')"),
        ({"command": None}, "command: None is not of type string"),
        ({"housekeeping": {}}, "housekeeping: 'todo_new' is a required property"),
        ({"builds_on": "R1"}, "builds_on"),
        ({"run_files": [{"name": "a", "txt": "b"}]}, "run_files.0: unknown key 'txt' (nearest known: 'text')"),
        ({"edits": [{"path": "a"}]}, "edits.0"),
        ({"schema_version": 2}, "schema_version"),
        ({"working_folder": 3}, "string or null"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ContractError) as caught:
        Decision.from_json(SMALL.to_json() | change, "the worker's decision")
    assert said in str(caught.value) and str(caught.value).startswith("the worker's decision: ")
