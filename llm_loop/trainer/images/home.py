"""Turn a path that a person gave into one that the system can be asked about."""

from __future__ import annotations

from pathlib import Path

from llm_loop.errors import ConfigError


def expanded(given: str | Path, name: str) -> Path:
    """Return ``given`` with the home folder in the place of ``~``. Raises ConfigError, which opens with ``name``."""
    if "\0" in str(given):
        raise ConfigError(f"{name} {str(given)!r}: no path holds a NUL byte")
    try:
        return Path(given).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{name} {given}: there is no such home folder; write the path out") from error
