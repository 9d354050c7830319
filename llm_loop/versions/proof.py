"""The proof that an edit will run: each edited module is the one that the training Python imports.

The training interpreter itself is asked, with the run's search path, for every name that a file could be imported by.
No name may lead to the user's repository (an editable install that goes first), to an installed copy, or, where a
package says what a module's one name is, anywhere else; and one must lead to the checkout. A script is proven by the
command that names it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_loop.contract.outside_file import read_outside
from llm_loop.errors import CommandError
from llm_loop.system.clock import SystemClock
from llm_loop.system.files import read_tail
from llm_loop.system.held_child import ChildEnd, ChildLimits, hold
from llm_loop.versions.proof_child import MARK
from llm_loop.versions.refusal import CodeRefused

_CHILD = Path(__file__).with_name("proof_child.py")
_LOUDEST_BYTES = 5_000_000
_TESTS = re.compile(r"(^|/)(tests?/.*|test_[^/]*|[^/]*_test|conftest|setup)\.py$|^docs?/")


@dataclass(frozen=True, slots=True, kw_only=True)
class EditedModule:
    """Hold one edited ``.py`` file: its path, the SHA-256 of what it was before (None: new), its possible names.

    ``own_name`` is the one name that its package gives it, None without a package.
    """

    path: str
    before: str | None
    names: tuple[str, ...]
    own_name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Say how one file was proven: by the module name that leads to it, or None by the command that names it."""

    path: str
    module: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """Hold how the run's Python is asked: program, flags, folder, environment, its scripts' folders, seconds."""

    program: Path
    flags: tuple[str, ...]
    cwd: Path
    environment: Mapping[str, str]
    first: tuple[str, ...]
    deadline_s: float


def edited_module(path: str, before: str | None, files: Mapping[str, Any]) -> EditedModule:
    """Return what is to be proven of a file of a version with these ``files``."""
    *folders, name = path.removesuffix(".py").split("/")
    parts = folders if name == "__init__" else [*folders, name]
    names = tuple(".".join(parts[at:]) for at in range(len(parts)) if all(one.isidentifier() for one in parts[at:]))
    top = len(folders)
    while top and "/".join([*folders[:top], "__init__.py"]) in files:
        top -= 1
    own = ".".join(parts[top:]) if top < len(folders) else None
    return EditedModule(path=path, before=before, names=names, own_name=own if own in names else None)


def prove(
    modules: Sequence[EditedModule], python: Interpreter, checkout: Path, repository: Path, named: frozenset[str]
) -> tuple[Proof, ...]:
    """Return how each module was proven; ``named`` are the files that the command runs by their path.

    Raises CodeRefused with a sentence for the first one that cannot be.
    """
    answer = _asked(modules, python, checkout)
    for file, why in answer["errors"].items():
        raise CodeRefused(f"your edit would not have run: {os.path.relpath(file, checkout)} does not compile ({why})")
    return tuple(_proven(one, answer["origins"], checkout, repository, named) for one in modules)


def _proven(
    module: EditedModule, origins: Mapping[str, str | None], checkout: Path, repository: Path, named: frozenset[str]
) -> Proof:
    here, there = os.path.realpath(checkout / module.path), os.path.realpath(repository / module.path)
    if module.path in named:
        return Proof(path=module.path, module=None)
    good: str | None = None
    for name in module.names:
        origin = origins.get(name)
        found = os.path.realpath(origin) if origin and os.path.isabs(origin) else None  # noqa: PTH117
        if found is None:
            continue
        if _same(found, here):
            good = good or (name if module.own_name in (None, name) else None)
        elif _same(found, there) or _is_copy(found, module.before) or _is_elsewhere(module, name, found, checkout):
            where = "the repository itself" if _same(found, there) else found
            raise CodeRefused(f"your edit of {module.path} would not have run: {name} is imported from {where}")
    if good is None and not _TESTS.search(module.path):
        raise CodeRefused(
            f"your edit of {module.path} would not have run: no import finds it from the checkout, "
            "and the command does not name it by its path"
        )
    return Proof(path=module.path, module=good)


def _is_elsewhere(module: EditedModule, name: str, found: str, checkout: Path) -> bool:
    """Tell whether a name that surely means this module leads out of the checkout."""
    if found.startswith(os.path.realpath(checkout) + os.sep):
        return False
    return name == module.own_name or (module.own_name is None and "." in name)


def _is_copy(found: str, before: str | None) -> bool:
    """Tell whether a file elsewhere is a copy of what the edited one was: an install that is not editable."""
    try:
        data = read_outside(Path(found), 2_000_000)
    except OSError:
        return False
    return bool(data.strip()) and hashlib.sha256(data).hexdigest() == before


def _same(one: str, other: str) -> bool:
    return os.path.normcase(one) == os.path.normcase(other)


def _asked(modules: Sequence[EditedModule], python: Interpreter, checkout: Path) -> dict[str, Any]:
    """Return what the interpreter answers. Raises CodeRefused when it does not answer in time."""
    question = {
        "names": sorted({name for one in modules for name in one.names}),
        "files": [str(checkout / one.path) for one in modules],
        "first": list(python.first),
    }
    with tempfile.TemporaryDirectory(prefix="llm-loop-proof-", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        asked, told, said = folder / "question.json", folder / "answer.txt", folder / "stderr.txt"
        asked.write_text(json.dumps(question), encoding="utf-8")
        try:
            ending = hold(
                [str(python.program), *python.flags, str(_CHILD)],
                env=python.environment,
                cwd=python.cwd,
                stdin=asked,
                stdout=told,
                stderr=said,
                limits=ChildLimits(
                    until_s=SystemClock().monotonic() + python.deadline_s,
                    stop_file=folder / "STOP",
                    max_output_bytes=_LOUDEST_BYTES,
                ),
            )
        except CommandError as error:
            raise CodeRefused(f"the training Python cannot be asked where it imports from: {error}") from error
        if ending.end is not ChildEnd.EXITED:
            raise CodeRefused(f"the training Python did not say where it imports from: {ending.end.value}")
        line = next((one for one in reversed(read_tail(told, 2_000_000).splitlines()) if one.startswith(MARK)), None)
        if line is None:
            last = (read_tail(said, 2_000).strip().splitlines() or ["no answer"])[-1]
            raise CodeRefused(f"the training Python did not say where it imports from: {last[:200]}")
        answer: dict[str, Any] = json.loads(line.removeprefix(MARK))
        return answer
