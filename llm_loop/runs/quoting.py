"""Where the characters of a command stand, and paths put into it, quoted for the place.

Two kinds of shell: ``posix`` (bash, sh) and ``powershell``. The tokens ``{run_dir}`` and
``{workspace}`` are single private characters while a text is looked at. Known limits, where a path is
not quoted for its place: a PowerShell here-string, behind a lone escape character, and in bash
``${name:-...}`` inside double quotes and paths that hold backquotes inside backquotes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from llm_loop.errors import CommandError

POSIX, POWERSHELL = "posix", "powershell"

_HIDDEN = {"{run_dir}": "\ue000", "{workspace}": "\ue001"}
_WORD_ENDS = set(" \t\r\n;|&<>(),'\"")
_COMMENT = {POSIX: re.compile(r"#[^\n]*"), POWERSHELL: re.compile(r"<#.*?#>|#[^\n]*", re.DOTALL)}
_HERE = re.compile(r"<<(?!<)(-?)[ \t]*(\\?)(['\"]?)([\w.-]+)\3")
_ASSIGNMENT = re.compile(r"\$[\w:]+[+-]?=")
# PowerShell takes typographic quotes for quotes
_SINGLE = re.compile("(['\u2018\u2019\u201a\u201b])")
_DOUBLE = re.compile('(["$`\u201c\u201d\u201e])')


def hide_tokens(text: str) -> str:
    """Return ``text`` with each token as one character."""
    for token, mark in _HIDDEN.items():
        text = text.replace(token, mark)
    return text


def show_tokens(text: str) -> str:
    """Return ``text`` with its tokens as people write them."""
    for token, mark in _HIDDEN.items():
        text = text.replace(mark, token)
    return text


def fill_plain(word: str, tokens: Mapping[str, str]) -> str:
    """Replace the tokens of a word that no shell will read."""
    for name, path in tokens.items():
        word = word.replace("{" + name + "}", path)
    return word


def fill_quoted(command: str, kind: str, tokens: Mapping[str, str]) -> str:
    """Replace the tokens of a shell text, each quoted for its place; nothing else is touched.

    Raises CommandError on an open quote.
    """
    hidden = hide_tokens(command)
    if not _has_token(hidden):
        return command
    where = contexts(hidden, kind)
    pieces: list[str] = []
    position = 0
    while position < len(hidden):
        end = position + 1
        if where[position] == "bare" and hidden[position] not in _WORD_ENDS:
            while end < len(hidden) and where[end] == "bare" and hidden[end] not in _WORD_ENDS:
                end += 1
        piece = hidden[position:end]
        pieces.append(_filled(piece, where[position], kind, tokens) if _has_token(piece) else piece)
        position = end
    return "".join(pieces)


def contexts(text: str, kind: str) -> list[str]:
    """Return the context of each character.

    ``bare``, ``single``, ``double``; ``open`` and ``close`` for the marks themselves; ``comment``;
    ``here`` and ``raw`` for here-documents whose text the shell expands or leaves alone. A
    substitution inside double quotes begins anew. Raises CommandError on an open quote.
    """
    return _Scanner(text, kind).scan()


class _Scanner:
    """Walk once over a text. ``_levels`` are the open quotes, "" for bare text, innermost last."""

    def __init__(self, text: str, kind: str) -> None:
        self._text, self._kind = text, kind
        self._found: list[str] = []
        self._levels = [""]
        self._here: list[tuple[str, str]] = []

    def scan(self) -> list[str]:
        escape = "\\" if self._kind == POSIX else "`"
        while (position := len(self._found)) < len(self._text):
            char, level = self._text[position], self._levels[-1]
            context = {"'": "single", '"': "double"}.get(level, "bare")
            if char == escape and level != "'":
                self._found += [context] * min(2, len(self._text) - position)
            elif context != "bare":
                self._quoted(char, level, context)
            elif not self._took_more(position):
                self._bare(char, level)
        if quote := next((level for level in self._levels if level and level in "'\""), ""):
            raise CommandError(f"the command has an open {quote} quote")
        return self._found

    def _quoted(self, char: str, level: str, context: str) -> None:
        if char == level:
            self._levels.pop()
            self._found.append("close")
            return
        self._found.append(context)
        if level == '"' and char == "(" and self._text[: len(self._found) - 1].endswith("$"):
            self._levels.append("")
        elif level == '"' and char == "`":
            self._levels.append("`")

    def _bare(self, char: str, level: str) -> None:
        if char in "'\"":
            self._levels.append(char)
            self._found.append("open")
            return
        self._found.append("bare")
        if char == "(":
            self._levels.append("")
        elif (char == ")" and level == "" and len(self._levels) > 1) or (char == "`" and level == "`"):
            self._levels.pop()

    def _took_more(self, position: int) -> bool:
        """Take a comment, the head of a here-document, or the bodies that follow a line; tell whether one was there."""
        before = self._text[position - 1] if position else "\n"
        if before in " \t\r\n;|&(" and (match := _COMMENT[self._kind].match(self._text, position)):
            self._found += ["comment"] * len(match[0])
            return True
        if self._kind == POSIX and before != "<" and (match := _HERE.match(self._text, position)):
            self._here.append((match[4], "raw" if match[2] or match[3] else "here"))
            self._found += ["bare"] * len(match[0])
            return True
        if self._text[position] == "\n" and self._here:
            self._found.append("bare")
            for word, context in self._here:
                body = re.compile(rf".*?^\t*{re.escape(word)}$|.*", re.DOTALL | re.MULTILINE)
                match = body.match(self._text, len(self._found))
                self._found += [context] * (len(match[0]) if match else 0)
            self._here.clear()
            return True
        return False


def _has_token(text: str) -> bool:
    return any(mark in text for mark in _HIDDEN.values())


def _filled(piece: str, context: str, kind: str, tokens: Mapping[str, str]) -> str:
    """Return a piece of one context with its tokens replaced."""
    if kind == POWERSHELL and context == "bare":
        return _powershell_word(piece, tokens)
    quoted = {mark: _quoted_path(fill_plain(token, tokens), context, kind) for token, mark in _HIDDEN.items()}
    return "".join(quoted.get(char, char) for char in piece)


def _quoted_path(path: str, context: str, kind: str) -> str:
    if context in ("comment", "raw"):
        return path
    if kind == POSIX:
        inner = path.replace("'", "'\\''")
        special = {"double": '(["$`\\\\])', "here": "([$`\\\\])"}.get(context)
        if special is not None:
            return re.sub(special, r"\\\1", path)
        return inner if context == "single" else f"'{inner}'"
    return _SINGLE.sub(r"\1\1", path) if context == "single" else _DOUBLE.sub(r"`\1", path)


def _powershell_word(word: str, tokens: Mapping[str, str]) -> str:
    """Quote a whole bare word: PowerShell would end an argument at a closing quote in its middle.

    What stands left of an assignment stays outside the quotes, variables stay variables.
    """
    head = match[0] if (match := _ASSIGNMENT.match(word)) else ""
    rest = word[len(head) :]
    if "$" in rest:
        return f'{head}"{_filled(rest, "double", POWERSHELL, tokens)}"'
    inner = _SINGLE.sub(r"\1\1", fill_plain(show_tokens(rest), tokens))
    return f"{head}'{inner}'"
