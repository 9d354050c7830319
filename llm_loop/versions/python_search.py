"""Which Python a command starts, and where that one looks for modules."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from llm_loop.system.environment_scrubbing import without_secrets
from llm_loop.versions.command_words import PythonCall, python_calls, words_of
from llm_loop.versions.proof import Interpreter
from llm_loop.versions.refusal import CodeRefused

_SETS_PATH = re.compile(r"(?:\$env:)?PYTHONPATH(\+?=)(.*)", re.IGNORECASE | re.DOTALL)
_OWN = re.compile(
    r"\$env:PYTHONPATH|\$\{env:PYTHONPATH\}|\$\{PYTHONPATH:?-[^}]*\}|\$\{PYTHONPATH\}|\$PYTHONPATH", re.IGNORECASE
)
_OWN_IF_SET = re.compile(r"\$\{PYTHONPATH:?\+([:;]?)[^}]*\}?\}")
_HERE = re.compile(r"\$\(pwd\)|`pwd`|\$\{PWD\}|\$PWD", re.IGNORECASE)
_BENDS = ("PYTHON", "VIRTUAL_ENV", "__PYVENV", "LLM_LOOP_", "CODEX_")


def interpreters(
    command: str,
    shell: str,
    *,
    folder: str,
    cwd: Path,
    paths: Sequence[Path],
    python: Path,
    deadline_s: float,
    tokens: Mapping[str, str],
) -> list[Interpreter]:
    """Return how each Python of a command is asked; ``paths`` come first on its PYTHONPATH.

    ``python`` is the training Python: taken where the command starts none by name. ``tokens`` fill the placeholders
    of the command. Raises CommandError, CodeRefused.
    """
    environment = _environment(python, paths)
    environment["PYTHONPATH"] = _search_path(command, shell, environment["PYTHONPATH"], cwd, tokens)
    grouped: dict[tuple[Path, tuple[str, ...]], list[str]] = {}
    for call in python_calls(command, shell, folder):
        program = _program(call, python, environment["PATH"], cwd, tokens)
        flags = tuple(f"-{flag}" for flag in dict.fromkeys(call.flags))
        grouped.setdefault((program, flags), []).extend(_first(call, cwd, folder, tokens))
    grouped = grouped or {(python, ()): []}
    return [
        Interpreter(
            program=program,
            flags=flags,
            cwd=cwd,
            environment=environment,
            first=tuple(dict.fromkeys(first)),
            deadline_s=deadline_s,
        )
        for (program, flags), first in list(grouped.items())[:3]
    ]


def _environment(python: Path, paths: Sequence[Path]) -> dict[str, str]:
    """Return the run's environment, or close to it: a ``sitecustomize`` of the checkout runs in it, as in the run."""
    kept = {name: value for name, value in without_secrets(os.environ).items() if not name.upper().startswith(_BENDS)}
    return kept | {
        "PATH": os.pathsep.join([str(python.parent), kept.get("PATH", os.defpath)]),
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _search_path(command: str, shell: str, own: str, cwd: Path, tokens: Mapping[str, str]) -> str:
    """Return the PYTHONPATH that a command sets, or the one it is given. Raises CodeRefused for one too clever."""
    texts = [word.text for word in words_of(command, shell, ".")]
    found = own
    for at, text in enumerate(texts):
        if text.lower() in ("$env:pythonpath", "pythonpath") and texts[at + 1 : at + 2] in (["="], ["+="]):
            text = f"{text}{texts[at + 1]}{''.join(texts[at + 2 : at + 3])}"
        if (match := _SETS_PATH.fullmatch(text)) is None:
            continue
        before = found.replace("\\", r"\\")
        value = _OWN.sub(before, _OWN_IF_SET.sub(rf"\g<1>{before}", match[2]))
        value = _filled(_HERE.sub(lambda _: str(cwd), value), tokens)
        if re.search(r"[$`%]", value):
            raise CodeRefused(
                "the command sets PYTHONPATH in a way that cannot be followed: the checkout is on it anyway"
            )
        found = found + value if match[1] == "+=" else value
    return found


def _program(call: PythonCall, python: Path, search_path: str, cwd: Path, tokens: Mapping[str, str]) -> Path:
    if call.program is None:
        return python
    name = _filled(call.program, tokens)
    if re.search(r"[$`%{]", name):
        return python
    if "/" in name or "\\" in name:
        place = cwd / name
        return place if place.is_file() else python
    found = shutil.which(name, path=search_path)
    return Path(found) if found else python


def _first(call: PythonCall, cwd: Path, folder: str, tokens: Mapping[str, str]) -> list[str]:
    """Return what is first on the search path of a call: its script's folder, or where a module is started."""
    here = cwd if call.folder is None else cwd / os.path.relpath(call.folder, folder)
    if call.script is not None:
        return [str(Path(os.path.normpath(here / _filled(call.script, tokens))).parent)]
    return [str(Path(os.path.normpath(here)))] if call.module is not None else []


def _filled(text: str, tokens: Mapping[str, str]) -> str:
    for name, value in tokens.items():
        text = text.replace("{" + name + "}", value)
    return text
