"""Write a document as Markdown that reads well unrendered too; no text in it acts as markup."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from llm_loop.report.document import (
    Block,
    Bullets,
    Code,
    Commands,
    Document,
    Drawn,
    Foreign,
    Heading,
    Paragraph,
    Piece,
    Strong,
    Table,
    Text,
    pieces_of,
)
from llm_loop.report.figures.figure import Figure

_ACTS = re.compile(r"[\\`*|]|\](?=[(\[:])|~~|(?<!\w)_|_(?!\w)|&(?=#?\w+;)")
_OPENS = re.compile(r"(?:#{1,6}|[-+]|\d{1,9}[.)])(?=\s|$)|={3,}|-{3,}")
_LINK = Callable[[Figure], str]


def to_markdown(document: Document, link: _LINK) -> str:
    """Return the page; ``link`` says under which relative address a figure's file lies."""
    parts = [f"# {_escaped(document.title)}"]
    parts += ["\n".join(_lines(block, link)) for block in document.blocks]
    return "\n\n".join(parts) + "\n"


def _lines(block: Block, link: _LINK) -> Iterator[str]:
    match block:
        case Heading():
            yield f"{'#' * block.level} {_escaped(block.text)}"
        case Paragraph():
            yield _unopened(_inline(block.text))
        case Bullets():
            yield from (f"- {_unopened(_inline(item))}" for item in block.items)
        case Table():
            yield from _table(block)
        case Commands():
            yield from _fenced(block.lines)
        case Foreign():
            yield from (f"> {_unopened(_escaped(line))}".rstrip() for line in block.lines)
        case Drawn():
            yield f"![{_escaped(block.figure.title)}]({link(block.figure)})"
            yield ""
            yield f"*{_escaped(block.figure.caption)}*"


def _table(table: Table) -> Iterator[str]:
    yield f"| {' | '.join(map(_escaped, table.head))} |"
    marks = ("---:" if column in table.numbers else "---" for column in range(len(table.head)))
    yield f"| {' | '.join(marks)} |"
    for row in table.rows:
        yield f"| {' | '.join(_inline(cell) for cell in row)} |"


def _fenced(lines: tuple[str, ...]) -> Iterator[str]:
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    yield f"{fence}text"
    yield from lines
    yield fence


def _inline(text: Text) -> str:
    return "".join(map(_piece, pieces_of(text)))


def _piece(piece: Piece) -> str:
    match piece:
        case Code():
            return "`" + piece.text.replace("`", "'").replace("|", "/") + "`" if piece.text.strip() else ""
        case Strong():
            return f"**{_escaped(piece.text)}**"
        case _:
            return _escaped(piece)


def _escaped(text: str) -> str:
    text = _ACTS.sub(lambda found: "&amp;" if found[0] == "&" else "\\" + found[0], text)
    return text.replace("<", "&lt;").replace(">", "&gt;") if "<" in text else text


def _unopened(line: str) -> str:
    """Keep a line from opening a heading, a list, a quote or a rule."""
    if line.startswith(">"):
        return "\\" + line
    found = _OPENS.match(line)
    return line if found is None else line[: found.end() - 1] + "\\" + line[found.end() - 1 :]
