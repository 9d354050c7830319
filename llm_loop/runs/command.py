"""From a decision's command to what is really started.

A command that is one program with plain arguments is started directly. Any other goes, as a file,
through the wrapper of its shell, so that a failing program is never taken for a success (bash:
``set -eo pipefail``; PowerShell: the wrapper below). ``{run_dir}`` and ``{workspace}`` are replaced
by paths, quoted for the place where they stand; nothing else of the command is touched.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from llm_loop.runs.quoting import POSIX, POWERSHELL, contexts, fill_plain, fill_quoted, hide_tokens, show_tokens

_POSIX_SHELLS = ("bash", "sh")
_BARE_SPECIAL = {POSIX: set("$`*?[]~{}!#;&|<>()\n\r=%\\"), POWERSHELL: set("$`*?[]{}@#;&|<>(),\n\r%")}
_DOUBLE_SPECIAL = {POSIX: set("$`\\!"), POWERSHELL: set("$`")}
# Words that only the shell itself understands; a command that begins with one needs it.
_BUILTINS = {
    POSIX: set(
        "! . [[ alias builtin cd command declare eval exec exit export for function if case let local pushd read "
        "return select set shift shopt source time trap type ulimit umask unalias unset until wait while".split()
    ),
    POWERSHELL: set(
        ". cat cd clear copy cp dir echo exit foreach for function if ls mkdir move mv param popd pushd pwd return rm "
        "sleep switch throw trap try type using while write".split()
    ),
}
_CMDLET = re.compile(r"[A-Z][a-z]+-[A-Z]\w+$")

POWERSHELL_WRAPPER = """\
param([Parameter(Mandatory)][string]$CommandFile)
$ErrorActionPreference = 'Stop'
# From 7.4 on a failing program stops the script; 5.1 ignores this line.
$PSNativeCommandUseErrorActionPreference = $true
$global:LASTEXITCODE = 0
try { & $CommandFile } catch {
    [Console]::Error.WriteLine("$_")
    if ($LASTEXITCODE) { exit $LASTEXITCODE }
    exit 1
}
exit $LASTEXITCODE
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartForm:
    """Hold how a command is started: argv, and the files (name to text) that must lie in the run's folder."""

    argv: tuple[str, ...]
    files: Mapping[str, str]


@lru_cache(maxsize=8)
def choose_shell(run_shell: str) -> str:
    """Return the shell of run commands: ``auto`` is PowerShell on Windows and bash elsewhere.

    A PowerShell that is asked for but missing falls to the other one, bash to sh. Looked up once.
    """
    if run_shell == "auto":
        run_shell = "pwsh" if sys.platform == "win32" else "bash"
    order = {"pwsh": ("pwsh", "powershell"), "powershell": ("powershell", "pwsh")}.get(run_shell, (run_shell, "sh"))
    return next((name for name in order if shutil.which(name)), order[0])


def start_form(command: str, shell: str, folder: Path, tokens: Mapping[str, str]) -> StartForm:
    """Return how ``command`` is started.

    ``folder`` is where the files of the form will lie; ``tokens`` maps names such as ``run_dir`` to
    paths. Raises CommandError on an open quote.
    """
    words = direct_words(command, shell)
    if words is not None:
        return StartForm(argv=tuple(fill_plain(word, tokens) for word in words), files={})
    text = fill_quoted(command, _kind(shell), tokens)
    if shell in _POSIX_SHELLS:
        options = "set -eo pipefail" if shell == "bash" else "set -e"
        return StartForm(argv=(shell, str(folder / "command.sh")), files={"command.sh": f"{options}\n{text}\n"})
    files = {"command.ps1": f"\ufeff{text}\n", "wrapper.ps1": POWERSHELL_WRAPPER}
    flags = ("-NoLogo", "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass")
    argv = (shell, *flags, "-File", str(folder / "wrapper.ps1"), str(folder / "command.ps1"))
    return StartForm(argv=argv, files=files)


def direct_words(command: str, shell: str) -> list[str] | None:
    """Return the words of a command that is one program with plain arguments, else None.

    The tokens ``{run_dir}`` and ``{workspace}`` count as plain text. Raises CommandError on an open
    quote.
    """
    kind = _kind(shell)
    text = hide_tokens(command.strip())
    words: list[str] = []
    word: str | None = None
    closed_at = -2
    for position, (char, context) in enumerate(zip(text, contexts(text, kind), strict=True)):
        special = char in (_BARE_SPECIAL if context == "bare" else _DOUBLE_SPECIAL)[kind] and context != "single"
        special = special or context in ("comment", "here", "raw")
        if context in ("open", "close"):
            doubled = kind == POWERSHELL and context == "open" and position == closed_at + 1
            word = (word or "") + (char if doubled else "")
            closed_at = position if context == "close" else closed_at
        elif context == "bare" and char in " \t":
            if word is not None:
                words.append(word)
            word = None
        elif special and not (context == "bare" and char == "=" and words):  # FLAG=x is fine behind the program's name
            return None
        else:
            word = (word or "") + char
    if word is not None:
        words.append(word)
    if not words or _is_builtin(words[0], kind):
        return None
    return [show_tokens(entry) for entry in words]


def _kind(shell: str) -> str:
    return POSIX if shell in _POSIX_SHELLS else POWERSHELL


def _is_builtin(word: str, kind: str) -> bool:
    if kind == POSIX:
        return word in _BUILTINS[POSIX]
    return word.lower() in _BUILTINS[POWERSHELL] or _CMDLET.match(word) is not None
