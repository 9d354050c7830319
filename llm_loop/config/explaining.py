"""Show each value and where it came from: what ``llm-loop config --explain`` prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from llm_loop.config.hiding import hidden, is_secret
from llm_loop.config.settings import CloneSource, Config
from llm_loop.config.sources import known_keys
from llm_loop.system.files import json_text


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedKey:
    """Hold one key: ``value`` in JSON types, hidden where it may hold a login; ``source`` in words.

    ``built``: this version acts on it.
    """

    key: str
    value: Any
    source: str
    built: bool
    description: str

    @property
    def value_json(self) -> str:
        """The value as JSON text, on one line."""
        return json_text(self.value)


def explain(config: Config) -> list[ExplainedKey]:
    """Return every key in the schema's order."""
    return [
        ExplainedKey(
            key=key,
            value=_shown(key, getattr(config, key)),
            source=str(config.sources[key]),
            built=schema["x-built"],
            description=schema["description"],
        )
        for key, schema in known_keys().items()
    ]


def _shown(key: str, value: Any) -> Any:
    return hidden(_plain(value)) if is_secret(key) else _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, CloneSource):
        return asdict(value)
    return str(value) if isinstance(value, Path | str) else value
