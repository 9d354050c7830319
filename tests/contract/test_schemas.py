"""Schemas and dataclasses say the same, in the subset that structured output accepts."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from jsonschema import Draft202012Validator

from llm_loop.contract import schemas
from llm_loop.contract.code_change import CodeChange
from llm_loop.contract.cycle_event import CycleEvent
from llm_loop.contract.decision import Decision
from llm_loop.contract.final_test import FinalTestResult
from llm_loop.contract.request import Request
from llm_loop.contract.result import Result
from llm_loop.contract.review import Review
from llm_loop.contract.run import Run
from llm_loop.contract.sealed import Opening, PreparedData
from llm_loop.errors import ContractError

Schema = dict[str, Any]
BESIDE = {
    "decision": Decision,
    "review": Review,
    "result": Result,
    "code_change": CodeChange,
    "run": Run,
    "cycle_event": CycleEvent,
    "request": Request,
    "dataset": PreparedData,
    "opening": Opening,
    "final_test": FinalTestResult,
}
SPOKEN = ("decision", "review")
"""What agents answer with: structured output takes these."""

JSON_TYPES = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    dict: "object",
    Mapping: "object",
    tuple: "array",
    list: "array",
}


def nodes(node: Schema, where: str = "") -> Iterator[tuple[str, Schema]]:
    """Yield every schema inside a schema, with its place."""
    yield where or "top", node
    for name in ("properties", "$defs"):
        for key, entry in node.get(name, {}).items():
            yield from nodes(entry, f"{where}.{key}")
    for index, entry in enumerate(node.get("anyOf", [])):
        yield from nodes(entry, f"{where}.{index}")
    for name in ("items", "additionalProperties"):
        if isinstance(node.get(name), dict):
            yield from nodes(node[name], f"{where}[]")


def types_of(node: Schema) -> set[str]:
    if "$ref" in node:
        return {"object"}
    if "anyOf" in node:
        return set().union(*map(types_of, node["anyOf"]))
    kinds = node["type"]
    return set(kinds) if isinstance(kinds, list) else {kinds}


def types_of_annotation(annotation: Any) -> set[str]:
    if get_origin(annotation) in (Union, types.UnionType):
        return set().union(*map(types_of_annotation, get_args(annotation)))
    origin = get_origin(annotation) or annotation
    if origin is type(None):
        return {"null"}
    if is_dataclass(origin):
        return {"object"}
    return {"string"} if issubclass(origin, StrEnum) else {JSON_TYPES[origin]}


@pytest.mark.parametrize("name", BESIDE)
def test_a_schema_is_one(name: str) -> None:
    schema = schemas.load_schema(name)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["properties"]["schema_version"]["enum"] == [1]


def test_every_schema_of_the_folder_is_known_here_or_in_a_test_of_its_own() -> None:
    folder = Path(schemas.__file__).parent
    names = {path.name.removesuffix(".schema.json") for path in folder.glob("*.schema.json")}
    assert names == {*BESIDE, "config", "trainer", "search_space", "command_policy", "finish_up"}


@pytest.mark.parametrize("name", BESIDE)
def test_every_object_is_closed_and_every_node_has_a_type(name: str) -> None:
    for where, node in nodes(schemas.load_schema(name)):
        assert "type" in node or "$ref" in node or "anyOf" in node, where
        if "object" not in node.get("type", ()):
            continue
        if "properties" in node:
            assert node["additionalProperties"] is False, where
            assert node["required"] == list(node["properties"]), where
        else:
            assert isinstance(node["additionalProperties"], dict), f"{where}: a map says what its values are"


@pytest.mark.parametrize("name", SPOKEN)
def test_structured_output_accepts_it(name: str) -> None:
    accepted = {
        "type",
        "enum",
        "description",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "title",
        "$schema",
    }
    for where, node in nodes(schemas.load_schema(name)):
        assert set(node) <= accepted, where
        assert "type" in node, where
        if "object" in node["type"]:
            assert node["additionalProperties"] is False, where


@pytest.mark.parametrize("name", BESIDE)
def test_schema_and_dataclass_are_equal_field_by_field(name: str) -> None:
    compare(schemas.load_schema(name), BESIDE[name], name)


def compare(schema: Schema, kind: type, where: str) -> None:
    hints = get_type_hints(kind)
    assert set(schema["properties"]) == {field.name for field in fields(kind)}, where
    for field, node in schema["properties"].items():
        assert types_of(node) == types_of_annotation(hints[field]), f"{where}.{field}"
        for inner in (hints[field], *get_args(hints[field]), *(x for y in get_args(hints[field]) for x in get_args(y))):
            if isinstance(inner, type) and issubclass(inner, StrEnum):
                assert [value for value in node["enum"] if value is not None] == list(inner), f"{where}.{field}"
            elif is_dataclass(inner) and "$ref" not in node.get("items", node):
                compare(node.get("items", node), inner, f"{where}.{field}")


def test_the_reviews_suggestion_is_a_whole_decision() -> None:
    suggested = schemas.load_schema("review")["properties"]["suggested_decision"]
    decision = schemas.load_schema("decision")
    assert suggested["type"] == ["object", "null"]
    assert {name: suggested[name] for name in ("properties", "required")} == {
        name: decision[name] for name in ("properties", "required")
    }


# ---------------------------------------------------------------- the doorkeeper's words


def test_every_violation_has_its_line() -> None:
    value = {"schema_version": 2, "recommendation": "go", "critique": None, "questions": ["a", 3], "mentor_note": ""}
    lines = schemas.violations("review", value)
    assert any("unknown key 'mentor_note' (nearest known: 'mentor_notes')" in line for line in lines)
    assert any(line.startswith("critique: None is not of type string") for line in lines)
    assert any(line.startswith("questions.1: 3 is not of type string") for line in lines)
    assert any(line.startswith("recommendation:") and "continue" in line for line in lines)
    assert any(line.startswith("schema_version:") for line in lines)
    assert any("'todo_updates' is a required property" in line for line in lines)
    with pytest.raises(ContractError) as caught:
        schemas.check("review", value, "the mentor's review")
    assert caught.value.violations == lines and str(caught.value).startswith("the mentor's review: ")


@pytest.mark.parametrize("value", [None, [], "text", 3, True])
def test_what_is_no_object_is_named(value: object) -> None:
    (line,) = schemas.violations("decision", value)
    assert line.startswith("value: ") and "is not of type object" in line


def test_words_are_bounded_and_harmless_keys_have_no_neighbour() -> None:
    lines = schemas.violations(
        "decision", {f"key{number}": "x" * 10_000 for number in range(100)} | {"action": "y" * 10_000}
    )
    assert len(lines) <= 20 and all(len(line) < 5_000 for line in lines)
    assert schemas.nearest("zzzzzz", ["action"]) == ""
    assert schemas.nearest("acton", ["action", "wait"]) == " (nearest known: 'action')"
