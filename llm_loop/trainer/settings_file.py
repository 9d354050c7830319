"""Read a training's settings from a YAML file and ``key=value`` words; write them back, whole or flat.

Three looks, in this order: unknown keys (the nearest known one is named), the JSON Schema (types,
choices, ranges), and the few rules that hold between keys.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_type_hints

import yaml

from llm_loop.contract import schemas
from llm_loop.contract.trainer_settings import SCHEMA, SettingsLoader, objection_to, unknown_keys, with_override
from llm_loop.errors import ConfigError, CorruptFileError
from llm_loop.system import files
from llm_loop.trainer import task_rules
from llm_loop.trainer.failures import UnsupportedModelError
from llm_loop.trainer.networks.names import ALLOWED_MODELS, family_of
from llm_loop.trainer.settings import Settings


def load(path: Path, overrides: Sequence[str] = ()) -> Settings:
    """Read ``path``, lay ``overrides`` (``optimizer.learning_rate=0.1``) over it, check, resolve.

    Raises ConfigError (UnsupportedModelError for a model name that nobody can know).
    """
    values = _read(path)
    for word in overrides:
        values = with_override(values, word)
    return from_mapping(values, str(path))


def from_mapping(values: dict[str, Any], subject: str = "settings") -> Settings:
    """Check nested ``values`` and return the resolved settings; ``subject`` opens each error line."""
    if (unknown := next(unknown_keys(values), None)) is not None:
        raise ConfigError(f"{subject}: {objection_to(unknown)}")
    broken = schemas.violations(SCHEMA, values) + list(_not_finite(values))
    if broken:
        raise ConfigError(f"{subject}: " + "; ".join(broken[:3]))
    settings: Settings = _build(Settings, values)
    _check_between_keys(settings, subject)
    return settings.resolved()


def to_mapping(settings: Settings) -> dict[str, Any]:
    """Return the settings as nested plain values: what ``load`` reads."""
    plain: dict[str, Any] = _plain(dataclasses.asdict(settings))
    return plain


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested values as one level of dotted keys, in the same order."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def to_yaml(settings: Settings) -> str:
    """Return the settings as YAML text."""
    return yaml.safe_dump(to_mapping(settings), sort_keys=False, allow_unicode=True)


def _read(path: Path) -> dict[str, Any]:
    try:
        values = yaml.load(files.read_text(path), Loader=SettingsLoader)  # a SafeLoader
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    except CorruptFileError as error:
        raise ConfigError(str(error)) from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML{_yaml_place(error)}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: a mapping of keys is wanted, such as 'optimizer: {{learning_rate: 0.05}}'")
    return values


def _yaml_place(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "unreadable"
    return f" (line {mark.line + 1}: {problem})" if mark else f" ({problem})"


def _not_finite(values: dict[str, Any]) -> Iterator[str]:
    for key, value in flatten(values).items():
        if isinstance(value, float) and not math.isfinite(value):
            yield f"{key}: {value} is not a finite number"


def _build(kind: Any, values: dict[str, Any]) -> Any:
    hints = get_type_hints(kind)
    return kind(**{key: _convert(hints[key], value) for key, value in values.items()})


def _convert(hint: Any, value: Any) -> Any:
    """Give a checked value the type of its field: a section, an enum member, int 20 for 20.0."""
    if value is None:
        return None
    wanted = next((part for part in get_args(hint) if part is not type(None)), hint)
    return _build(wanted, value) if dataclasses.is_dataclass(wanted) else wanted(value)


def _check_between_keys(settings: Settings, subject: str) -> None:
    if family_of(settings.model.name) is None:
        raise UnsupportedModelError(settings.model.name, ALLOWED_MODELS)
    if (objection := next(task_rules.objections(settings), None)) is not None:
        raise ConfigError(f"{subject}: {objection}")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return value.value if isinstance(value, Enum) else value
