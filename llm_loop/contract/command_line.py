"""Split a command into statements and words, as the shell that will run it does."""

from __future__ import annotations

import re

from llm_loop.contract.command_reader import Reader
from llm_loop.contract.posix_reader import PosixReader
from llm_loop.contract.statements import Redirect, Statement, Word
from llm_loop.contract.windows_readers import CmdReader, PowerShellReader
from llm_loop.errors import CommandError

__all__ = ["Redirect", "Statement", "Word", "is_powershell", "program_name", "split_statements"]

_POSIX = ("bash", "sh", "dash", "zsh", "ksh")
_POWERSHELL = ("pwsh", "powershell")
_ENDING = re.compile(r"\.(exe|cmd|bat|com)$")


def split_statements(command: str, shell: str) -> tuple[Statement, ...]:
    """Split ``command`` at ``;``, ``&&``, ``||``, ``|``, ``&`` and line breaks outside quotes.

    ``shell`` is one of bash, sh, dash, zsh, ksh, pwsh, powershell, cmd. ``{run_dir}`` and
    ``{workspace}`` are parts of words in all of them. Raises CommandError when a quote, group or
    substitution is not closed, when the text is nested too deeply, or when the shell is unknown.
    """
    return _reader(command, shell).statements()


def _reader(command: str, shell: str) -> Reader:
    if shell in _POWERSHELL:
        return PowerShellReader(command)
    if shell == "cmd":
        return CmdReader(command)
    if shell in _POSIX:
        return PosixReader(command)
    raise CommandError(f"unknown shell {shell!r}: known are {', '.join((*_POSIX, *_POWERSHELL, 'cmd'))}")


def is_powershell(shell: str) -> bool:
    """Say whether ``shell`` is one of the two PowerShells."""
    return shell in _POWERSHELL


def program_name(word: str) -> str:
    """Return the name of the program that ``word`` starts: no folder, no ``.exe``, lower case."""
    name = word.replace("\\", "/").rstrip("/").rpartition("/")[2] or word
    return _ENDING.sub("", name.lower())
