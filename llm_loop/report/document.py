"""A document as blocks, free of any format: written once, shown as Markdown and as HTML.

Every text is plain: whatever signs it holds are shown, never acted on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from llm_loop.report.figures.figure import Figure


@dataclass(frozen=True, slots=True)
class Code:
    """Hold a name, a value or a command, shown in a fixed width."""

    text: str


@dataclass(frozen=True, slots=True)
class Strong:
    """Hold words that the eye shall find."""

    text: str


Piece: TypeAlias = str | Code | Strong
Text: TypeAlias = Piece | Sequence[Piece]
"""One piece, or several in a row."""


def pieces_of(text: Text) -> Sequence[Piece]:
    """Return the pieces of a text."""
    return (text,) if isinstance(text, str | Code | Strong) else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """Begin a section of ``level`` 2 or 3."""

    level: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    """Hold one paragraph."""

    text: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Bullets:
    """Hold a list."""

    items: tuple[Text, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Hold a table; columns in ``numbers`` (from 0) are set to the right."""

    head: tuple[str, ...]
    rows: tuple[tuple[Text, ...], ...]
    numbers: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """Hold lines that a person types as they stand."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """Hold the lines of a text that nobody checked."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Put a figure with its caption here."""

    figure: Figure


Block: TypeAlias = Heading | Paragraph | Bullets | Table | Commands | Foreign | Drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Hold a title and blocks."""

    title: str
    blocks: tuple[Block, ...]
