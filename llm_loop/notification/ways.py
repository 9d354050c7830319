"""The ways by which a person is told: their names, and their settings where they stand.

Names are ``command``, ``url 1``, ``url 2``: nothing of a setting is in them.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llm_loop.config import Config, SourceKind
from llm_loop.config.checks import problem
from llm_loop.config.sources import Given, read_environment, read_file
from llm_loop.errors import ConfigError

COMMAND = "command"
COMMAND_KEY, URLS_KEY = "notify_command", "notify_urls"
LIBRARY = "apprise"
INSTALL = "pip install 'llm_loop[notify]'"
_URL = "url "


def ways_of(config: Config) -> tuple[str, ...]:
    """Return the names of the ways that a configuration sets; () for none."""
    command = (COMMAND,) if config.notify_command is not None else ()
    return command + tuple(f"{_URL}{number}" for number in range(1, len(config.notify_urls) + 1))


def is_url(way: str) -> bool:
    """Tell whether a way is an address, for which the library is needed."""
    return way.startswith(_URL)


def library_is_there() -> bool:
    """Tell whether the library that knows addresses is installed; it is not loaded."""
    return importlib.util.find_spec(LIBRARY) is not None


def sources_of(config: Config) -> dict[str, dict[str, str]]:
    """Return where the settings of the ways stand, by key: what a child is told in place of them."""
    found = {}
    for key in (COMMAND_KEY, URLS_KEY):
        source = config.sources[key]
        is_file = source.kind is SourceKind.FILE
        found[key] = {
            "kind": source.kind.value,
            "name": str(Path(source.name).absolute()) if is_file else source.name,
        }
    return found


def read_settings(sources: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return the settings as they stand now, by the names of the ways; an entry that has gone is not there.

    Raises ConfigError where they cannot be read; it says nothing of a value.
    """
    command, urls = (_value(key, sources[key]) for key in (COMMAND_KEY, URLS_KEY))
    settings = {f"{_URL}{number}": url for number, url in enumerate(urls or (), start=1)}
    return settings | ({COMMAND: command} if command else {})


def _value(key: str, source: Mapping[str, str]) -> Any:
    given = [one for one in _given(source) if one.key == key]
    if not given:
        return None
    if problem(given[-1]) is not None:
        raise ConfigError(f"{key} is not set as it has to be; `llm-loop config` says more")
    return given[-1].value


def _given(source: Mapping[str, str]) -> list[Given]:
    match source["kind"]:
        case SourceKind.FILE.value:
            return read_file(Path(source["name"]))[0]
        case SourceKind.ENVIRONMENT.value:
            return read_environment(os.environ)[0]
        case _:
            return []
