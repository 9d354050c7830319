"""When the checks of one run speak for another one too."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llm_loop.errors import CommandError, ContractError
from llm_loop.system.files import signature
from llm_loop.validation.request import CheckRequest, tokens_of
from llm_loop.validation.start import NotPlainError, Start, read_start

_RUN_DIR = Path("/run_dir")
"""Stands for the run's folder: a file in it is known by its text."""


def key_of(request: Mapping[str, Any]) -> str | None:
    """Return the key of what the checks of a request looked at; None where they speak for this one run alone.

    Two requests of the same key have the same first step: program, Python, search path, folder, script and config as
    they lie there, files of the run; other arguments may differ. What the script imports from the training repository
    is not looked at, so a passed check is worth remembering for minutes, and ``room`` not at all. None too where the
    run gets a dry run or has code of its own. Looks at a few files; waits for nothing.
    """
    try:
        asked = CheckRequest.from_json(request)
        tokens = tokens_of(asked, _RUN_DIR)
        start = read_start(asked.command, asked.shell, asked.cwd, tokens, asked.python_path)
    except (ContractError, CommandError, NotPlainError):
        return None
    packages = _packages(asked.train_python)
    if asked.validate_command is not None or start.is_trainer or asked.edited or asked.checkout or not packages:
        return None
    files = [_looks(start.folder / named) for named in _named(start)]
    if any(one is None for one in files):
        return None
    known = [
        asked.shell,
        str(asked.train_python),
        _looks(asked.train_python),
        packages,
        asked.python_path,
        str(start.folder),
        _looks(start.folder),
        start.words[: start.behind + 1],
        None if start.python is None else [start.python.flags, start.python.script, start.python.module],
        start.python_path,
        start.config(),
        files,
        asked.run_files,
    ]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:32]


def _named(start: Start) -> list[str]:
    """Return the files that the first step names, those in the run's folder apart."""
    named = [start.config(), None if start.python is None else start.python.script]
    return [one for one in named if one is not None and not (start.folder / one).is_relative_to(_RUN_DIR)]


def _looks(path: Path) -> tuple[str, int, int] | None:
    found = signature(path)
    return None if found is None else (str(path), *found)


def _packages(python: Path) -> list[tuple[str, int, int]]:
    """Return how the folders of a virtual environment's packages look; [] for a Python without folders of its own."""
    root = python.parent.parent
    places = [*root.glob("lib/python3.*/site-packages"), *root.glob("lib64/python3.*/site-packages")]
    places += [root / "Lib" / "site-packages", root / "pyvenv.cfg"]
    looks = [found for place in sorted(set(places)) if (found := _looks(place)) is not None]
    return looks if (root / "pyvenv.cfg").is_file() and len(looks) > 1 else []
