"""Tell a statement's program from keywords and assignments, and where nested shells hold their text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from llm_loop.contract.command_line import Word, is_powershell

SHELLS = ("bash", "sh", "dash", "zsh", "ksh", "pwsh", "powershell", "cmd")
CHANGES_FOLDER = ("cd", "chdir", "pushd", "set-location", "push-location", "sl")
GOES_BACK = ("popd", "pop-location")
EVALUATES = ("eval", "iex", "invoke-expression")
READS_FILES = ("cat", "type", "gc", "get-content", "set-location", "cd", "sl")

_PYTHON = re.compile(r"(python|pypy)w?[\d.]*|py")
_ASSIGNMENT = re.compile(r"(\w+)\+?=(.*)", re.DOTALL)
_POWERSHELL_ASSIGNMENT = re.compile(r"\$(?:env:)?\{?(\w+)\}?\+?=(.*)", re.DOTALL)
_LEADING = frozenset(("if", "then", "else", "elif", "while", "until", "do", "!", "{", "time", "coproc"))
_STARTS_NOTHING = frozenset(("for", "case", "select", "fi", "done", "esac", "}", "[[", "[", "in"))
_POWERSHELL_OPTIONS_WITH_VALUE = ("-ex", "-ep", "-w", "-v", "-inp", "-if", "-o", "-con", "-cus")


def is_python(program: str) -> bool:
    """Say whether a program (its plain name) is a Python interpreter."""
    return _PYTHON.fullmatch(program) is not None


def assignment(text: str, shell: str) -> tuple[str, str] | None:
    """Return name and value when ``text`` is an assignment without blanks, or None."""
    found = (_POWERSHELL_ASSIGNMENT if is_powershell(shell) else _ASSIGNMENT).fullmatch(text)
    return (found[1], found[2]) if found else None


def program_words(words: Sequence[Word], shell: str) -> Sequence[Word]:
    """Leave out what stands before a program: keywords, function heads, ``return``, ``@``."""
    if is_powershell(shell):
        return words[1:] if words and words[0].text.lower() in ("return", ".") and len(words) > 1 else words
    if shell == "cmd":
        return _cmd_words(words)
    begin = 0
    while begin < len(words) and not words[begin].quoted and words[begin].text in _LEADING:
        begin += 1
    words = words[begin:]
    if len(words) > 2 and words[0].text == "function":
        words = words[1:]
    if len(words) > 1 and words[1].text == "{" and not words[1].quoted:
        words = words[2:]
    return words


def _cmd_words(words: Sequence[Word]) -> Sequence[Word]:
    names = [word.text.lower() for word in words]
    if names[:1] == ["for"] and "do" in names:
        return words[names.index("do") + 1 :]
    if names[:1] == ["if"]:
        skipped = 2 if names[1:2] == ["not"] else 1
        return words[skipped + (2 if names[skipped : skipped + 1] in (["exist"], ["defined"]) else 1) :]
    if words and words[0].text.startswith("@") and len(words[0].text) > 1:
        return [Word(text=words[0].text[1:], quoted=words[0].quoted), *words[1:]]
    return words


def starts_nothing(word: Word, shell: str) -> bool:
    """Say whether a statement that begins with ``word`` starts no program."""
    return not word.quoted and not is_powershell(shell) and shell != "cmd" and word.text in _STARTS_NOTHING


def shell_text(program: str, arguments: Sequence[str]) -> tuple[str | None, str | None]:
    """Return ``(text, script)``: the command given to a nested shell, or the script that it runs.

    Both are None when it reads its commands from its input. An encoded text is ``("$encoded", None)``.
    """
    if program == "cmd":
        return _cmd_text(arguments)
    return _powershell_text(arguments) if is_powershell(program) else _posix_text(arguments)


def _posix_text(arguments: Sequence[str]) -> tuple[str | None, str | None]:
    index = 0
    while index < len(arguments):
        word = arguments[index]
        if not word.startswith(("-", "+")):
            return None, word
        if re.fullmatch(r"-[a-zA-Z]*c[a-zA-Z]*", word):
            rest = [one for one in arguments[index + 1 :] if one not in ("-o", "pipefail")]
            return (rest[0] if rest else ""), None
        index += 2 if word in ("-o", "+o", "-O", "--rcfile", "--init-file") else 1
    return None, None


def _powershell_text(arguments: Sequence[str]) -> tuple[str | None, str | None]:
    index = 0
    while index < len(arguments):
        word = arguments[index].lower().replace("/", "-", 1)
        if not word.startswith("-"):
            return (" ".join(arguments[index:]), None) if not word.endswith(".ps1") else (None, arguments[index])
        if word == "-":
            return None, None
        if "-encodedcommand".startswith(word) or word == "-ec":
            return "$encoded", None
        if "-command".startswith(word) or word == "-cwa":
            rest = " ".join(arguments[index + 1 :])
            return (None, None) if rest == "-" else (rest, None)
        if "-file".startswith(word):
            return None, "".join(arguments[index + 1 : index + 2])
        index += 2 if word.startswith(_POWERSHELL_OPTIONS_WITH_VALUE) else 1
    return None, None


def _cmd_text(arguments: Sequence[str]) -> tuple[str | None, str | None]:
    for index, word in enumerate(arguments):
        if word[:2].lower() in ("/c", "/k", "/r"):
            return " ".join([word[2:], *arguments[index + 1 :]]).strip(), None
    return None, None


def python_source(arguments: Sequence[str]) -> tuple[str, int]:
    """Return what a Python interpreter runs and where that argument stands.

    Kinds: ``code`` (-c), ``module`` (-m), ``script``, ``input`` (it reads its code from its input).
    """
    index = 0
    while index < len(arguments):
        word = arguments[index]
        if word == "-":
            return "input", index
        if not word.startswith("-"):
            return "script", index
        if re.fullmatch(r"-[a-zA-Z]*?[cm]", word):
            return ("code" if word[-1] == "c" else "module"), index + 1
        if word in ("-V", "-VV", "--version", "-h", "--help", "--list") or word.startswith("-0"):
            return "script", index
        index += 2 if word in ("-W", "-X") else 1
    return "input", index
