"""Turn a checked JSON value into what the dataclass holds: absolute paths, tuples, read-only maps, enumerations."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path, PureWindowsPath
from types import MappingProxyType, UnionType
from typing import Any, get_args, get_origin

from llm_loop.config.settings import CloneSource


def typed(hint: Any, value: Any, base: Path) -> Any:
    """Return ``value`` as the type ``hint``; relative paths are taken from ``base``.

    Raises ValueError, saying what is allowed, for a path that cannot be one here.
    """
    if value is None:
        return None
    if isinstance(hint, UnionType):
        options = [option for option in get_args(hint) if option is not type(None)]
        hint = options[-1] if isinstance(value, list) else options[0]
    if hint is Path:
        return resolve(value, base)
    if get_origin(hint) is tuple:
        return tuple(str(item) for item in (value.split() if isinstance(value, str) else value))
    if get_origin(hint) is Mapping:
        return MappingProxyType({name: typed(get_args(hint)[1], item, base) for name, item in value.items()})
    if hint is CloneSource:
        return CloneSource(repo=value) if isinstance(value, str) else CloneSource(**value)
    if hint in (int, float) or issubclass(hint, StrEnum):
        return hint(value)
    return value


def resolve(text: str, base: Path) -> Path:
    """Return an absolute path; ``~`` is the home folder, and a relative path may use either separator.

    Links are left as they are: a virtual environment's interpreter is one. Raises ValueError.
    """
    if "\0" in text:
        raise ValueError("a path without a NUL character")
    if os.name != "nt" and not text.startswith("/"):
        if PureWindowsPath(text).drive:
            raise ValueError("a path of this machine, not one with a Windows drive, or a relative path")
        text = text.replace("\\", "/")
    try:
        return Path(os.path.normpath(base / Path(text).expanduser()))
    except RuntimeError as error:
        raise ValueError("a path whose home folder is known") from error


def program(text: str, base: Path, search_path: str | None) -> Path:
    """Return an interpreter's absolute path; a plain name such as ``python3`` is looked up on ``search_path``.

    Raises ValueError when a plain name is found neither in ``base`` nor there.
    """
    path = resolve(text, base)
    if any(mark in text for mark in "/\\~") or path.is_file():
        return path
    found = shutil.which(text, path=search_path)
    if not found:
        raise ValueError("a path, or the name of a program on PATH")
    return resolve(found, base)


def training_python(workspace: Path) -> Path:
    """Return the interpreter of the training environment as installed in the workspace."""
    inside = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
    return workspace.joinpath(".venv-train", *inside)
