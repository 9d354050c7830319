"""Unfold a command into every program that it would start, with the folder it would start in.

Goes through wrappers (``sudo``, ``env``, ``timeout``, ``xargs``), nested shells (``bash -c``,
``pwsh -Command``, ``cmd /c``), substitutions, ``find -exec``, ``eval`` of plain text, and Python
code (``python -c``, here-documents) that starts commands of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePath

from llm_loop.contract.command_line import Redirect, Statement, Word, is_powershell, program_name, split_statements
from llm_loop.contract.command_policy import CommandPolicy, Wrapper
from llm_loop.errors import CommandError
from llm_loop.stages.gate_rules import shell_words
from llm_loop.stages.gate_rules.calls import Call, Code, Move, Text, matches, operands
from llm_loop.stages.gate_rules.places import Places
from llm_loop.stages.gate_rules.python_code import read_python
from llm_loop.stages.gate_rules.verdict import GateIssue
from llm_loop.stages.gate_rules.wrappers import found_commands, wrapped_command

_DEEPEST = 30
_MOST_STARTED = 150_000  # characters of commands inside commands, counted at each level
_SCRIPT_SHELLS = {".sh": "bash", ".bash": "bash", ".ps1": "pwsh", ".psm1": "pwsh", ".bat": "cmd", ".cmd": "cmd"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Feed:
    """Hold what reaches a program besides its arguments."""

    upstream: Sequence[Call] = ()
    inner: Sequence[Call] = ()
    here_text: str | None = None
    fed: bool = False
    redirects: tuple[Redirect, ...] = ()


class Unfolder:
    """Collect ``calls``, ``codes``, ``texts``, ``moves`` and ``troubles`` of commands and files."""

    def __init__(self, policy: CommandPolicy, places: Places, folder: str) -> None:
        self.policy = policy
        self.places = places
        self.calls: list[Call] = []
        self.codes: list[Code] = []
        self.texts: list[Text] = []
        self.moves: list[Move] = []
        self.troubles: list[GateIssue] = []
        self.folder = folder
        self._left: list[str] = []
        self._variables: dict[str, str] = {}
        self._depth = 0
        self._started = 0
        self._wrappers: dict[str, Wrapper | None] = {}

    def command(self, text: str, shell: str) -> None:
        """Unfold a command in the folder that was reached so far."""
        try:
            statements = split_statements(text, shell)
        except CommandError as error:
            self._unreadable(str(error))
            return
        self._statements(statements, shell)

    def content(self, name: str, text: str) -> None:
        """Unfold a file that the run would read: scripts as commands, Python as code."""
        self.texts.append(Text(name=name, text=text, folder=self.folder))
        ending = PurePath(name.lower()).suffix
        starter = _starter(text)
        if ending in (".py", ".pyw") or shell_words.is_python(starter):
            self._python(text)
        elif (shell := _SCRIPT_SHELLS.get(ending) or (starter if starter in shell_words.SHELLS else None)) is not None:
            self._nested(text, shell)

    def _nested(self, text: str, shell: str) -> None:
        with self._deeper() as allowed:
            if allowed:
                self.command(text, shell)

    @contextmanager
    def _deeper(self, *, keeps_folder: bool = False) -> Iterator[bool]:
        """Go one level down; what changes its folder there changes nothing up here."""
        folder, left = self.folder, list(self._left)
        self._depth += 1
        allowed = self._depth <= _DEEPEST and self._started <= _MOST_STARTED
        if not allowed:
            self._unreadable("it is nested too deeply or starts too much")
        yield allowed
        self._depth -= 1
        if not keeps_folder:
            self.folder, self._left = folder, left

    def _statements(self, statements: Sequence[Statement], shell: str) -> None:
        upstream: list[Call] = []
        feeding = False
        for index, statement in enumerate(statements):
            first = len(self.calls)
            self._statement(statement, shell, upstream if feeding else None)
            if feeding and statement.joined_by == "|":
                upstream.extend(self.calls[first:])
            else:
                upstream = self.calls[first:]
            feeding = statement.joined_by == "|"
            if feeding and _breeds(statements[index : index + 2]):
                self._destructive("a program that starts itself twice fills the machine (fork bomb)", "leave it out")

    def _statement(self, statement: Statement, shell: str, upstream: list[Call] | None) -> None:
        first = len(self.calls)
        if statement.inner:
            with self._deeper(keeps_folder=is_powershell(shell)) as allowed:
                if allowed:
                    self._statements(statement.inner, shell)
        redirects = tuple(
            Redirect(operator=one.operator, target=self._expanded(one.target)) for one in statement.redirects
        )
        feed = _Feed(
            upstream=upstream or (),
            inner=tuple(self.calls[first:]),
            here_text=statement.here_text,
            fed=upstream is not None or statement.here_text is not None or any("<" in r.operator for r in redirects),
            redirects=redirects,
        )
        if statement.here_text is not None:
            for redirect in redirects:
                self.content(redirect.target, statement.here_text)
        self._words(statement, shell, feed)

    def _words(self, statement: Statement, shell: str, feed: _Feed) -> None:
        words = shell_words.program_words(statement.words, shell)
        words, assigned = self._assignments(words, shell)
        data = statement.data or not words or shell_words.starts_nothing(words[0], shell)
        if assigned and is_powershell(shell) and words and words[0].quoted:
            data = True
        texts = [self._expanded(word.text) if word.expands else word.text for word in words]
        if data:
            texts = [*assigned, *texts]
            if texts or feed.redirects:
                self._note("", texts, shell, feed)
            return
        if assigned:
            self._note("", assigned, shell, _Feed())
        self._start(texts[0], texts[1:], shell, feed)

    def _assignments(self, words: Sequence[Word], shell: str) -> tuple[Sequence[Word], list[str]]:
        """Take leading assignments, remember plain values, and return the rest and their texts."""
        assigned: list[str] = []
        if is_powershell(shell) and len(words) > 2 and words[0].text.startswith("$") and words[1].text == "=":
            words = [Word(text=f"{words[0].text}={words[2].text}", quoted=True), *words[2:]]
            pair = shell_words.assignment(words[0].text, shell)
            if pair and words[1].quoted:
                self._variables[pair[0]] = self._expanded(pair[1])
            return words[1:], [words[0].text]
        while words and (pair := shell_words.assignment(words[0].text, shell)) is not None:
            self._variables[pair[0]] = self._expanded(pair[1])
            assigned.append(f"{pair[0]}={self._expanded(pair[1])}")
            words = words[1:]
        return words, assigned

    def _expanded(self, text: str) -> str:
        return self.places.expand(text, self._variables, self.folder)

    def _note(self, program: str, arguments: Sequence[str], shell: str, feed: _Feed) -> Call:
        call = Call(
            program=program,
            arguments=tuple(arguments),
            folder=self.folder,
            shell=shell,
            fed=feed.fed,
            redirects=feed.redirects,
        )
        self.calls.append(call)
        return call

    def _start(self, word: str, arguments: Sequence[str], shell: str, feed: _Feed) -> None:
        """Note a program, and go into what it starts itself."""
        name = program_name(word)
        call = self._note(name, arguments, shell, feed)
        if name in shell_words.CHANGES_FOLDER or name in shell_words.GOES_BACK:
            self._move(call)
        elif name in shell_words.SHELLS:
            self._shell(call, feed)
        elif shell_words.is_python(name):
            self._python_program(call, feed)
        elif name in shell_words.EVALUATES:
            self._evaluate(call, feed)
        elif name in ("source", "."):
            self._script(call, "".join(call.arguments[:1]), "bash", feed)
        elif name in ("export", "set", "declare", "local", "readonly", "setx"):
            self._assignments([Word(text=one) for one in arguments if not one.startswith("-")], "bash")
        elif name == "find":
            self._starts_others(found_commands(call), shell, _Feed())
        elif (wrapper := self._wrapper(name)) and (words := wrapped_command(call, wrapper)):
            hides = wrapper.adds_unknown_targets
            self._starts_others([words], shell, _Feed(redirects=feed.redirects, fed=True) if hides else feed)

    def _wrapper(self, name: str) -> Wrapper | None:
        if name not in self._wrappers:
            found = (one for one in self.policy.wrappers if matches(one.programs, name))
            self._wrappers[name] = next(found, None)
        return self._wrappers[name]

    def _starts_others(self, commands: Iterable[Sequence[str]], shell: str, feed: _Feed) -> None:
        for words in commands:
            self._started += sum(map(len, words))
            with self._deeper() as allowed:
                if allowed:
                    self._start(words[0], words[1:], shell, feed)

    def _move(self, call: Call) -> None:
        if call.program in shell_words.GOES_BACK or call.arguments == ("-",):
            self.folder = self._left.pop() if self._left else self.folder
            return
        target = next((one for one in operands(call.arguments) if one.lower() != "/d"), "~")
        path = self.places.resolve(target, self.folder)
        literal = any(one.lower().startswith("-l") for one in call.arguments)
        wild = is_powershell(call.shell) and not literal and any(char in target for char in "[]*?")
        self.moves.append(Move(target=target, path=path, has_wildcards=wild))
        if path is not None:
            self._left = [*self._left[-20:], self.folder]
            self.folder = path

    def _shell(self, call: Call, feed: _Feed) -> None:
        text, script = shell_words.shell_text(call.program, call.arguments)
        if text == "$encoded":
            self._unreadable("an encoded command cannot be judged")
        elif text is not None:
            self._given_text(text, call.program, feed)
        else:
            self._script(call, script, call.program, feed)

    def _script(self, call: Call, script: str | None, shell: str, feed: _Feed) -> None:
        """Judge a script that is not a file: piped in, or made by a substitution."""
        if script is not None and script.startswith("<("):
            self._piped(feed.inner, None, shell)
        elif script is None and (feed.upstream or feed.here_text is not None):
            self._piped(feed.upstream, feed.here_text, shell)

    def _given_text(self, text: str, shell: str, feed: _Feed) -> None:
        """Go into a text that a shell evaluates; one that is only known at run time is refused."""
        try:
            statements = split_statements(text, shell)
        except CommandError as error:
            self._unreadable(str(error))
            return
        lone = [one.words[0].text for one in statements if len(one.words) == 1 and one.words[0].expands]
        if any(word.startswith(("$", "`", "()")) for word in map(self._expanded, lone)):
            self._piped(feed.inner, None, shell)
            return
        with self._deeper() as allowed:
            if allowed:
                self._statements(statements, shell)

    def _evaluate(self, call: Call, feed: _Feed) -> None:
        words = operands(call.arguments)
        shell = call.shell if call.program == "eval" else "pwsh"
        if not words and feed.upstream:
            self._piped(feed.upstream, None, shell)
        elif words and words[0].startswith(("$", "`", "(")):
            self._piped(feed.inner, None, shell)
        elif words:
            self._given_text(" ".join(words), shell, feed)

    def _python_program(self, call: Call, feed: _Feed) -> None:
        kind, index = shell_words.python_source(call.arguments)
        given = call.arguments[index] if index < len(call.arguments) else ""
        if kind == "code":
            self._python(given)
        elif kind == "module":
            self._note(given.lower().removesuffix(".__main__"), call.arguments[index + 1 :], call.shell, feed)
        elif kind == "input" or given.startswith("<("):
            script = given if given.startswith("<(") else None
            self._script(call, script, "python", feed)

    def _piped(self, sources: Sequence[Call], here_text: str | None, language: str) -> None:
        """Judge code that reaches an interpreter through a pipe, a here-document or a substitution."""
        last = sources[-1] if sources else None
        if any(one.program in self.policy.downloaders for one in sources[-50:]):
            self._destructive("it runs text from the network that nobody has read", "use what is on this machine")
        elif here_text is not None:
            self._code(here_text, language)
        elif last is not None and (last.program in self.policy.text_programs or last.program == ""):
            self._code(" ".join(one for one in last.arguments if one not in ("-e", "-n")), language)
        elif last is None or last.program not in shell_words.READS_FILES:
            self._unreadable(f"what {language} would run is only known at run time")

    def _code(self, text: str, language: str) -> None:
        if language == "python":
            self._python(text)
        else:
            self._nested(text, language)

    def _python(self, code: str) -> None:
        facts = read_python(code)
        self.codes.append(Code(text=code, facts=facts, folder=self.folder))
        if facts.hidden:
            self._unreadable("Python code that is decoded at run time cannot be judged")
        for command in facts.commands:
            if isinstance(command, str):
                self._nested(command, "cmd" if os.name == "nt" else "sh")
            else:
                self._starts_others([command], "sh", _Feed())

    def _unreadable(self, reason: str) -> None:
        self.troubles.append(
            GateIssue(
                code="unreadable_command",
                message=f"the command cannot be judged: {reason}",
                fix="write the command plainly, quotes closed, without encoding, eval or generated code",
            )
        )

    def _destructive(self, message: str, fix: str) -> None:
        self.troubles.append(GateIssue(code="destructive_command", message=message, fix=fix))


def _starter(text: str) -> str:
    """Return the program that a script names in its first line, "" when there is none."""
    first = text[:300].lstrip("\ufeff").partition("\n")[0]
    words = first.removeprefix("#!").split() if first.startswith("#!") else []
    names = [program_name(word) for word in words if not word.startswith("-")]
    return next((name for name in names if name != "env"), "")


def _breeds(pair: Sequence[Statement]) -> bool:
    """Say whether a program is piped into itself in the background: the heart of a fork bomb."""
    if len(pair) < 2 or pair[1].joined_by != "&":
        return False
    left, right = (statement.words[-1:] for statement in pair)
    return len(pair[1].words) == 1 and bool(left) and left[0].text == right[0].text
