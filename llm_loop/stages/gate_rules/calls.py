"""One program about to start, and how to read its arguments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from llm_loop.contract.command_line import Redirect, is_powershell
from llm_loop.stages.gate_rules.python_code import PythonFacts

UNKNOWN = "$unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Hold one program about to start in ``folder`` (a real path).

    ``program`` is its plain name in lower case, "" for an assignment or another text that starts
    nothing. ``fed`` says that something is piped or redirected into it.
    """

    program: str
    arguments: tuple[str, ...]
    folder: str
    shell: str
    fed: bool = False
    redirects: tuple[Redirect, ...] = ()

    @property
    def folds_case(self) -> bool:
        """Whether its shell takes arguments in any case."""
        return self.shell == "cmd" or is_powershell(self.shell)


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """Hold Python code that would run in ``folder``, and what was read in it."""

    text: str
    facts: PythonFacts
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Hold the text of a file that the run would read."""

    name: str
    text: str
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Hold one change of folder; ``path`` is None when it cannot be told."""

    target: str
    path: str | None
    has_wildcards: bool


def matches(patterns: Iterable[str], text: str, *, folds_case: bool = False) -> bool:
    """Say whether ``text`` fits one of the shell patterns."""
    if folds_case:
        text = text.lower()
        patterns = [pattern.lower() for pattern in patterns]
    return any(pattern == text or fnmatchcase(text, pattern) for pattern in patterns)


def operands(
    arguments: Sequence[str], options_with_value: Sequence[str] = (), *, folds_case: bool = False
) -> list[str]:
    """Return the arguments that are neither options nor the values of options."""
    return [arguments[index] for index in operand_places(arguments, options_with_value, folds_case=folds_case)]


def operand_places(
    arguments: Sequence[str], options_with_value: Sequence[str] = (), *, folds_case: bool = False
) -> Iterator[int]:
    """Yield where the operands stand; a lone ``-`` is one, and all is one after ``--``."""
    index = 0
    while index < len(arguments):
        word = arguments[index]
        if word == "--":
            yield from range(index + 1, len(arguments))
            return
        if word.startswith("-") and word != "-":
            index += 1 if matches(options_with_value, word, folds_case=folds_case) else 0
        else:
            yield index
        index += 1
