"""What a command line is made of: words, redirections, statements."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """Hold one word as its program would get it.

    Quotes and escapes are gone; variables stand as written (``$HOME/x``), and a substitution stands
    as its text. ``expands`` is False when quotes keep the shell from replacing variables in it.
    """

    text: str
    quoted: bool = False
    expands: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """Hold one redirection: ``>``, ``>>``, ``<`` and so on, and the file it names."""

    operator: str
    target: str

    @property
    def writes(self) -> bool:
        """Whether it writes to a file (and not to another stream, as ``2>&1`` does)."""
        return ">" in self.operator and not self.target.isdigit() and self.target != "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """Hold one simple command of a command line.

    ``joined_by`` is the operator that follows it (``;``, ``&&``, ``||``, ``|``, ``&``, a line break,
    or "" at the end). ``inner`` are the statements of its substitutions, blocks and groups. A
    statement that names no program, such as a PowerShell expression, is ``data``. ``here_text`` is
    what a here-document or here-string feeds it.
    """

    words: tuple[Word, ...] = ()
    redirects: tuple[Redirect, ...] = ()
    inner: tuple[Statement, ...] = ()
    here_text: str | None = None
    joined_by: str = ""
    data: bool = False
