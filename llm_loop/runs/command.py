"""From a decision's command to what is really started.

A command that is one program with plain arguments is started directly. Any other goes, as a file,
through the wrapper of its shell, so that a failing program is never taken for a success (bash:
``set -eo pipefail``; PowerShell: the wrapper below). ``{run_dir}`` and ``{workspace}`` are replaced
by paths, quoted for the place where they stand; nothing else of the command is touched.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from llm_loop.errors import CommandError

_POSIX_SHELLS = ("bash", "sh")
_BARE_SPECIAL = {"posix": set("$`*?[]~{}!#;&|<>()\n\r=%\\"), "powershell": set("$`*?[]{}@#;&|<>(),\n\r%")}
_DOUBLE_SPECIAL = {"posix": set("$`\\!"), "powershell": set("$`")}
_WORD_ENDS = set(" \t\r\n;|&<>()'\"")

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


def choose_shell(run_shell: str) -> str:
    """Return the shell of run commands: ``auto`` is PowerShell on Windows and bash elsewhere.

    A PowerShell that is asked for but missing falls to the other one, bash to sh.
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
        return StartForm(argv=tuple(_put_plain(word, tokens) for word in words), files={})
    text = _put_quoted(command, shell, tokens)
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
    text = _hide_tokens(command.strip())
    words: list[str] = []
    word: str | None = None
    closed_at = -2
    for position, (char, context) in enumerate(zip(text, _contexts(text, kind), strict=True)):
        special = char in (_BARE_SPECIAL if context == "bare" else _DOUBLE_SPECIAL)[kind] and context != "single"
        if context in ("open", "close"):
            doubled = kind == "powershell" and context == "open" and position == closed_at + 1
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
    return [_show_tokens(entry) for entry in words] or None


def _kind(shell: str) -> str:
    return "posix" if shell in _POSIX_SHELLS else "powershell"


def _contexts(text: str, kind: str) -> list[str]:
    """Return the context of each character: bare, single, double, or open and close for the marks.

    Raises CommandError on an open quote.
    """
    contexts, quote, skip = [], "", False
    escape = "\\" if kind == "posix" else "`"
    for char in text:
        context = {"": "bare", "'": "single", '"': "double"}[quote]
        if skip:
            skip = False
        elif char == escape and quote != "'":
            skip = True
        elif char in "'\"" and not quote:
            quote, context = char, "open"
        elif char == quote:
            quote, context = "", "close"
        contexts.append(context)
    if quote:
        raise CommandError(f"the command has an open {quote} quote")
    return contexts


_HIDDEN = {"{run_dir}": "\ue000", "{workspace}": "\ue001"}


def _hide_tokens(text: str) -> str:
    for token, mark in _HIDDEN.items():
        text = text.replace(token, mark)
    return text


def _show_tokens(text: str) -> str:
    for token, mark in _HIDDEN.items():
        text = text.replace(mark, token)
    return text


def _put_plain(word: str, tokens: Mapping[str, str]) -> str:
    for name, path in tokens.items():
        word = word.replace("{" + name + "}", path)
    return word


def _put_quoted(command: str, shell: str, tokens: Mapping[str, str]) -> str:
    """Replace the tokens of a shell text, each quoted for the place where it stands."""
    kind = _kind(shell)
    hidden = _hide_tokens(command)
    pieces: list[str] = []
    position = 0
    raw = _contexts(hidden, kind)
    while position < len(hidden):
        char, context = hidden[position], raw[position]
        if context == "bare" and char not in _WORD_ENDS:
            end = position
            while end < len(hidden) and raw[end] == "bare" and hidden[end] not in _WORD_ENDS:
                end += 1
            word = hidden[position:end]
            pieces.append(_quote(_filled(word, tokens), kind) if _has_token(word) else word)
            position = end
            continue
        pieces.append(_escaped(_filled(char, tokens), context, kind) if _has_token(char) else char)
        position += 1
    return "".join(pieces)


def _has_token(text: str) -> bool:
    return any(mark in text for mark in _HIDDEN.values())


def _filled(text: str, tokens: Mapping[str, str]) -> str:
    return _put_plain(_show_tokens(text), tokens)


def _quote(text: str, kind: str) -> str:
    inner = text.replace("'", "'\\''") if kind == "posix" else text.replace("'", "''")
    return f"'{inner}'"


def _escaped(text: str, context: str, kind: str) -> str:
    """Escape a path for the inside of quotes."""
    if context == "single":
        return _quote(text, kind)[1:-1]
    escape = "\\" if kind == "posix" else "`"
    return "".join(escape + char if char in '"$`' or (char == "\\" and kind == "posix") else char for char in text)
