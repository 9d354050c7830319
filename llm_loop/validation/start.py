"""What a command starts first, where that is plain to see.

Only what surely is started is judged later: a command whose first step hangs on a condition, a loop, a variable or
another program's output is left alone, and so is all that follows the first step, for which that one may have made
files and installed packages.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from llm_loop.contract.command_line import Statement, Word, is_powershell, program_name, split_statements
from llm_loop.contract.trainer_settings import MODULE as TRAINER
from llm_loop.repairs.command_change import config_in
from llm_loop.versions.command_words import PythonCall, python_calls
from llm_loop.versions.python_search import interpreters
from llm_loop.versions.refusal import CodeRefused

_PYTHON = re.compile(r"(python|pypy)[0-9.]*w?")
_ASSIGNED = re.compile(r"(?P<name>[A-Za-z_]\w*)=(?P<value>.*)", re.ASCII | re.DOTALL)
_ASSIGNED_IN_POWERSHELL = re.compile(r"\$env:(?P<name>\w+)", re.ASCII | re.IGNORECASE)
_EXPANDS = re.compile(r"[$`*?\[\]]|^~|^@|\{[^{}]*\}")
_EXPANDS_QUOTED = re.compile(r"[$`]")
_DECIDES = frozenset(
    "if then else elif fi for foreach while until do done case esac select function switch try catch trap eval source"
    " . ! [ [[ (( { } alias exec coproc builtin shopt unset return exit break continue param begin process end throw"
    " iex invoke-expression start-process".split()
)
"""Words with which a statement is more than one program; in both families of shells."""
_BENDS = frozenset(
    "PATH PATHEXT PYTHONHOME PYTHONSAFEPATH PYTHONSTARTUP BASH_ENV ENV LD_PRELOAD LD_LIBRARY_PATH".split()
)
_CHANGES_FOLDER = frozenset({"cd", "pushd", "chdir", "set-location", "sl", "push-location"})
_PREPARES = frozenset({"mkdir", "md", "umask", "ulimit", "nvidia-smi", "true", ":", "sleep", "date", "hostname"})
_SHELL_SETTING = re.compile(r"-[euxo]+|pipefail|errexit|nounset|xtrace")
_BY = {
    "nohup": re.compile(""),
    "time": re.compile(""),
    "command": re.compile(""),
    "nice": re.compile(r"(?:-n ?\d+ |-\d+ |--adjustment=\d+ )?"),
    "stdbuf": re.compile(r"(?:-[ioe]\S+ )*"),
    "timeout": re.compile(r"(?:--foreground |-[ks] ?\w+ |--(?:kill-after|signal)=\w+ )*[\d.]+[smhd]? "),
    "taskset": re.compile(r"-c [\d,-]+ "),
    "env": re.compile(r"(?:[A-Za-z_]\w*=\S* )*"),
}
"""Programs that start another one, and what of theirs may stand before it."""


class NotPlainError(Exception):
    """Say why a command is not plain to see through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Hold the first step of a command: its words, the folder it starts in, the variables that are set for it.

    ``words`` begin with the program, and the shell may make something else of those in ``loose``. ``behind`` is how
    many of them belong to programs such as ``nohup`` that start the rest. ``python`` is None for any other program.
    ``python_path`` is what the command sets itself, None for nothing.
    """

    words: tuple[str, ...]
    folder: Path
    loose: frozenset[str] = frozenset()
    behind: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    python: PythonCall | None = None
    python_path: str | None = None

    @property
    def program(self) -> str:
        """Return the program that does the work."""
        return self.words[self.behind]

    @property
    def is_trainer(self) -> bool:
        """Tell whether it is the reference trainer."""
        return self.python is not None and self.python.module == TRAINER

    def config(self) -> str | None:
        """Return the config file that a flag names, as written there; None without one that is plain to see."""
        found = config_in(shlex.join(self.words), "bash")
        return None if found is None or self.words[found.word] in self.loose else found.value

    def values_of(self, flag: str) -> list[str]:
        """Return the values of a flag: ``--set A``, ``--set=A``."""
        given = [one.partition("=")[2] for one in self.words if one.startswith(f"{flag}=")]
        return given + [value for one, value in zip(self.words, self.words[1:], strict=False) if one == flag]


def read_start(
    command: str, shell: str, cwd: Path, tokens: Mapping[str, str], python_path: Sequence[str] = ()
) -> Start:
    """Return what the command starts first; ``python_path`` is the PYTHONPATH that it is given.

    Raises CommandError where it does not read, NotPlainError.
    """
    statements = split_statements(command, shell)
    if any(one.joined_by in ("||", "&") for one in statements):
        raise NotPlainError("the command goes on where one of its programs fails")
    found = _Reading(shell, cwd, tokens)
    for statement in statements:
        words = found.take(statement)
        if words is not None:
            if is_powershell(shell) and statement is not statements[-1]:  # 5.1 goes on after a program that fails
                raise NotPlainError("PowerShell may go on after the first program of the command fails")
            return _start(found, words, None if "pythonpath" not in command.lower() else (command, python_path))
    raise NotPlainError("the command starts no program")


class _Reading:
    """Go through the statements up to the first one that does something."""

    def __init__(self, shell: str, cwd: Path, tokens: Mapping[str, str]) -> None:
        self.shell, self.cwd, self.folder, self.tokens = shell, cwd, cwd, tokens
        self.exported: dict[str, str] = {}
        self.loose: set[str] = set()

    def take(self, statement: Statement) -> list[str] | None:
        """Return the words of the step, None for a statement that only prepares. Raises NotPlainError."""
        words = list(statement.words)
        if statement.inner or statement.here_text is not None or not words:
            raise NotPlainError("the command is more than plain calls of programs, one after another")
        if any(word.text in ("{", "}") for word in words) or words[0].text.lower() in _DECIDES:
            raise NotPlainError(f"what {words[0].text[:40]!r} starts is not plain to see")
        if statement.joined_by != "|" and self._prepares(statement, words):
            return None
        own = self._assignments(words)
        if not words:
            raise NotPlainError("the command sets variables in a way that is not followed")
        self.exported |= own
        return [self._any(word) for word in words]

    def _prepares(self, statement: Statement, words: list[Word]) -> bool:
        first = program_name(words[0].text)
        if any(one.writes for one in statement.redirects):
            return False
        if first in _CHANGES_FOLDER and len(words) == 2:
            self.folder = self.folder / self._literal(words[1])
            if not self.folder.is_dir():
                raise NotPlainError(f"the command goes into {words[1].text[:80]}, which is not there yet")
            return True
        if first == "export" and not is_powershell(self.shell):
            self._keep(words[1:])
            return True
        if first == "set":
            if all(_SHELL_SETTING.fullmatch(word.text) for word in words[1:]):
                return True
            raise NotPlainError("the command changes how its shell reads it")
        if is_powershell(self.shell) and (match := _ASSIGNED_IN_POWERSHELL.fullmatch(words[0].text)):
            if len(words) != 3 or words[1].text != "=":
                raise NotPlainError("the command sets a variable in a way that is not followed")
            self._set(match["name"].upper(), words[2], self.exported)
            return True
        return first in _PREPARES

    def _assignments(self, words: list[Word]) -> dict[str, str]:
        """Take the assignments that stand before a program."""
        own: dict[str, str] = {}
        while not is_powershell(self.shell) and words and (match := _ASSIGNED.fullmatch(words[0].text)):
            self._set(match["name"], words.pop(0), own)
        return own

    def _keep(self, words: Sequence[Word]) -> None:
        for word in words:
            if (match := _ASSIGNED.fullmatch(word.text)) is None:
                raise NotPlainError("the command exports a variable in a way that is not followed")
            self._set(match["name"], word, self.exported)

    def _set(self, name: str, word: Word, into: dict[str, str]) -> None:
        if name in _BENDS:
            raise NotPlainError(f"the command sets {name}")
        value = word.text.partition("=")[2] if not is_powershell(self.shell) else word.text
        if name != "PYTHONPATH" and (not word.expands or "$" not in value):  # a path is followed as a whole later
            into[name] = self._filled(value)

    def _literal(self, word: Word) -> str:
        """Return a word that the shell leaves as it is. Raises NotPlainError."""
        if self._is_loose(word):
            raise NotPlainError(f"the shell makes something else of {word.text[:80]}")
        return self._filled(word.text)

    def _any(self, word: Word) -> str:
        """Return a word, and remember one of which the shell may make something else."""
        text = self._filled(word.text)
        if self._is_loose(word):
            self.loose.add(text)
        return text

    def _is_loose(self, word: Word) -> bool:
        text = word.text
        for token in self.tokens:
            text = text.replace("{" + token + "}", "")
        if is_powershell(self.shell) and "," in text and not word.quoted:
            return True
        return word.expands and (_EXPANDS_QUOTED if word.quoted else _EXPANDS).search(text) is not None

    def _filled(self, text: str) -> str:
        for name, value in self.tokens.items():
            text = text.replace("{" + name + "}", value)
        return text


def _start(found: _Reading, words: list[str], sets_path: tuple[str, Sequence[str]] | None) -> Start:
    """Return the first step; ``sets_path``: a command that sets PYTHONPATH, and the one it is given."""
    behind = 0 if is_powershell(found.shell) else _behind(words)
    python = None
    if _PYTHON.fullmatch(program_name(words[behind])):
        python = python_calls(shlex.join(words[behind:]), "bash", ".")[0]
    if {words[behind], python and (python.script or python.module)} & found.loose:
        raise NotPlainError("which program the shell starts is not plain to see")
    return Start(
        words=tuple(words),
        folder=found.folder,
        loose=frozenset(found.loose),
        behind=behind,
        environment=found.exported,
        python=python,
        python_path=None if python is None or sets_path is None else _python_path(found, *sets_path),
    )


def _behind(words: Sequence[str]) -> int:
    """Return how many words come before the program that does the work. Raises NotPlainError."""
    at = 0
    while (starter := _BY.get(program_name(words[at]))) is not None:
        rest = " ".join(one.replace(" ", "_") for one in words[at + 1 :])
        match = starter.match(rest)
        at += 1 + (0 if match is None else match[0].count(" "))
        if match is None or at >= len(words) or words[at].startswith("-"):
            raise NotPlainError(f"what {words[0][:40]} starts is not plain to see")
        if any(name in _BENDS or name == "PYTHONPATH" for name in re.findall(r"(\w+)=", match[0])):
            raise NotPlainError(f"{words[0][:40]} sets where programs or modules are found")
    return at


def _python_path(found: _Reading, command: str, given: Sequence[str]) -> str:
    """Return the PYTHONPATH that the command sets. Raises NotPlainError."""
    if found.folder != found.cwd and "pwd" in command.lower():
        raise NotPlainError("the command sets PYTHONPATH from a folder that it goes into")
    try:
        asked = interpreters(
            command,
            found.shell,
            folder=".",
            cwd=found.cwd,
            paths=[Path(one) for one in given],
            python=Path("python"),
            deadline_s=0.0,
            tokens=found.tokens,
        )
    except CodeRefused as refused:
        raise NotPlainError(str(refused)) from refused
    return asked[0].environment["PYTHONPATH"]
