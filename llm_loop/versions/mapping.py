"""Absolute paths of the repository in a command, led to the checkout instead.

Only the characters that name the repository are replaced, by ``{workspace}/...``, which a launch fills in
quoted for the place where it stands; all other quoting stays as it was written. The outcome is held against the
words that the shell will see: what does not come out as expected is refused, never guessed.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from llm_loop.contract.command_line import is_powershell
from llm_loop.errors import CommandError
from llm_loop.system.environment_scrubbing import without_secrets
from llm_loop.versions.command_words import texts_of, words_of
from llm_loop.versions.refusal import CodeRefused

_VARIABLE = re.compile(r"\$env:(\w+)|\$\{env:(\w+)\}|\$\{(\w+)\}|\$(\w+)|%(\w+)%", re.IGNORECASE)
_MEANS_CWD = frozenset({"PWD", "CD"})
_SHELL_CHARACTERS = re.compile(r"[\s'\"`$;|&<>()]")
_PLAIN_PATH = re.compile(r"[\w./:\\+-]+")
_FINDS_REPOSITORY = re.compile(r"rev-parse\s+--show-(toplevel|cdup)")
_USE_RELATIVE = "name it relative to the repository"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapper:
    """Map commands. ``token`` stands for the checkout, ``roots`` are the spellings of the repository's path."""

    roots: tuple[str, ...]
    token: str
    workspace: str
    shell: str
    variables: Mapping[str, str] = field(default_factory=lambda: without_secrets(os.environ))

    def map(self, command: str, folder: str) -> str:
        """Return the command with each repository path led to the checkout. ``folder``: where it runs.

        Raises CodeRefused that names what cannot be mapped.
        """
        try:
            mapped = self._pattern(raw=True).sub(lambda _: self.token, command)
            words = [self._mapped(text) for text in texts_of(command, self.shell)]
            self._check(words, texts_of(mapped, self.shell))
            self._check_climbing(mapped, folder)
        except CommandError as error:
            raise CodeRefused(f"the command cannot be read: {error}") from error
        if _FINDS_REPOSITORY.search(command):
            raise CodeRefused(f"the command asks git for the repository's folder: {_USE_RELATIVE}")
        return mapped

    def _mapped(self, word: str) -> str:
        mapped = self._pattern(raw=False).sub(lambda _: self.token, word)
        if mapped != word and _SHELL_CHARACTERS.search(mapped) and not _PLAIN_PATH.fullmatch(self.workspace):
            raise CodeRefused(f"{word[:120]!r} names the repository inside a nested text: {_USE_RELATIVE}")
        return mapped

    def _check(self, expected: Sequence[str], got: Sequence[str]) -> None:
        if list(expected) != list(got):
            odd = next((one for one, other in zip(expected, got, strict=False) if one != other), "")
            raise CodeRefused(f"a path of the repository cannot be mapped near {odd[:120]!r}: {_USE_RELATIVE}")
        for word in got:
            opened = self._opened(word)
            # what is left of the repository's name: hidden by a variable, or in a spelling that is not taken apart
            rest = opened if opened != word else word
            if self._pattern(raw=False).search(rest) or self._in_url(rest):
                raise CodeRefused(f"{word[:120]!r} names the repository, but cannot be mapped: {_USE_RELATIVE}")

    def _opened(self, word: str) -> str:
        """Return a word with the variables of the environment filled in."""

        def value(match: re.Match[str]) -> str:
            name = next(group for group in match.groups() if group is not None)
            return match[0] if name.upper() in _MEANS_CWD else self.variables.get(name, match[0])

        opened = _VARIABLE.sub(value, word)
        home = self.variables.get("HOME") or self.variables.get("USERPROFILE") or ""
        return re.sub(r"(?:(?<=^)|(?<=[=:\s]))~(?=[/\\]|$)", lambda _: home, opened) if home else opened

    def _in_url(self, word: str) -> bool:
        plain = [root.replace("\\", "/").lstrip("/") for root in self.roots]
        return any(re.search(f"file:/+{re.escape(root)}", word.replace("\\", "/"), re.IGNORECASE) for root in plain)

    def _check_climbing(self, command: str, folder: str) -> None:
        """Raise CodeRefused for a relative path that leaves the repository: beside the checkout lies something else."""
        for word in words_of(command, self.shell, folder):
            for piece in {word.text, word.text.rpartition("=")[2]}:
                path = piece.replace("\\", "/")
                if word.folder is None or ("/" not in path and path != "..") or re.search(r"[\s$`%{}*?]", path):
                    continue
                if path.startswith(("/", "~")) or re.match(r"[A-Za-z]:", path):
                    continue
                top = posixpath.normpath(posixpath.join(word.folder, path)).split("/")[0]
                if top in ("..", ".llm_loop"):
                    raise CodeRefused(f"{piece[:120]!r} does not lie in the checkout: name it by its absolute path")

    def _pattern(self, *, raw: bool) -> re.Pattern[str]:
        """Return what finds the repository's path: in the text as written, or in words without their quotes."""
        names = "|".join(_spelled(root, raw=raw, powershell=is_powershell(self.shell)) for root in self.roots)
        siblings = "|".join(re.escape(rest) for root in self.roots for rest in _longer_names(root))
        before = r"(?:(?<![\w.\-/\\~])|(?<=\s-[A-Za-z])|(?<=^-[A-Za-z]))"
        after = r"(?![\w.\-])" + ("" if is_powershell(self.shell) or not raw else r"(?!\\)")
        after += r"(?![/\\]+\.llm_loop(?![\w.\-]))"  # the loop's own files are where they are
        after += f"(?!(?:{siblings})(?:[/\\\\'\"\\s]|$))" if siblings else ""
        return re.compile(f"{before}(?:{names}){after}", re.IGNORECASE if os.name == "nt" else 0)


def spellings(repository: Path, workspace: Path) -> tuple[str, ...]:
    """Return the ways in which a repository's path may stand in a command, the longest first."""
    found = {str(repository), os.path.realpath(repository), os.path.abspath(repository)}  # noqa: PTH100
    for one in list(found):
        for root in (str(workspace), os.path.realpath(workspace)):
            if Path(one).is_relative_to(root):
                found.add("/".join(["{workspace}", *Path(one).relative_to(root).parts]))
    found = {one.rstrip("/\\") for one in found} - {""}
    return tuple(sorted(found, key=lambda one: (-len(one), one)))


def _spelled(root: str, *, raw: bool, powershell: bool) -> str:
    """Return a pattern for one spelling; ``raw`` allows the escapes of the shell."""
    pieces = []
    for char in root:
        if char in "/\\" and os.name == "nt":
            pieces.append(r"[\\/]+")
        elif not raw or char.isalnum() or char in "/._-":
            pieces.append(re.escape(char))
        elif char == "'":
            pieces.append(r"(?:''|`?')" if powershell else r"(?:'\\''|\\?')")
        else:
            pieces.append((r"`?" if powershell else r"\\?") + re.escape(char))
    return "".join(pieces)


def _longer_names(root: str) -> list[str]:
    """Return what neighbours of the repository have behind its name: ``/x/repo old`` is not in ``/x/repo``."""
    path = Path(root)
    try:
        names = os.listdir(path.parent)  # noqa: PTH208
    except OSError:
        return []
    return [name[len(path.name) :] for name in names if name.startswith(path.name) and name != path.name]
