"""Turn a command line of the configuration into a program and its arguments: no shell reads it."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from llm_loop.errors import CommandError
from llm_loop.system.processes import resolve_program


def argv_of(command: str, cwd: Path) -> tuple[str, ...]:
    """Return the absolute program and the arguments of a command line; on Windows a backslash is a letter of a path.

    A program named with a folder is sought from ``cwd``, another one on PATH. Raises CommandError when it is not
    there, when it is a batch file, when a quote is not closed, or when there is no word at all.
    """
    lexer = shlex.shlex(command, posix=True, punctuation_chars=False)
    lexer.whitespace_split = True
    lexer.commenters = ""
    lexer.escape = "" if os.name == "nt" else "\\"
    try:
        words = list(lexer)
    except ValueError as error:
        raise CommandError(f"a command of the configuration cannot be read: {str(error).lower()}") from error
    if not words:
        raise CommandError("a command of the configuration holds no word")
    return (resolve_program(words[0], os.environ.get("PATH", os.defpath), cwd), *words[1:])
