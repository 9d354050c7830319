"""Read the text of a command into statements: what all families of shells have in common.

``posix_reader`` and ``windows_readers`` say how each family quotes and groups. A reader follows
quoting, escapes, substitutions, groups, redirections, comments and here-documents; it expands
nothing and judges nothing, and goes through the text once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar

from llm_loop.contract.statements import Redirect, Statement, Word
from llm_loop.errors import CommandError

PLACEHOLDERS = ("{run_dir}", "{workspace}")  # what a launch replaces by a path
_DEEPEST = 24
_PLAIN = re.compile(r"[\w./:,=+%~\[\]*?!-]+")  # runs of characters that mean nothing to any of the shells
PLAIN_QUOTED = re.compile(r"[\w\s./:;,=+%~\[\](){}|&<>*?!#-]+")
_REDIRECTS = ("<<<", "<<-", "&>>", "<<", "<>", "<&", ">>", ">|", ">&", "&>", "<", ">")


@dataclass(slots=True)
class Draft:
    """Collect one statement while it is read."""

    words: list[Word] = field(default_factory=list)
    redirects: list[Redirect] = field(default_factory=list)
    inner: list[Statement] = field(default_factory=list)
    here_text: str | None = None
    here_end: tuple[str, bool] | None = None
    called: bool = False

    def is_empty(self) -> bool:
        return not (self.words or self.redirects or self.inner)


class Reader:
    """Read statements; a family of shells says how it quotes and groups."""

    operators: ClassVar[tuple[str, ...]] = ("&&", "||", ";;", "|&", ";", "|", "&", "\n")
    word_ends: ClassVar[str] = " \t\r\n;&|()<>"
    joins_lines: ClassVar[str] = ""

    def __init__(self, text: str, depth: int = 0) -> None:
        if depth > _DEEPEST:
            raise CommandError(f"the command is nested more than {_DEEPEST} levels deep")
        self.text = text
        self.at = 0
        self.depth = depth
        self._waiting: list[Draft] = []

    def statements(self, closer: str = "") -> tuple[Statement, ...]:
        """Read up to ``closer`` (taken too) or, without one, to the end. Raises CommandError."""
        found: list[Draft] = []
        joins: list[str] = []
        draft = Draft()
        while True:
            self._skip_blanks(at_start=not draft.words)
            if self.at >= len(self.text):
                if closer:
                    raise CommandError(f"a {closer!r} is missing at the end")
                break
            if closer and self.text[self.at] == closer:
                self.at += 1
                break
            if operator := self._operator(draft):
                found.append(draft)
                joins.append(operator)
                draft = Draft()
                continue
            self._piece(draft)
        found.append(draft)
        joins.append("")
        return tuple(self._finished(one, join) for one, join in zip(found, joins, strict=True) if not one.is_empty())

    # What a family of shells may say differently.

    def _quoted(self, draft: Draft, word: list[str]) -> bool | None:
        """Take one quoted or escaped part at this place. None: there is none; else whether it expands."""
        raise NotImplementedError

    def _opens_group(self, draft: Draft) -> bool:
        """Take a group or block that begins here; True when there was one."""
        raise NotImplementedError

    def _starts_comment(self) -> bool:
        return self.text[self.at] == "#"

    def _is_data(self, draft: Draft) -> bool:
        return not draft.words

    # What they share.

    def _finished(self, draft: Draft, join: str) -> Statement:
        return Statement(
            words=tuple(draft.words),
            redirects=tuple(draft.redirects),
            inner=tuple(draft.inner),
            here_text=draft.here_text,
            joined_by=join,
            data=self._is_data(draft),
        )

    def _starts(self, *texts: str) -> str:
        if not self.text.startswith(texts, self.at):
            return ""
        return next(text for text in texts if self.text.startswith(text, self.at))

    def _skip_blanks(self, *, at_start: bool) -> None:
        while self.at < len(self.text):
            if self.joins_lines and (joint := self._starts(f"{self.joins_lines}\n", f"{self.joins_lines}\r\n")):
                self.at += len(joint)
            elif self.text[self.at] in " \t\r" or (at_start and self.text[self.at] == "\n" and not self._waiting):
                self.at += 1
            elif self._starts_comment():
                self._skip_comment()
            else:
                return

    def _skip_comment(self) -> None:
        end = self.text.find("\n", self.at)
        self.at = len(self.text) if end < 0 else end

    def _operator(self, draft: Draft) -> str:
        if self._starts("&>"):
            return ""
        operator = self._starts(*self.operators)
        if not operator and self.text[self.at] == ")":
            operator = ";"  # the end of a case pattern, or a stray one
        if not operator:
            return ""
        self.at += 1 if self.text[self.at] == ")" else len(operator)
        if operator == "\n":
            self._here_documents(draft)
        return "|" if operator == "|&" else operator

    def _piece(self, draft: Draft) -> None:
        before = self.at
        if self._redirect(draft) or self._opens_group(draft):
            return
        self._word(draft)
        if self.at == before:  # a character that begins nothing: take it as a word of its own
            draft.words.append(Word(text=self.text[self.at]))
            self.at += 1

    def _word(self, draft: Draft) -> None:
        parts: list[str] = []
        quoted = expands = False
        while self.at < len(self.text):
            if self._run(_PLAIN, parts):
                expands = True
                continue
            taken = self._quoted(draft, parts)
            if taken is not None:
                quoted, expands = True, expands or taken
            elif placeholder := self._starts(*PLACEHOLDERS):
                parts.append(placeholder)
                self.at += len(placeholder)
            elif self.text[self.at] in self.word_ends:
                break
            else:
                parts.append(self.text[self.at])
                expands = True
                self.at += 1
        text = "".join(parts)
        if not quoted and (text.isdigit() or text == "*") and self._redirect(draft):
            return
        if text or quoted:
            draft.words.append(Word(text=text, quoted=quoted, expands=expands))

    def _run(self, pattern: re.Pattern[str], parts: list[str]) -> bool:
        """Take a run of characters that need no closer look."""
        found = pattern.match(self.text, self.at)
        if found is None:
            return False
        parts.append(found[0])
        self.at = found.end()
        return True

    def _redirect(self, draft: Draft) -> bool:
        operator = self._starts(*_REDIRECTS)
        if not operator or self._starts("<(", ">("):
            return False
        self.at += len(operator)
        self._skip_blanks(at_start=False)
        target = Draft()
        self._word(target)
        draft.inner.extend(target.inner)
        text = target.words[0].text if target.words else ""
        if operator in ("<<", "<<-"):
            draft.here_end = (text, operator == "<<-")
            self._waiting.append(draft)
        elif operator == "<<<":
            draft.here_text = text
        else:
            draft.redirects.append(Redirect(operator=operator, target=text))
        return True

    def _here_documents(self, draft: Draft) -> None:
        for waiting in self._waiting:
            end, strips = waiting.here_end or ("", False)
            lines = []
            while self.at < len(self.text):
                line = self._line()
                line = line.lstrip("\t") if strips else line
                if line == end:
                    break
                lines.append(line)
            waiting.here_text = "\n".join(lines)
        self._waiting.clear()

    def _line(self) -> str:
        end = self.text.find("\n", self.at)
        end = len(self.text) if end < 0 else end
        line = self.text[self.at : end].rstrip("\r")
        self.at = end + 1
        return line

    def _nested(self, draft: Draft, opener: str, closer: str) -> str:
        """Read the statements of a substitution and return its raw text."""
        begin = self.at
        self.at += len(opener)
        self.depth += 1
        if self.depth > _DEEPEST:
            raise CommandError(f"the command is nested more than {_DEEPEST} levels deep")
        outer, self._waiting = self._waiting, []
        draft.inner.extend(self.statements(closer))
        self._waiting = outer
        self.depth -= 1
        return self.text[begin : self.at]

    def _until(self, quote: str, what: str) -> str:
        """Take the text up to ``quote`` and pass over it."""
        end = self.text.find(quote, self.at)
        if end < 0:
            raise CommandError(f"{what} is not closed")
        text = self.text[self.at : end]
        self.at = end + len(quote)
        return text
