"""The doorkeeper: check a value against one of the JSON Schemas that lie beside this file."""

from __future__ import annotations

import difflib
import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from llm_loop.errors import ContractError

if TYPE_CHECKING:  # loaded when something is checked: that costs 40 ms, which a child of a call has better use for
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError
    from referencing import Registry

_NAMED_BY_OTHERS = ("code_change", "decision", "result", "run")


@cache
def load_schema(name: str) -> dict[str, Any]:
    """Return the schema ``<name>.schema.json`` (such as ``decision``)."""
    text = resources.files("llm_loop.contract").joinpath(f"{name}.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


@cache
def _validator(name: str) -> Draft202012Validator:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(load_schema(name), registry=_neighbours())


@cache
def _neighbours() -> Registry[Any]:
    """Return what a ``$ref`` to another schema of this folder finds; nothing is ever fetched."""
    from referencing import Registry, Resource

    named = ((f"{name}.schema.json", Resource.from_contents(load_schema(name))) for name in _NAMED_BY_OTHERS)
    return Registry[Any]().with_resources(named)


def violations(name: str, value: Any) -> list[str]:
    """Return one line for each way in which ``value`` breaks the schema ``name``; empty when it holds."""
    errors = sorted(_validator(name).iter_errors(value), key=lambda error: [str(part) for part in error.absolute_path])
    return [_sentence(error) for error in errors[:20]]


def prepare() -> None:
    """Load the checks of decisions and reviews now, which takes some 50 ms once: a tick has no time for it."""
    for name in ("decision", "review"):
        _validator(name)


def check(name: str, value: Any, subject: str) -> None:
    """Raise ContractError naming ``subject`` and every violation, or return in peace."""
    if lines := violations(name, value):
        raise ContractError(subject, lines)


def nearest(word: str, known: list[str]) -> str:
    """Return `` (nearest known: 'x')`` for the known word most like ``word``, or ""."""
    match = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f" (nearest known: {match[0]!r})" if match else ""


def _sentence(error: ValidationError) -> str:
    where = ".".join(str(part) for part in error.absolute_path)
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = list(_mapping(error.schema).get("properties", {}))
        unknown = [key for key in error.instance if key not in known]
        text = ", ".join(f"unknown key {key!r}{nearest(str(key), known)}" for key in unknown)
        return f"{where}: {text}" if where else text
    if error.validator == "required":
        return f"{where}: {error.message}" if where else str(error.message)
    if error.validator == "type":
        value: Any = error.validator_value
        wanted = value if isinstance(value, str) else " or ".join(value)
        return f"{where or 'value'}: {_short(error.instance)} is not of type {wanted}"
    return f"{where or 'value'}: {_short(error.message)}"


def _mapping(schema: Any) -> dict[str, Any]:
    return schema if isinstance(schema, dict) else {}


def _short(value: Any) -> str:
    text = (
        value if isinstance(value, str) and len(value) > 200 else repr(value) if not isinstance(value, str) else value
    )
    return text if len(text) <= 200 else text[:197] + "..."
