"""The settings of the reference trainer as the loop and the trainer both read them: their YAML, their keys.

``trainer.schema.json`` beside this file says what the keys are; here is what a schema cannot say. The trainer refuses
by this; the loop's validation, which looks at the same files before, must never be stricter.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from llm_loop.contract import schemas
from llm_loop.errors import ConfigError

MODULE = "llm_loop.trainer"
"""How a command names the reference trainer: ``python -m llm_loop.trainer``."""
SCHEMA = "trainer"
_LONGEST_COMPARED = 200
_FLOAT = re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$|^[-+]?\.(inf|Inf|INF)$|^\.(nan|NaN|NAN)$")


class SettingsLoader(yaml.SafeLoader):
    """Read YAML with ``1e-3`` as a number (YAML 1.1 calls it text) and a key given twice as an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = getattr(key_node, "value", None)
            if not isinstance(key, str):  # a list or mapping as a key: the loader itself refuses it
                continue
            if key in seen:
                problem = f"the key {key!r} stands twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


SettingsLoader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))


def with_override(values: Mapping[str, Any], word: str) -> dict[str, Any]:
    """Return nested settings with one ``section.key=value`` word of ``--set`` laid over them. Raises ConfigError."""
    key, equals, text = word.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {word}: key=value is wanted, such as --set optimizer.learning_rate=0.05")
    try:
        value = yaml.load(text, Loader=SettingsLoader)  # a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date such as 2001-99-99
        raise ConfigError(f"--set {word}: the value is not valid YAML") from error
    *sections, leaf = key.strip().split(".")
    found = place = dict(values)
    for section in sections:
        inner = place.get(section, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {word}: {section} is no section")
        place[section] = place = dict(inner)
    place[leaf] = value
    return found


def known_keys() -> list[str]:
    """Return every dotted key of the schema, in its order."""
    return list(_leaves(schemas.load_schema(SCHEMA)))


def unknown_keys(values: Mapping[Any, Any]) -> Iterator[str]:
    """Yield the dotted keys of nested settings that the schema has no place for, in their order."""
    return _unknown(values, schemas.load_schema(SCHEMA))


def objection_to(dotted: str) -> str:
    """Say what is wrong with an unknown key: a known one that is not nested, or one that is like a known one."""
    known = known_keys()
    if dotted in known:
        return f"write the key {dotted} nested, one section a level, without the dot"
    nearest = max(known, key=lambda key: _likeness(dotted[:_LONGEST_COMPARED], key))
    return f"unknown key {dotted}; the nearest known key is {nearest}"


def _leaves(schema: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, node in schema["properties"].items():
        if "properties" in node:
            yield from _leaves(node, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def _unknown(values: Mapping[Any, Any], schema: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    properties = schema["properties"]
    for key, value in values.items():
        if key not in properties:
            yield f"{prefix}{key}"
        elif isinstance(value, dict) and "properties" in properties[key]:
            yield from _unknown(value, properties[key], f"{prefix}{key}.")


def _likeness(unknown: str, known: str) -> float:
    """Compare whole keys and last parts alike: who knows the key may not know its section."""

    def alike(one: str, other: str) -> float:
        return difflib.SequenceMatcher(None, one, other).ratio()

    return alike(unknown, known) + alike(unknown.rpartition(".")[2], known.rpartition(".")[2])
