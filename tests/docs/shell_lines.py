"""Take a line of the documents apart: which program it calls, with which words."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from bootstrap import split_arguments

_LOOP = ("llm-loop", ".venv/bin/llm-loop", ".venv\\Scripts\\llm-loop.exe")
_PYTHON = ("python", "python3", ".venv/bin/python")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Hold a call. ``program``: ``llm-loop``, a script such as ``tests/chaos/run.py``, a module such as ``-m pip``."""

    program: str
    words: tuple[str, ...]


def call_of(line: str) -> Call:
    """Return the call of a shell line without its comment; ValueError for a line that calls nothing known.

    What ``bootstrap.py`` hands over to the loop is a call of ``llm-loop``.
    """
    parts = _parts(line)
    if not parts:
        raise ValueError(f"no command: {line!r}")
    head, *rest = parts
    if head in _LOOP:
        return Call(program="llm-loop", words=tuple(rest))
    if head not in _PYTHON or not rest:
        raise ValueError(f"no rule for the program {head!r}: {line!r}")
    if rest[0] == "-m" and len(rest) > 1:
        return Call(program=f"-m {rest[1]}", words=tuple(rest[2:]))
    script, *words = rest
    if script != "scripts/bootstrap.py":
        return Call(program=script, words=tuple(words))
    _, before, verb, after = split_arguments(words)
    own = verb in ("install", "test")
    return Call(program=script if own else "llm-loop", words=(*before, verb, *after))


def _parts(line: str) -> list[str]:
    """Split as a POSIX shell does, but for backslashes, which are those of Windows; a redirection ends the line."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.escape, lexer.commenters = True, "", "#"
    parts = list(lexer)
    return parts[: parts.index("<")] if "<" in parts else parts
