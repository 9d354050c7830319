"""Which files of a tree are code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from llm_loop.errors import ContractError

DATA_FOLDER = "data"
NEVER_CODE = frozenset({".git", ".hg", ".svn", ".llm_loop", ".llm_loop_archive", ".llm_loop_sealed"})
"""Names, in lower case, of what is never code, at any depth."""
CACHES = frozenset(
    {"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".ipynb_checkpoints", ".tox", ".nox", "node_modules"}
)
"""Names of folders that programs make anew."""
SOURCE_SUFFIXES = frozenset({".py", ".pyi", ".yaml", ".yml", ".json", ".toml", ".cfg", ".ini", ".sh", ".ps1"})
"""Endings of files that a person means to keep, where an ignore pattern for files (no folder) names them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeRules:
    """Hold what is left out of a code version, beside what git or .gitignore ignores.

    ``keep_out`` are absolute paths; ``link_folders`` and ``output_folders`` are relative to the tree. A file above
    ``largest_file_bytes`` is no code. A tree with more than ``most_files`` or ``most_bytes`` of code is refused.
    """

    keep_out: tuple[Path, ...] = ()
    link_folders: tuple[str, ...] = ()
    output_folders: tuple[str, ...] = ("runs", "outputs", "logs", "checkpoints")
    largest_file_bytes: int = 1_000_000
    most_files: int = 20_000
    most_bytes: int = 500_000_000

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Build the rules from the keys of a request that the loop wrote. Raises ContractError."""
        given: dict[str, Any] = {"keep_out": tuple(Path(one) for one in texts(value, "keep_out", ()))}
        given["link_folders"] = texts(value, "link_folders", ())
        if value.get("output_folders") is not None:
            given["output_folders"] = texts(value, "output_folders", ())
        if (largest := value.get("largest_file_bytes")) is not None:
            if not isinstance(largest, int) or largest < 1:
                raise ContractError("the request", [f"largest_file_bytes: {largest!r} is no number of bytes"])
            given["largest_file_bytes"] = largest
        return cls(**given)

    def link_paths(self) -> frozenset[str]:
        """Return ``link_folders`` as paths with ``/``."""
        return frozenset(plain(name) for name in self.link_folders) - {""}

    def output_paths(self) -> frozenset[str]:
        """Return ``output_folders`` as paths with ``/``."""
        return frozenset(plain(name) for name in self.output_folders) - {""}


def is_environment(folder: Path) -> bool:
    """Tell whether a folder is a Python environment: never code, but a command may start its Python."""
    return any((folder / mark).exists() for mark in ("pyvenv.cfg", "conda-meta"))


DEFAULT_RULES = CodeRules()


def plain(name: str) -> str:
    """Return a configured folder name as a path with ``/``, or "" when it climbs or is absolute."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    absolute = name.startswith(("/", "\\")) or (parts and ":" in parts[0])
    return "" if absolute or ".." in parts else "/".join(parts)


def texts(value: Mapping[str, Any], key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """Return a list of texts of a request; without a ``default`` the key is required. Raises ContractError."""
    found = value.get(key, default)
    if not isinstance(found, (list, tuple)) or not all(isinstance(one, str) for one in found):
        raise ContractError("the request", [f"{key}: a list of texts is needed, got {found!r:.80}"])
    return tuple(found)


def text(value: Mapping[str, Any], key: str) -> str:
    """Return a text of a request. Raises ContractError."""
    found = value.get(key)
    if not isinstance(found, str) or not found:
        raise ContractError("the request", [f"{key}: a text is needed, got {found!r:.80}"])
    return found


def path(value: Mapping[str, Any], key: str) -> Path:
    """Return an absolute path of a request. Raises ContractError."""
    found = Path(text(value, key))
    if not found.is_absolute():
        raise ContractError("the request", [f"{key}: {str(found)!r} is not absolute"])
    return found
