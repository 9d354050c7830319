"""Read a training's settings from a YAML file and ``key=value`` words; write them back, whole or flat.

Three looks, in this order: unknown keys (the nearest known one is named), the JSON Schema (types,
choices, ranges), and the few rules that hold between keys.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_type_hints

import yaml

from llm_loop.contract import schemas
from llm_loop.errors import ConfigError, CorruptFileError
from llm_loop.system import files
from llm_loop.trainer.failures import UnsupportedModelError
from llm_loop.trainer.settings import DataSource, Norm, Settings

ALLOWED_MODELS = "allowed: small_cnn, or timm:<name> with a name from timm.list_models(), such as timm:resnet18"
_FLOAT = re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$|^[-+]?\.(inf|Inf|INF)$|^\.(nan|NaN|NAN)$")


class _Loader(yaml.SafeLoader):
    """Read YAML with ``1e-3`` as a number (YAML 1.1 calls it text) and a key given twice as an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = getattr(key_node, "value", None)
            if key in seen:
                problem = f"the key {key!r} stands twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))


def load(path: Path, overrides: Sequence[str] = ()) -> Settings:
    """Read ``path``, lay ``overrides`` (``optimizer.learning_rate=0.1``) over it, check, resolve.

    Raises ConfigError (UnsupportedModelError for a model name that nobody can know).
    """
    values = _read(path)
    for word in overrides:
        _override(values, word)
    return from_mapping(values, str(path))


def from_mapping(values: dict[str, Any], subject: str = "settings") -> Settings:
    """Check nested ``values`` and return the resolved settings; ``subject`` opens each error line."""
    _refuse_unknown_keys(values, subject)
    broken = schemas.violations("trainer", values) + list(_not_finite(values))
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


def known_keys() -> list[str]:
    """Return every dotted key of the schema."""
    return [dotted for dotted, _ in _leaves(schemas.load_schema("trainer"))]


def _read(path: Path) -> dict[str, Any]:
    try:
        values = yaml.load(files.read_text(path), Loader=_Loader)  # a SafeLoader
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


def _override(values: dict[str, Any], word: str) -> None:
    key, equals, text = word.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {word}: key=value is wanted, such as --set optimizer.learning_rate=0.05")
    try:
        value = yaml.load(text, Loader=_Loader)  # a SafeLoader
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {word}: the value is not valid YAML") from error
    *sections, leaf = key.strip().split(".")
    place = values
    for section in sections:
        place = place.setdefault(section, {})
        if not isinstance(place, dict):
            raise ConfigError(f"--set {word}: {section} is no section")
    place[leaf] = value


def _refuse_unknown_keys(values: dict[str, Any], subject: str) -> None:
    for dotted in _unknown(values, schemas.load_schema("trainer")):
        known = known_keys()
        if dotted in known:
            raise ConfigError(f"{subject}: write the key {dotted} nested, one section a level, without the dot")
        nearest = max(known, key=lambda key: _likeness(dotted, key))
        raise ConfigError(f"{subject}: unknown key {dotted}; the nearest known key is {nearest}")


def _likeness(unknown: str, known: str) -> float:
    def alike(one: str, other: str) -> float:
        return difflib.SequenceMatcher(None, one, other).ratio()

    return alike(unknown, known) + alike(unknown.rpartition(".")[2], known.rpartition(".")[2])


def _unknown(values: dict[Any, Any], schema: dict[str, Any], prefix: str = "") -> Iterator[str]:
    properties = schema["properties"]
    for key, value in values.items():
        if key not in properties:
            yield f"{prefix}{key}"
        elif isinstance(value, dict) and "properties" in properties[key]:
            yield from _unknown(value, properties[key], f"{prefix}{key}.")


def _leaves(schema: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for key, node in schema["properties"].items():
        if "properties" in node:
            yield from _leaves(node, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", node


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
    data, selection = settings.data, settings.selection
    if not (settings.model.name == "small_cnn" or settings.model.name.startswith("timm:")):
        raise UnsupportedModelError(settings.model.name, ALLOWED_MODELS)
    if data.source is DataSource.IMAGE_FOLDER and not data.root:
        raise ConfigError(f"{subject}: data.source image_folder needs data.root, a folder with one sub-folder a class")
    if data.source is DataSource.DIGITS and not 10 <= (data.train_images or 300) <= 300:
        raise ConfigError(f"{subject}: data.train_images: the digits have 10 to 300 training images")
    if selection.direction not in (None, selection.metric.direction):
        raise ConfigError(f"{subject}: selection.direction: {selection.metric} is better {selection.metric.direction}")
    if settings.model.norm is Norm.BATCH and settings.training.batch_size < 2:
        raise ConfigError(f"{subject}: training.batch_size: batch normalisation needs at least 2 images a batch")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return value.value if isinstance(value, Enum) else value
