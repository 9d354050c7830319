"""Judge one given value by its key's schema, and say what would be allowed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator

from llm_loop.config.hiding import hidden, is_secret
from llm_loop.config.sources import Given, SourceKind, known_keys, types_of
from llm_loop.contract.schemas import nearest

_WORDS = {
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "array": "a list",
    "object": "a map",
}


def problem(given: Given) -> str | None:
    """Return one line that names place, key, value and what is allowed; None when the value may stand."""
    schema = known_keys().get(given.key)
    if schema is None:
        near = nearest(given.key.lower().replace("-", "_"), list(known_keys()))
        hint = near or "; `llm-loop config --explain` lists the known keys"
        return f"{given.source.place}: unknown key {given.key!r}{hint}"
    if not _finite(given.value):
        return refusal(given, allowed(schema))
    for error in Draft202012Validator(schema).iter_errors(given.value):
        parts = [str(part) for part in error.absolute_path]
        return refusal(given, allowed(error.schema), parts, error.instance)
    return None


def refusal(given: Given, may_be: str, parts: list[str] | None = None, value: Any = None) -> str:
    """Write the line of a refused value; ``parts`` lead to the ``value`` inside it that is wrong."""
    key = ".".join([given.key, *(parts or [])])
    value = value if parts else given.value
    value = hidden(value) if is_secret(given.key) else value
    as_json = given.source.kind is SourceKind.ENVIRONMENT and types_of(known_keys()[given.key]) & {"array", "object"}
    return f"{given.source.place}: key {key!r} is {_shown(value)}; allowed: {may_be}{', as JSON' if as_json else ''}"


def allowed(schema: Mapping[str, Any]) -> str:
    """Say in words what a schema allows."""
    if "anyOf" in schema:
        return " or ".join(allowed(option) for option in schema["anyOf"])
    if "enum" in schema:
        return "one of " + ", ".join(str(value) for value in schema["enum"])
    types = types_of(schema)
    words = [word for name, word in _WORDS.items() if name in types]
    text = " or ".join(words) + _range(schema) + _content(schema)
    return f"{text}, or null" if "null" in types else text


def _range(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f" from {low} to {high}"
    if low is not None:
        return f", at least {low}"
    return " that is not empty" if schema.get("minLength") or schema.get("minItems") else ""


def _content(schema: Mapping[str, Any]) -> str:
    if "items" in schema:
        return f" (each entry: {allowed(schema['items'])})"
    if "properties" in schema:
        return " with " + ", ".join(schema["required"]) + _optional(schema)
    values = schema.get("additionalProperties")
    return f" (each entry: {allowed(values)})" if isinstance(values, dict) else ""


def _optional(schema: Mapping[str, Any]) -> str:
    names = [name for name in schema["properties"] if name not in schema["required"]]
    return f" (optional: {', '.join(names)})"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace").decode("utf-8")
    text = text if len(text) <= 80 else f"{text[:77]}..."
    return f"the text {text}" if isinstance(value, str) else text


def _finite(value: Any) -> bool:
    """Refuse numbers that no float can hold, also inside lists and maps."""
    if isinstance(value, dict | list):
        return all(_finite(item) for item in (value.values() if isinstance(value, dict) else value))
    try:
        return not isinstance(value, int | float) or math.isfinite(float(value))
    except OverflowError:
        return False
