"""The words of a command, wherever they stand in it, and the folder that each is read in."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

from llm_loop.contract.command_line import program_name, split_statements
from llm_loop.contract.statements import Statement

_PYTHON = re.compile(r"(python|pypy|py)[0-9.w]*$")
_CHANGES_FOLDER = frozenset({"cd", "pushd", "chdir", "set-location", "sl", "push-location"})
_VALUED_FLAGS = frozenset({"-W", "-X"})
_SPECIAL_FLAGS = "IEPsS"  # what of an interpreter's flags decides where modules are found


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandWord:
    """Hold a word without its quotes, and the folder it is read in, relative to the repository (None: unknown)."""

    text: str
    folder: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonCall:
    """Hold one call of Python: the program as written, its special flags, and the script or module that it runs."""

    program: str | None
    flags: str
    script: str | None
    module: str | None
    folder: str | None


def words_of(command: str, shell: str, folder: str) -> list[CommandWord]:
    """Return all words, redirections and fed texts among them. Raises CommandError."""
    return [word for _, words in _statements(command, shell, folder) for word in words]


def texts_of(command: str, shell: str) -> list[str]:
    """Return the texts of all words, in their order. Raises CommandError."""
    return [word.text for word in words_of(command, shell, ".")]


def python_calls(command: str, shell: str, folder: str) -> list[PythonCall]:
    """Return the calls of Python, those through a starter of scripts (``torchrun``) among them. Raises CommandError."""
    found: list[PythonCall] = []
    for statement, words in _statements(command, shell, folder):
        texts = [word.text for word in words[: len(statement.words)]]
        here = words[0].folder if words else None
        at = next((n for n, text in enumerate(texts) if _PYTHON.fullmatch(program_name(text))), None)
        if at is not None:
            found.append(_python_call(texts[at], texts[at + 1 :], here))
        elif script := next((text for text in texts if text.lower().endswith(".py")), None):
            found.append(PythonCall(program=None, flags="", script=script, module=None, folder=here))
        elif "-m" in texts[1:-1]:
            module = texts[texts.index("-m", 1) + 1]
            found.append(PythonCall(program=None, flags="", script=None, module=module, folder=here))
    return found


def _python_call(program: str, arguments: list[str], folder: str | None) -> PythonCall:
    flags = ""
    at = 0
    while at < len(arguments) and arguments[at].startswith("-") and len(arguments[at]) > 1:
        flag = arguments[at]
        if flag.startswith("-m") or flag.startswith("-c"):
            rest = flag[2:] or next(iter(arguments[at + 1 :]), "")
            module = rest if flag.startswith("-m") else None
            return PythonCall(program=program, flags=flags, script=None, module=module, folder=folder)
        if not flag.startswith("--"):
            flags += "".join(char for char in flag[1:] if char in _SPECIAL_FLAGS and flag[:2] not in _VALUED_FLAGS)
        at += 2 if flag in _VALUED_FLAGS else 1
    script = arguments[at] if at < len(arguments) and arguments[at] != "-" else None
    return PythonCall(program=program, flags=flags, script=script, module=None, folder=folder)


def _statements(command: str, shell: str, folder: str) -> Iterator[tuple[Statement, list[CommandWord]]]:
    here: str | None = folder
    for statement in _flat(split_statements(command, shell)):
        texts = [word.text for word in statement.words]
        texts += [one.target for one in statement.redirects]
        texts += [statement.here_text] if statement.here_text is not None else []
        yield statement, [CommandWord(text=text, folder=here) for text in texts]
        if len(statement.words) >= 2 and program_name(statement.words[0].text) in _CHANGES_FOLDER:
            here = _after(here, statement.words[-1].text)


def _flat(statements: tuple[Statement, ...]) -> Iterator[Statement]:
    for statement in statements:
        yield statement
        yield from _flat(statement.inner)


def _after(here: str | None, target: str) -> str | None:
    """Return the folder after a change to ``target``; None where it cannot be told."""
    target = target.replace("\\", "/")
    if here is None or target.startswith(("/", "~", "-", "{")) or re.search(r"[$%`:*?]", target):
        return None
    return posixpath.normpath(posixpath.join(here, target))
