"""Read the commands of bash and sh."""

from __future__ import annotations

from llm_loop.contract.command_reader import PLAIN_QUOTED, Draft, Reader
from llm_loop.errors import CommandError


class PosixReader(Reader):
    """Read bash and sh."""

    joins_lines = "\\"

    def _quoted(self, draft: Draft, word: list[str]) -> bool | None:
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

    def _double_quoted(self, draft: Draft, word: list[str]) -> None:
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == '"':
                self.at += 1
                return
            if self._run(PLAIN_QUOTED, word):
                continue
            if char == "\\" and self.text[self.at + 1 : self.at + 2] in ('"', "\\", "$", "`", "\n"):
                self._escaped(word)
            elif not self._substitution(draft, word):
                word.append(char)
                self.at += 1
        raise CommandError("a double quote is not closed")

    def _substitution(self, draft: Draft, word: list[str]) -> bool:
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

    def _opens_group(self, draft: Draft) -> bool:
        if self.text[self.at] != "(":
            return False
        is_array = bool(draft.words) and draft.words[-1].text.endswith("=")
        inner = Draft()
        self._nested(inner, "(", ")")
        if is_array:
            draft.words.extend(word for one in inner.inner for word in one.words)
        else:
            draft.inner.extend(inner.inner)
        return True
