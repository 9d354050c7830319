"""The search space file and the configuration that it starts from, read once for as long as they stand."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from llm_loop.config import Config
from llm_loop.errors import ConfigError, CorruptFileError
from llm_loop.system import files


def read_search_space(config: Config) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Return the search space and the configuration it starts from; (None, None) when none is set.

    Raises ConfigError when a named file is missing or does not parse.
    """
    if config.search_space is None:
        return None, None
    space = _yaml_mapping(config.search_space)
    base = space.get("base_config")
    return space, None if base is None else _yaml_mapping(config.workspace_root / str(base).replace("\\", "/"))


def _yaml_mapping(path: Path) -> dict[str, Any]:
    return _parsed(path, files.signature(path))


@lru_cache(maxsize=8)
def _parsed(path: Path, signature: tuple[int, int] | None) -> dict[str, Any]:
    """Parse a file once for as long as its signature stands; the result is only read."""
    try:
        value = yaml.safe_load(files.read_text(path))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: missing; the search space needs it (key search_space)") from error
    except (OSError, CorruptFileError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date such as 2001-99-99
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: a mapping of keys to values is wanted")
    return value
