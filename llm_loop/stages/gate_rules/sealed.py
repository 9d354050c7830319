"""Find what reaches the sealed test rows: by path, by flag or setting, by loader.

Also what reaches into ``codex_home``, the folder that holds a login, and what reaches for code that is not the
run's own: another checkout, which nobody has accepted and which changes under the run, or the version store.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from llm_loop.contract.command_policy import SealedRules
from llm_loop.stages.gate_rules.calls import Call, Code, Text, matches
from llm_loop.stages.gate_rules.places import Places
from llm_loop.stages.gate_rules.verdict import GateIssue

_PART = re.compile(r"[,;:]")
_TOKEN = re.compile(r"[^\s\"'`,;()\[\]<>|=]+")
_VALUE_PART = re.compile(r"[^\s+,;|:\[\](){}\"']+")
_COMMENT = re.compile(r"(?m)(?:^|(?<=\s))(?:#|//).*$")
_SETTING = re.compile(
    r"(?<![\w.\-])([A-Za-z_][\w.\-/]{0,80})[\"']?[ \t]{0,20}[:=](?![=:])[ \t]{0,20}"
    r"(\[[^\]\n]{0,300}|\"[^\"\n]{0,300}|'[^'\n]{0,300}|[^,}\s#\n)]{1,120})"
)
_LIST_SETTING = re.compile(
    r"(?m)^[ \t]{0,80}([\w.\-]{1,80})[ \t]{0,20}:[ \t]{0,20}\n((?:[ \t]{0,80}-[^\n]{0,80}\n?){1,20})"
)
_TRUE = ("true", "1", "yes", "on")


class SealedCheck:
    """Judge calls, code and texts."""

    def __init__(self, rules: SealedRules, places: Places, text_programs: Sequence[str]) -> None:
        self.rules = rules
        self.places = places
        self.text_programs = frozenset(text_programs)
        self.sealed_name = places.sealed.replace("\\", "/").rpartition("/")[2]
        self._settings = frozenset(map(_plain, rules.settings))
        self._switches = frozenset(map(_plain, rules.switches))
        self._values = frozenset(value.lower() for value in rules.values)
        self._loaders = _loader_pattern(rules.loaders)

    def judge_call(self, call: Call) -> Iterator[GateIssue]:
        """Yield an issue when an argument names sealed rows, or a path leads to them."""
        arguments = () if call.program in self.text_programs else call.arguments
        for word in (*arguments, *(one.target for one in call.redirects)):
            yield from self._path(word, call.folder)
        yield from self._flags(arguments, starts_program=bool(call.program))

    def judge_code(self, code: Code) -> Iterator[GateIssue]:
        """Yield an issue for loaders, settings and paths in Python code."""
        facts = code.facts
        loader = next((name for name in facts.names if self._is_loader(name)), None)
        loader = loader or next((text for text in facts.texts if text in self.rules.loaders), None)
        if loader is None and not facts.parsed and (found := self._loaders.search(_COMMENT.sub("", code.text))):
            loader = found[0]
        if loader:
            yield _sealed(f"{loader} loads rows that are sealed for the final test", "use the reference trainer")
        yield from self._settings_in(code.text)
        texts = facts.texts if facts.parsed else _TOKEN.findall(code.text)
        for text in dict.fromkeys(texts):
            if len(text) < 1000:
                yield from self._path(text, code.folder)

    def judge_text(self, text: Text) -> Iterator[GateIssue]:
        """Yield an issue for settings, paths and loaders in a file that is not Python."""
        if text.name.lower().endswith(".py"):
            return
        plain = _COMMENT.sub("", text.text)
        yield from self._settings_in(plain)
        if found := self._loaders.search(plain):
            yield _sealed(f"{found[0]} loads rows that are sealed for the final test", "use the reference trainer")
        for token in dict.fromkeys(_TOKEN.findall(plain)):
            if ("/" in token or "\\" in token or self.sealed_name in token) and len(token) < 1000:
                yield from self._path(token, text.folder)

    def _is_loader(self, name: str) -> bool:
        last = name.rpartition(".")[2]
        return any(fnmatchcase(name if "." in pattern else last, pattern) for pattern in self.rules.loaders)

    def _flags(self, arguments: Sequence[str], *, starts_program: bool) -> Iterator[GateIssue]:
        for index, word in enumerate(arguments):
            name, joint, value = word.partition("=")
            is_flag = word.startswith("-") and starts_program
            if not is_flag and not joint:
                continue
            if not joint and index + 1 < len(arguments):
                value = arguments[index + 1]
            plain = _plain(name)
            if plain in self._settings and self._is_sealed_value(value):
                yield _sealed(f"{name} {value[:40]} reads the sealed test rows", "evaluate on the validation rows")
            elif plain in self._switches and ((not joint and is_flag) or value.lower() in _TRUE):
                yield _sealed(f"{name} reads the sealed test rows", "evaluate on the validation rows")

    def _settings_in(self, text: str) -> Iterator[GateIssue]:
        for found in (*_SETTING.finditer(text), *_LIST_SETTING.finditer(text)):
            name, value = _plain(found[1]), found[2]
            if name in self._settings and self._is_sealed_value(value.replace("\n", " ").replace(" - ", " ")):
                shown = " ".join(value.strip("\"'[").split())[:40]
                yield _sealed(f"{found[1]}: {shown} reads the sealed test rows", "evaluate on the validation rows")
            elif name in self._switches and value.strip("\"'").lower() in _TRUE:
                yield _sealed(f"{found[1]} reads the sealed test rows", "evaluate on the validation rows")

    def _is_sealed_value(self, value: str) -> bool:
        return any(part.lower() in self._values for part in _VALUE_PART.findall(value[:400]))

    def _path(self, word: str, folder: str) -> Iterator[GateIssue]:
        for piece in _pieces(word):
            names = piece.replace("\\", "/").split("/")
            path = self.places.resolve(piece, folder)
            if self.sealed_name in names or (path is not None and self.places.is_sealed(path)):
                yield _sealed(f"{piece[:80]!r} leads to the sealed test rows", "use the training and validation rows")
                return
            if matches(self.rules.files, names[-1]):
                yield _sealed(f"{piece[:80]!r} holds sealed test rows", "use the reference trainer")
                return
            if "codex_home" in names or (path is not None and self.places.is_codex_home(path)):
                yield GateIssue(
                    code="private_folder_access",
                    message=f"{piece[:80]!r} leads to the folder that holds a login",
                    fix="leave it out: a run has no use for it",
                )
                return
            named = ".llm_loop" in names or self.places.is_protected(folder)
            if named and path is not None and self.places.is_foreign_code(path):
                yield GateIssue(
                    code="foreign_code_access",
                    message=f"{piece[:80]!r} leads to code of the loop's that is not this run's",
                    fix="name files relative to the training repository; the loop runs a change in its own checkout",
                )
                return


def _pieces(word: str) -> list[str]:
    """Return the parts of a word that may be paths: itself, a value after ``=``, members of a list."""
    pieces = [word]
    if "=" in word:
        pieces.append(word.partition("=")[2])
    if _PART.search(word):
        pieces += _PART.split(word)
    return [piece for piece in dict.fromkeys(pieces) if piece]


def _plain(name: str) -> str:
    """Return the last part of a flag or setting, in one spelling: ``--data.eval-split`` is ``eval_split``."""
    return re.split(r"[./]", name.lstrip("-+~"))[-1].replace("-", "_").lower()


def _loader_pattern(loaders: Sequence[str]) -> re.Pattern[str]:
    names = [re.escape(name).replace(r"\*", r"\w*") for name in loaders]
    # A plain word such as `sealed` may stand in any text; only names that look like functions count there.
    names = [name for name in names if "_" in name]
    return re.compile(rf"(?<!\w)(?:{'|'.join(names) or '(?!)'})(?!\w)")


def _sealed(message: str, fix: str) -> GateIssue:
    return GateIssue(code="sealed_test_access", message=message, fix=fix)
