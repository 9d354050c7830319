"""Change single words of a command and leave the rest of its text as it is. Pure.

A change is tried where the old word stands, in a few ways of quoting, and counts only when the shell's own reading of
the new text gives exactly the wanted words, the new one free of anything that the shell would replace. So nothing of a
name, a path or a number can become shell text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llm_loop.contract.command_line import split_statements
from llm_loop.contract.statements import Statement, Word
from llm_loop.errors import CommandError

_PLAIN = re.compile(r"[\w./:\\=,+-]+", re.ASCII)
_CONFIG_FLAGS = frozenset({"--config", "--cfg", "--conf", "--config-file", "--config_file", "--config-path"})
_CONFIG_ENDS = (".yaml", ".yml", ".json")
_KEY_AND_VALUE = re.compile(r"(?P<key>[+]{0,2}-{0,2}[A-Za-z_][\w.-]{0,120})=(?P<value>.*)", re.DOTALL)
_MOST_PLACES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Hold one value that a command gives: the key as written without dashes, the value, and the word it is in."""

    key: str
    value: str
    word: int
    opening: str

    def with_value(self, value: str) -> str:
        """Return the word with another value in it."""
        return f"{self.opening}{value}"


def settings_in(command: str, shell: str) -> list[Setting]:
    """Return the values that a command gives: ``--key value``, ``--key=value``, ``key=value``. Raises CommandError."""
    words = [word.text for word in _words(command, shell)]
    found: list[Setting] = []
    for at, text in enumerate(words):
        if match := _KEY_AND_VALUE.fullmatch(text):
            key, value = match["key"].lstrip("-+"), match["value"]
            found.append(Setting(key=key, value=value, word=at, opening=text[: len(text) - len(value)]))
        elif text.startswith("-") and len(text) > 1 and at + 1 < len(words) and not words[at + 1].startswith("--"):
            found.append(Setting(key=text.lstrip("-"), value=words[at + 1], word=at + 1, opening=""))
    return found


def config_in(command: str, shell: str) -> Setting | None:
    """Return the config file that a command names by its flag; None without one. Raises CommandError."""
    flags = {flag.lstrip("-") for flag in _CONFIG_FLAGS}
    named = [one for one in settings_in(command, shell) if one.key in flags]
    return next((one for one in named if one.value.lower().endswith(_CONFIG_ENDS)), None)


def with_config(command: str, shell: str, path: str) -> str | None:
    """Return the command with another config file; None where it names none or the path cannot be written there."""
    config = config_in(command, shell)
    return None if config is None else with_words(command, shell, {config.word: config.with_value(path)})


def with_words(command: str, shell: str, new: dict[int, str]) -> str | None:
    """Return the command with some of its words replaced, by their place; None where that cannot be done safely.

    Raises CommandError for a command that cannot be read.
    """
    for at, text in new.items():
        changed = _with_word(command, shell, at, text)
        if changed is None:
            return None
        command = changed
    return command


def _with_word(command: str, shell: str, at: int, new: str) -> str | None:
    words = _words(command, shell)
    if at >= len(words) or not new or not new.isprintable():
        return None
    wanted = [*(word.text for word in words[:at]), new, *(word.text for word in words[at + 1 :])]
    for candidate in _candidates(command, words[at].text, new):
        try:
            read = _words(candidate, shell)
        except CommandError:  # a quote of the new word opened something
            continue
        if [word.text for word in read] == wanted and (_PLAIN.fullmatch(new) or not read[at].expands):
            return candidate
    return None


def _candidates(command: str, old: str, new: str) -> Iterator[str]:
    """Yield texts in which one place of the old word, or of its value alone, holds the new one, plain or in quotes."""
    yield from _in_place(command, old, new)
    opening = old[: old.find("=") + 1]
    if opening and new.startswith(opening):
        yield from _in_place(command, old[len(opening) :], new[len(opening) :])


def _in_place(command: str, old: str, new: str) -> Iterator[str]:
    forms = [form for one in _spellings(new) for form in (one, f"'{one}'")]
    for start, end in (place for one in _spellings(old) for place in _places(command, one)):
        for form in forms:
            yield command[:start] + form + command[end:]
        if start > 0 and command[start - 1 : start] == command[end : end + 1] and command[end] in "\"'":
            for form in forms:
                yield command[: start - 1] + form + command[end + 1 :]


def _spellings(text: str) -> list[str]:
    """Return how a text may be written between single quotes: as it is, as PowerShell and as bash write its quotes."""
    return [text] if "'" not in text else [text, text.replace("'", "''"), text.replace("'", "'\\''")]


def _places(command: str, old: str) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    start = command.find(old) if old else -1
    while start >= 0 and len(found) < _MOST_PLACES:
        found.append((start, start + len(old)))
        start = command.find(old, start + 1)
    return found


def _words(command: str, shell: str) -> list[Word]:
    return list(_flat(split_statements(command, shell)))


def _flat(statements: Sequence[Statement]) -> Iterator[Word]:
    for statement in statements:
        yield from statement.words
        yield from _flat(statement.inner)
