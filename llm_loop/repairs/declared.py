"""What a training repository declares that it needs: requirements files, pyproject.toml, setup.cfg.

Only names and versions are taken from them. Options, addresses, paths and includes say nothing here. The daemon reads
them in its tick, and a run may have written them: each reading is bounded in time.
"""

from __future__ import annotations

import configparser
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from llm_loop.contract.outside_file import read_outside
from llm_loop.repairs.refusal import RepairRefused
from llm_loop.repairs.requirement import Requirement, combined, parse_requirement

_MOST_FILES = 30
_MOST_BYTES, _MOST_TOML_BYTES = 300_000, 100_000
_MOST_LINES, _LONGEST_LINE = 5_000, 2_000
_MOST_DOTS = 1_000
"""In one line of TOML: a key of tens of thousands of parts takes its reader minutes."""
_COMMENT = re.compile(r"(?:^|\s)#.*$")
_PIP_OPTION = re.compile(r"\s--?[a-z].*$")


def declared_requirements(repository: Path) -> tuple[str, ...]:
    """Return what the files at the top of a repository declare, one text a name; () where there are none.

    Reads ``requirements*.txt``, ``requirements/*.txt``, ``pyproject.toml`` (project, dependency groups, Poetry's
    names) and ``setup.cfg``. A file that cannot be read or is broken declares nothing.
    """
    texts: list[str] = []
    for file in _requirement_files(repository):
        texts += _lines(_text(file))
    texts += _of_pyproject(_text(repository / "pyproject.toml", _MOST_TOML_BYTES))
    texts += _of_setup_cfg(_text(repository / "setup.cfg"))
    return tuple(map(str, combined(_readable(texts))))


def _requirement_files(repository: Path) -> list[Path]:
    try:
        found = [*sorted(repository.glob("requirements*.txt")), *sorted(repository.glob("requirements/*.txt"))]
    except OSError:
        return []
    return found[:_MOST_FILES]


def _text(file: Path, most_bytes: int = _MOST_BYTES) -> str:
    try:
        return read_outside(file, most_bytes).decode("utf-8-sig", "replace")
    except OSError:
        return ""


def _lines(text: str) -> list[str]:
    """Return the requirements of a requirements file: no comments, no options, no hashes."""
    whole = re.sub(r"\\\r?\n", " ", text)
    short = (line[:_LONGEST_LINE] for line in whole.splitlines()[:_MOST_LINES])  # behind it are hashes
    lines = (_COMMENT.sub("", line).strip() for line in short)
    return [_PIP_OPTION.sub("", line).strip() for line in lines if line and not line.startswith("-")]


def _of_pyproject(text: str) -> list[str]:
    if any(line.count(".") > _MOST_DOTS for line in text.splitlines()):
        return []
    try:
        value = tomllib.loads(text)
    except (ValueError, RecursionError):  # ValueError: a number of thousands of digits, too
        return []
    project, poetry = _table(value, "project"), _table(_table(value, "tool"), "poetry")
    lists = [project.get("dependencies"), *_table(project, "optional-dependencies").values()]
    lists += _table(value, "dependency-groups").values()
    texts = [text for one in lists if isinstance(one, list) for text in one if isinstance(text, str)]
    names = [*_table(poetry, "dependencies")]
    for group in _table(poetry, "group").values():
        names += _table(group, "dependencies")
    return texts + [name for name in names if name != "python"]


def _of_setup_cfg(text: str) -> list[str]:
    reader = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        reader.read_string(text)
        values = [reader.get("options", "install_requires", fallback="")]
        if reader.has_section("options.extras_require"):
            values += [value for _, value in reader.items("options.extras_require")]
    except configparser.Error:
        return []
    return [text for value in values for text in _lines(value)]


def _table(value: Any, key: str) -> Mapping[str, Any]:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _readable(texts: Iterable[str]) -> Iterable[Requirement]:
    for text in texts:
        try:
            yield parse_requirement(text)
        except RepairRefused:  # an address, a path: no name of ours
            continue
