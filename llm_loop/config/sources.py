"""Where a value comes from: the defaults of the schema, a JSON file, the environment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from llm_loop.contract.schemas import load_schema, nearest
from llm_loop.errors import ConfigError, CorruptFileError
from llm_loop.system.files import read_text

PREFIX = "LLM_LOOP_"
# What the loop itself tells a run, or the program that hears of a call for a person; never a key.
RESERVED_VARIABLES = frozenset(
    {
        *("LLM_LOOP_RUN", "LLM_LOOP_RUN_DIR", "LLM_LOOP_RESUME_DIR", "LLM_LOOP_PYTHON", "LLM_LOOP_NOTE"),
        *("LLM_LOOP_NOTIFY_ID", "LLM_LOOP_NOTIFY_TITLE", "LLM_LOOP_NOTIFY_BODY"),
    }
)

_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class SourceKind(StrEnum):
    """Say which of the three sources a value has."""

    DEFAULT = "default"
    FILE = "file"
    ENVIRONMENT = "environment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Name a source: ``name`` is the file's path or the variable, "" for a default."""

    kind: SourceKind
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".strip()

    @property
    def place(self) -> str:
        """How an error begins."""
        return f"environment variable {self.name}" if self.kind is SourceKind.ENVIRONMENT else self.name


DEFAULT = Source(kind=SourceKind.DEFAULT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Hold one value as a person gave it: JSON types, unchecked."""

    key: str
    value: Any
    source: Source


def known_keys() -> dict[str, dict[str, Any]]:
    """Return each key's own schema, in the schema's order."""
    properties: dict[str, dict[str, Any]] = load_schema("config")["properties"]
    return {key: schema for key, schema in properties.items() if not key.startswith("$")}


def types_of(schema: Mapping[str, Any]) -> set[str]:
    """Return the JSON types that a schema allows."""
    if "anyOf" in schema:
        return set().union(*(types_of(option) for option in schema["anyOf"]))
    types = schema.get("type", [])
    return {types} if isinstance(types, str) else set(types)


def read_file(path: Path) -> tuple[list[Given], list[str]]:
    """Return the file's values, and one line for each key that it holds twice.

    A byte order mark is fine. Raises ConfigError, in one line, when the file is missing or
    unreadable, is not JSON (line and column), or is not one object.
    """
    twice: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in items]
        twice.extend(name for name in dict.fromkeys(names) if names.count(name) > 1)
        return dict(items)

    text = _text(path)
    try:
        value = json.loads(text, object_pairs_hook=pairs, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        reason = f"line {error.lineno}, column {error.colno}: not JSON: {error.msg}{_mend(text, error.pos)}"
        raise ConfigError(f"{path}: {reason}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: the file holds no object; allowed: one object of keys and values in braces")
    source = Source(kind=SourceKind.FILE, name=str(path))
    given = [Given(key=key, value=item, source=source) for key, item in value.items() if key != "$schema"]
    return given, [f"{path}: key {name!r} is there twice; keep one of them" for name in twice]


def read_environment(environ: Mapping[str, str]) -> tuple[list[Given], list[str]]:
    """Return the values that ``LLM_LOOP_<KEY>`` gives, and a notice for each variable that names no key.

    A stray variable is no error: it may be another program's.
    """
    variables = {PREFIX + key.upper(): key for key in known_keys()}
    given, notices = [], []
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name in RESERVED_VARIABLES:
            continue
        if key := variables.get(name):
            value = parse(environ[name], types_of(known_keys()[key]))
            given.append(Given(key=key, value=value, source=Source(kind=SourceKind.ENVIRONMENT, name=name)))
        else:
            notices.append(f"environment variable {name} is no key and is ignored{nearest(name, list(variables))}")
    return given, notices


def parse(text: str, types: set[str]) -> Any:
    """Read a variable's text by the types that its key allows; what does not parse stays text.

    Flags are true, false, yes, no, 1 or 0; numbers, lists and maps are JSON; ``null`` where a key allows it.
    """
    bare = text.strip()
    if "null" in types and bare.lower() == "null":
        return None
    if "boolean" in types:
        return _TRUTH.get(bare.lower(), text)
    if types & {"integer", "number"} or (types & {"array", "object"} and bare.startswith(("[", "{"))):
        return _json_or_text(text)
    return text


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return text


def _text(path: Path) -> str:
    try:
        return read_text(path)
    except FileNotFoundError as error:
        where_to_go = "go to the folder that holds config/, or name it with --workspace"
        raise ConfigError(f"{path}: no such file; {where_to_go}") from error
    except CorruptFileError as error:
        raise ConfigError(f"{path}: {error.reason}; save it as UTF-8") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _mend(text: str, position: int) -> str:
    """Return the mend of the usual slips, or ""."""
    before, after = text[:position].rstrip(), text[position:].lstrip()
    if not text.strip():
        return "; the file is empty: {} means every default"
    if after.startswith(",") or (before.endswith(",") and after[:1] in ("}", "]")):
        return "; remove the comma before the closing bracket"
    if after.startswith(("//", "/*", "#")):
        return "; JSON has no comments"
    if after.startswith("\\"):
        return "; write a backslash twice, or use /"
    return ""
