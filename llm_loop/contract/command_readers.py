"""Read the text of a command, in the syntax of one shell family, into statements.

``PosixReader`` reads bash and sh, ``PowerShellReader`` both PowerShells, ``CmdReader`` the Windows
command processor. They follow quoting, escapes, substitutions, groups, redirections, comments and
here-documents; they expand nothing and judge nothing. Each goes through the text once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar

from llm_loop.contract.statements import Redirect, Statement, Word
from llm_loop.errors import CommandError

RUN_DIR = "{run_dir}"
_DEEPEST = 24
_PLAIN = re.compile(r"[\w./:,=+%~\[\]*?!-]+")  # runs of characters that mean nothing to any of the shells
_PLAIN_QUOTED = re.compile(r"[\w\s./:;,=+%~\[\](){}|&<>*?!#-]+")
_REDIRECTS = ("<<<", "<<-", "&>>", "<<", "<>", "<&", ">>", ">|", ">&", "&>", "<", ">")


@dataclass(slots=True)
class _Draft:
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
        self._waiting: list[_Draft] = []

    def statements(self, closer: str = "") -> tuple[Statement, ...]:
        """Read up to ``closer`` (taken too) or, without one, to the end. Raises CommandError."""
        found: list[_Draft] = []
        joins: list[str] = []
        draft = _Draft()
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
                draft = _Draft()
                continue
            self._piece(draft)
        found.append(draft)
        joins.append("")
        return tuple(
            self._finished(one, join) for one, join in zip(found, joins, strict=True) if not one.is_empty()
        )

    # What a family of shells may say differently.

    def _quoted(self, draft: _Draft, word: list[str]) -> bool | None:
        """Take one quoted or escaped part at this place. None: there is none; else whether it expands."""
        raise NotImplementedError

    def _opens_group(self, draft: _Draft) -> bool:
        """Take a group or block that begins here; True when there was one."""
        raise NotImplementedError

    def _starts_comment(self) -> bool:
        return self.text[self.at] == "#"

    def _is_data(self, draft: _Draft) -> bool:
        return not draft.words

    # What they share.

    def _finished(self, draft: _Draft, join: str) -> Statement:
        return Statement(
            words=tuple(draft.words),
            redirects=tuple(draft.redirects),
            inner=tuple(draft.inner),
            here_text=draft.here_text,
            joined_by=join,
            data=self._is_data(draft),
        )

    def _starts(self, *texts: str) -> str:
        return next((text for text in texts if self.text.startswith(text, self.at)), "")

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

    def _operator(self, draft: _Draft) -> str:
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

    def _piece(self, draft: _Draft) -> None:
        before = self.at
        if self._redirect(draft) or self._opens_group(draft):
            return
        self._word(draft)
        if self.at == before:  # a character that begins nothing: take it as a word of its own
            draft.words.append(Word(text=self.text[self.at]))
            self.at += 1

    def _word(self, draft: _Draft) -> None:
        parts: list[str] = []
        quoted = expands = False
        while self.at < len(self.text):
            if self._run(_PLAIN, parts):
                expands = True
                continue
            taken = self._quoted(draft, parts)
            if taken is not None:
                quoted, expands = True, expands or taken
            elif self._starts(RUN_DIR):
                parts.append(RUN_DIR)
                self.at += len(RUN_DIR)
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

    def _redirect(self, draft: _Draft) -> bool:
        operator = self._starts(*_REDIRECTS)
        if not operator or self._starts("<(", ">("):
            return False
        self.at += len(operator)
        self._skip_blanks(at_start=False)
        target = _Draft()
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

    def _here_documents(self, draft: _Draft) -> None:
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

    def _nested(self, draft: _Draft, opener: str, closer: str) -> str:
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


class PosixReader(Reader):
    """Read bash and sh."""

    joins_lines = "\\"

    def _quoted(self, draft: _Draft, word: list[str]) -> bool | None:
        char = self.text[self.at]
        if char == "\\":
            return self._escaped(word)
        if char == "'" or self._starts("$'"):
            self.at += 1 if char == "'" else 2
            word.append(self._until("'", "a single quote"))
            return False
        if char == '"' or self._starts('$"'):
            self.at += 1 if char == '"' else 2
            self._double_quoted(draft, word)
            return True
        return True if self._substitution(draft, word) else None

    def _escaped(self, word: list[str]) -> bool:
        following = self.text[self.at + 1 : self.at + 2]
        if following and following != "\n":
            word.append(following)
        self.at += 2
        return False

    def _double_quoted(self, draft: _Draft, word: list[str]) -> None:
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == '"':
                self.at += 1
                return
            if self._run(_PLAIN_QUOTED, word):
                continue
            if char == "\\" and self.text[self.at + 1 : self.at + 2] in ('"', "\\", "$", "`", "\n"):
                self._escaped(word)
            elif not self._substitution(draft, word):
                word.append(char)
                self.at += 1
        raise CommandError("a double quote is not closed")

    def _substitution(self, draft: _Draft, word: list[str]) -> bool:
        if self._starts("$(("):
            self.at += 3
            word.append("$((" + self._until("))", "an arithmetic $((") + "))")
        elif opener := self._starts("$(", "<(", ">("):
            word.append(self._nested(draft, opener, ")"))
        elif self._starts("${"):
            word.append(self._until("}", "a ${") + "}")
        elif self.text[self.at] == "`":
            self.at += 1
            inner = self._until("`", "a backtick")
            draft.inner.extend(PosixReader(inner, self.depth + 1).statements())
            word.append(f"`{inner}`")
        else:
            return False
        return True

    def _opens_group(self, draft: _Draft) -> bool:
        if self.text[self.at] != "(":
            return False
        is_array = bool(draft.words) and draft.words[-1].text.endswith("=")
        inner = _Draft()
        self._nested(inner, "(", ")")
        if is_array:
            draft.words.extend(word for one in inner.inner for word in one.words)
        else:
            draft.inner.extend(inner.inner)
        return True


class PowerShellReader(Reader):
    """Read Windows PowerShell and PowerShell 7."""

    operators = ("&&", "||", ";", "|", "&", "\n")
    word_ends = " \t\r\n;&|(){}<>"
    joins_lines = "`"

    def _operator(self, draft: _Draft) -> str:
        if self.text[self.at] == "&" and not self._starts("&&") and not draft.words:
            self.at += 1  # the call operator: the next word is a program, quoted or not
            draft.called = True
            self._skip_blanks(at_start=False)
            if self.at >= len(self.text):
                return ";"
        return super()._operator(draft)

    def _starts_comment(self) -> bool:
        return bool(self._starts("#", "<#"))

    def _skip_comment(self) -> None:
        if self._starts("<#"):
            self._until("#>", "a comment <#")
        else:
            super()._skip_comment()

    def _is_data(self, draft: _Draft) -> bool:
        if not draft.words:
            return True
        first = draft.words[0]
        return not draft.called and (first.quoted or first.text.startswith("("))

    def _quoted(self, draft: _Draft, word: list[str]) -> bool | None:
        if here := self._starts("@'\n", '@"\n', "@'\r\n", '@"\r\n'):
            self.at += len(here)
            word.append(self._until(f"\n{here[1]}@", "a here-string"))
            return here[1] == '"'
        char = self.text[self.at]
        if char == "`":
            word.append(self.text[self.at + 1 : self.at + 2])
            self.at += 2
            return False
        if char == "'":
            self._doubled(draft, word, "'")
            return False
        if char == '"':
            self._doubled(draft, word, '"')
            return True
        return True if self._substitution(draft, word) else None

    def _doubled(self, draft: _Draft, word: list[str], quote: str) -> None:
        """Read a quoted text in which a doubled quote stands for one."""
        self.at += 1
        while self.at < len(self.text):
            if self._starts(quote * 2):
                word.append(quote)
                self.at += 2
            elif self.text[self.at] == quote:
                self.at += 1
                return
            elif self._run(_PLAIN_QUOTED, word):
                continue
            elif quote == '"' and self.text[self.at] == "`":
                word.append(self.text[self.at + 1 : self.at + 2])
                self.at += 2
            elif quote == "'" or not self._substitution(draft, word):
                word.append(self.text[self.at])
                self.at += 1
        raise CommandError(f"a {quote} is not closed")

    def _substitution(self, draft: _Draft, word: list[str]) -> bool:
        if opener := self._starts("$(", "@("):
            word.append(self._nested(draft, opener, ")"))
        elif self._starts("@{"):
            word.append(self._nested(draft, "@{", "}"))
        elif self._starts("${"):
            word.append(self._until("}", "a ${") + "}")
        else:
            return False
        return True

    def _opens_group(self, draft: _Draft) -> bool:
        opener = self.text[self.at]
        if opener not in "({" or self._starts(RUN_DIR):
            return False
        closer = ")" if opener == "(" else "}"
        self._nested(draft, opener, closer)
        draft.words.append(Word(text=f"{opener}{closer}"))
        return True


class CmdReader(Reader):
    """Read the Windows command processor's lines."""

    operators = ("&&", "||", "|", "&", "\n")
    word_ends = " \t\r\n&|()<>"
    joins_lines = "^"

    def _starts_comment(self) -> bool:
        return bool(self._starts("::"))

    def _quoted(self, draft: _Draft, word: list[str]) -> bool | None:
        if self.text[self.at] == "^":
            word.append(self.text[self.at + 1 : self.at + 2])
            self.at += 2
            return False
        if self.text[self.at] == '"':
            self.at += 1
            word.append(self._until('"', "a double quote"))
            return True
        return None

    def _opens_group(self, draft: _Draft) -> bool:
        if self.text[self.at] != "(":
            return False
        self._nested(draft, "(", ")")
        return True
