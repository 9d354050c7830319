"""Read the commands of both PowerShells and of the Windows command processor."""

from __future__ import annotations

from llm_loop.contract.command_reader import PLACEHOLDERS, PLAIN_QUOTED, Draft, Reader
from llm_loop.contract.statements import Word
from llm_loop.errors import CommandError


class PowerShellReader(Reader):
    """Read Windows PowerShell and PowerShell 7."""

    operators = ("&&", "||", ";", "|", "&", "\n")
    word_ends = " \t\r\n;&|(){}<>"
    joins_lines = "`"

    def _operator(self, draft: Draft) -> str:
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

    def _is_data(self, draft: Draft) -> bool:
        if not draft.words:
            return True
        first = draft.words[0]
        return not draft.called and (first.quoted or first.text.startswith("("))

    def _quoted(self, draft: Draft, word: list[str]) -> bool | None:
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

    def _doubled(self, draft: Draft, word: list[str], quote: str) -> None:
        """Read a quoted text in which a doubled quote stands for one."""
        self.at += 1
        while self.at < len(self.text):
            if self._starts(quote * 2):
                word.append(quote)
                self.at += 2
            elif self.text[self.at] == quote:
                self.at += 1
                return
            elif self._run(PLAIN_QUOTED, word):
                continue
            elif quote == '"' and self.text[self.at] == "`":
                word.append(self.text[self.at + 1 : self.at + 2])
                self.at += 2
            elif quote == "'" or not self._substitution(draft, word):
                word.append(self.text[self.at])
                self.at += 1
        raise CommandError(f"a {quote} is not closed")

    def _substitution(self, draft: Draft, word: list[str]) -> bool:
        if opener := self._starts("$(", "@("):
            word.append(self._nested(draft, opener, ")"))
        elif self._starts("@{"):
            word.append(self._nested(draft, "@{", "}"))
        elif self._starts("${"):
            word.append(self._until("}", "a ${") + "}")
        else:
            return False
        return True

    def _opens_group(self, draft: Draft) -> bool:
        opener = self.text[self.at]
        if opener not in "({" or self._starts(*PLACEHOLDERS):
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

    def _quoted(self, draft: Draft, word: list[str]) -> bool | None:
        if self.text[self.at] == "^":
            word.append(self.text[self.at + 1 : self.at + 2])
            self.at += 2
            return False
        if self.text[self.at] == '"':
            self.at += 1
            word.append(self._until('"', "a double quote"))
            return True
        return None

    def _opens_group(self, draft: Draft) -> bool:
        if self.text[self.at] != "(":
            return False
        self._nested(draft, "(", ")")
        return True
