"""Read, check and freeze the configuration; every problem is said at once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_type_hints

from llm_loop.config.checks import problem, refusal
from llm_loop.config.conversion import program, training_python, typed
from llm_loop.config.settings import Config
from llm_loop.config.sources import DEFAULT, Given, known_keys, read_environment, read_file
from llm_loop.errors import ConfigError

_MOST_LINES = 10
_TRAINING_PYTHONS = ("train_python_exe", "auto_repair_python_exe")


def load_config(path: Path, workspace: Path, environ: Mapping[str, str]) -> Config:
    """Return the configuration of ``workspace``: defaults, under the file ``path``, under ``LLM_LOOP_<KEY>``.

    ``workspace`` is absolute; relative paths are taken from it, or from the key ``workspace_root``
    where that is given. Reads ``path`` alone and looks at no folder that a path names (only a plain
    interpreter name is looked up). Raises ConfigError with one line for each problem, ten at most.
    """
    from_file, problems = read_file(path)
    from_environment, notices = read_environment(environ)
    given = [_canonical(item) for item in (*from_file, *from_environment)]
    _raise(problems + [line for item in given if (line := problem(item))])
    chosen = _with_fallbacks({item.key: item for item in given})
    values, problems = _convert(chosen, workspace, environ.get("PATH"))
    _raise(problems)
    return Config(
        **values,
        sources=MappingProxyType({key: item.source for key, item in chosen.items()}),
        notices=(*_not_built(given), *notices),
    )


def _canonical(given: Given) -> Given:
    """Bring other spellings into the one that the schema's default uses."""
    schema, value = known_keys().get(given.key, {}), given.value
    if isinstance(value, str):
        if "enum" in schema or given.key == "devices":
            value = value.strip().lower()
            value = schema.get("x-aliases", {}).get(value, value)
        elif not value and "null" in schema.get("type", ()):
            value = None
        elif not value and schema.get("x-empty-is-default"):
            value = schema["default"]
    return Given(key=given.key, value=value, source=given.source)


def _with_fallbacks(given: Mapping[str, Given]) -> dict[str, Given]:
    """Return one value a key: as given, from the key it falls back to, or the default."""
    chosen: dict[str, Given] = {}
    for key, schema in known_keys().items():
        own = given.get(key) or Given(key=key, value=schema["default"], source=DEFAULT)
        other = schema.get("x-fallback")
        if other and (own.value is None or (key not in given and other in given)):
            chosen[key] = chosen[other]
        else:
            chosen[key] = _merged(own, schema)
    return chosen


def _merged(given: Given, schema: Mapping[str, Any]) -> Given:
    if not schema.get("x-merge"):
        return given
    entries = {name.lower(): entry for name, entry in given.value.items() if entry}
    return Given(key=given.key, value={**schema["default"], **entries}, source=given.source)


def _convert(chosen: Mapping[str, Given], workspace: Path, search_path: str | None) -> tuple[dict[str, Any], list[str]]:
    values: dict[str, Any] = {}
    problems: list[str] = []
    for key in ("workspace_root", *chosen):  # first, because the other paths are taken from it
        base = workspace.absolute() if key == "workspace_root" else values.get("workspace_root", workspace)
        try:
            values[key] = _value(chosen[key], base, search_path)
        except ValueError as error:
            problems.append(refusal(chosen[key], str(error)))
    return values, problems


def _value(given: Given, base: Path, search_path: str | None) -> Any:
    if given.key in _TRAINING_PYTHONS and given.value is None:
        return training_python(base)
    if given.key.endswith("_exe") and given.value is not None:
        return program(given.value, base, search_path)
    return typed(_hints()[given.key], given.value, base)


@cache
def _hints() -> dict[str, Any]:
    return get_type_hints(Config)


def _not_built(given: list[Given]) -> list[str]:
    """Return a notice for each key that is set to something this version does not act on."""
    notices = []
    for key, item in {item.key: item for item in given}.items():
        schema = known_keys()[key]
        if not schema["x-built"] and _merged(item, schema).value != schema["default"]:
            notices.append(f"key {key!r} is known but this version does not act on it yet")
    return notices


def _raise(problems: list[str]) -> None:
    lines = list(dict.fromkeys(problems))
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES - 1], f"... and {len(lines) - _MOST_LINES + 1} more"]
    if len(lines) == 1:
        raise ConfigError(lines[0])
    if lines:
        raise ConfigError("\n".join(["the configuration has several problems:", *(f"  {line}" for line in lines)]))
